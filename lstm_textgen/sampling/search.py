"""
Beam search: the likeliest text instead of a drawn one.

Shapes: W hypotheses, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lstm_textgen.sampling.automaton import Automaton
from lstm_textgen.sampling.engine import Beginning, Stepper


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A text that was found, and what it costs."""

    ids: tuple[int, ...]
    costs: tuple[float, ...]
    """Nats of each character."""

    def score(self, power: float) -> float:
        """Nats divided by the length to this power: the lower the better."""
        divisor: float = max(len(self.ids), 1) ** power
        return sum(self.costs) / divisor


@torch.inference_mode()
def beam_search(
    stepper: Stepper,
    beginning: Beginning,
    *,
    width: int,
    length: int,
    power: float = 1.0,
    automaton: Automaton | None = None,
    is_whole: Callable[[Sequence[int]], bool] = lambda ids: False,
) -> Hypothesis:
    """
    Keep the *width* likeliest beginnings while they grow, and take the best text.

    Args:
        stepper: What weighs the characters.
        beginning: What was read before.
        width: Hypotheses to keep, 1 or more. With 1 this is greedy, with as many as
            there are texts it is exhaustive.
        length: Characters of a text at most, 1 or more.
        power: Whole texts of different lengths are compared by their nats divided
            by their length to this power. 1 compares means, 0 prefers short texts.
        automaton: What may be written; None for anything.
        is_whole: Whether a text ends here.

    Source:
        Lowerre (1976), The Harpy Speech Recognition System, chapter 2. The
        normalisation: Wu et al. (2016), Google's Neural Machine Translation System,
        section 7. https://arxiv.org/abs/1609.08144
    """
    whole: list[Hypothesis] = []
    alive = [Hypothesis((), ())]
    states = None if automaton is None else torch.tensor([automaton.start])
    memory, logits = beginning.memory, beginning.logits
    for left in range(length, 0, -1):
        costs = -logits.double().log_softmax(dim=-1).cpu()
        if automaton is not None and states is not None:
            allowed = automaton.allowed(states, left)
            whole += _matching(alive, automaton, states)
            costs = costs.masked_fill(~allowed, torch.inf)
        parents, ids = _likeliest(alive, costs, width)
        grown = [
            Hypothesis((*alive[p].ids, i), (*alive[p].costs, costs[p, i].item()))
            for p, i in zip(parents, ids, strict=True)
        ]
        ended = [left == 1 or is_whole(each.ids) for each in grown]
        whole += [each for each, end in zip(grown, ended, strict=True) if end]
        kept = [place for place, end in enumerate(ended) if not end]
        if not kept:
            break
        alive = [grown[place] for place in kept]
        parent = torch.tensor([parents[place] for place in kept])
        newest = torch.tensor([ids[place] for place in kept])
        if automaton is not None and states is not None:
            states = automaton.advance(states[parent], newest)
        logits, memory = stepper.step(newest, memory.select(parent))
    nothing = Hypothesis((), ())
    return min(whole, key=lambda each: each.score(power), default=nothing)


def _likeliest(
    alive: list[Hypothesis], costs: Float[Tensor, "W V"], width: int
) -> tuple[list[int], list[int]]:
    """The *width* cheapest ways to go on: which hypothesis, and by which id."""
    paid = torch.tensor([[sum(each.costs)] for each in alive], dtype=costs.dtype)
    totals = (paid + costs).flatten()
    best, places = totals.topk(min(width, len(totals)), largest=False)
    possible = places[best.isfinite()]
    vocabulary = costs.shape[1]
    return (possible // vocabulary).tolist(), (possible % vocabulary).tolist()


def _matching(
    alive: list[Hypothesis], automaton: Automaton, states: Int64[Tensor, " W"]
) -> list[Hypothesis]:
    """Those that match as they are: whole texts, whether or not they can go on."""
    ends = (automaton.distance[states] == 0).tolist()
    return [each for each, end in zip(alive, ends, strict=True) if end and each.ids]
