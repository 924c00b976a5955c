"""Which stepper writes: by the length of a text, and by the precision."""

import pytest

from lstm_textgen.errors import ConfigError
from lstm_textgen.sampling.backend import PAYS_FROM, choose_backend
from lstm_textgen.sampling.batched import BatchedBackend

V = 5


def test_bfloat16_is_for_the_plain_step(make_model):
    """Also where a text is long enough for machine code, which has no such type."""
    stepper = choose_backend(make_model(V), characters=PAYS_FROM, precision="bfloat16")

    assert type(stepper) is BatchedBackend


@pytest.mark.parametrize("precision", ["half", "", "auto", "FLOAT32"])
def test_a_precision_is_one_of_three(precision, make_model):
    """Any other is refused, and the remedy lists them."""
    with pytest.raises(ConfigError) as caught:
        choose_backend(make_model(V), precision=precision)

    assert caught.value.problem == f"precision is {precision!r}."
    assert "float32, bfloat16, int8" in caught.value.remedy


def test_eight_bits_are_for_the_cpu(make_model):
    """A model that lies elsewhere is refused before numba is asked for."""
    with pytest.raises(ConfigError, match="for the CPU") as caught:
        choose_backend(make_model(V).to("meta"), precision="int8")

    assert "--precision int8" in caught.value.remedy
