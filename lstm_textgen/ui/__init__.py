"""What people see: options, tables, bars and pages, on a terminal or as HTML."""
