"""Weights in 8 bits."""

import numpy as np

from lstm_textgen.checkpoint.container import rounded_rows


def test_every_number_is_within_half_a_step():
    """In each row by the step of that row, however different the rows are."""
    generator = np.random.default_rng(3)
    matrix = generator.normal(size=(6, 50)) * 10.0 ** np.arange(-3, 3)[:, None]

    steps, scales = rounded_rows(matrix)

    assert steps.dtype == np.int8
    assert (np.abs(steps).max(axis=1) == 127).all()
    off = np.abs(steps * scales[:, None] - matrix)
    assert (off <= scales[:, None] * (0.5 + 1e-9)).all()


def test_a_row_of_zeros_stays_one():
    """It has no largest number to divide by."""
    steps, scales = rounded_rows(np.zeros((2, 3), np.float32))

    assert not steps.any()
    assert scales.tolist() == [1, 1]
    assert scales.dtype == np.float32
