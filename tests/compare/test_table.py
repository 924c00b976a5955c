"""The table on a terminal."""

from lstm_textgen.compare.findings import rows, show_result


def test_it_fits_eighty_columns(found, capsys):
    """Into a pipe too, with every figure whole."""
    show_result(found)
    lines = capsys.readouterr().out.splitlines()

    assert max(map(len, lines)) <= 80
    assert any(
        line.split()[:4] == ["nats", "per", "character", "1.610"] for line in lines
    )
    assert "…" not in "".join(lines)
    assert any("over 511" in line or "90" in line for line in lines)


def test_there_is_a_figure_for_every_cell(found):
    """No line is shorter than the head."""
    assert {len(cells) for _, cells in rows(found)} == {3}
