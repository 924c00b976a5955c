"""A comparison for people: table, page, pictures."""
