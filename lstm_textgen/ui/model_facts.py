"""A model and a loss in words: for `textgen info`, and for pages about a model."""

from lstm_textgen.checkpoint.format import Checkpoint
from lstm_textgen.checkpoint.schema import parameter_count
from lstm_textgen.evaluation.loss import Loss, recorded_loss

CELL_NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn": "classic RNN"}

SHOWN_VOCABULARY = 120
"""Characters of a vocabulary that are shown."""


def title(checkpoint: Checkpoint) -> str:
    """A few words: after which text it writes."""
    corpus = checkpoint.training.corpus
    return f"After {corpus}" if corpus else "A character model"


def headline(checkpoint: Checkpoint) -> str:
    """One sentence: what it is, and what it was made from."""
    model, training = checkpoint.model, checkpoint.training
    article = "An" if model.cell == "lstm" else "A"
    layers = f"{model.layers} layer{'s' if model.layers > 1 else ''}"
    unit = "byte" if checkpoint.tokenizer.kind == "byte" else "character"
    network = f"{article} {CELL_NAMES[model.cell]} with {layers} of {model.hidden}"
    source = f", learned from {training.corpus}" if training.corpus else ""
    return f"{network} units that writes {unit} by {unit}{source}."


def model_facts(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """Everything known about a model, as pairs of a name and a fact."""
    model, training = checkpoint.model, checkpoint.training
    parameters = parameter_count(model, checkpoint.tokenizer.size)
    joined = ", each added to its input" if model.residual and model.layers > 1 else ""
    facts = [
        ("model", f"{model.cell}, {model.layers} x {model.hidden} units{joined}"),
        ("parameters", f"{parameters:,}"),
        ("vocabulary", _vocabulary(checkpoint)),
    ]
    if training.corpus:
        characters = f"{training.characters:,} characters"
        facts.append(("trained on", f"{training.corpus}, {characters}"))
    if training.sha256:
        facts.append(("sha256", training.sha256))
    length = f"{training.steps:,} steps, {training.epochs:.2f} epochs"
    took = clock(training.seconds)
    facts.append(("training", f"{length}, {took}, seed {training.seed}"))
    if model.initial_state == "learned":
        facts.append(("begins with", "a memory that was learned too"))
    if training.temperature is not None:
        facts.append(("calibrated", f"logits divided by {training.temperature:.3f}"))
    facts += _loss_facts(checkpoint)
    made_by = ", ".join(f"{k} {v}" for k, v in sorted(checkpoint.made_by.items()))
    facts.append(("made by", made_by))
    facts.append(("licence", checkpoint.licence or "not stated"))
    return facts + ([("note", checkpoint.note)] if checkpoint.note else [])


def _loss_facts(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """How well it does, and what that means."""
    loss = recorded_loss(checkpoint)
    if loss is None:
        return []
    characters = f"{checkpoint.training.validation_characters:,} characters"
    return [
        ("held-out loss", f"{_in_units(loss)}, over {characters}"),
        ("that means", _as_choice(loss, checkpoint.tokenizer.size)),
    ]


def _vocabulary(checkpoint: Checkpoint) -> str:
    tokenizer = checkpoint.tokenizer
    if tokenizer.kind == "byte":
        return "bytes: every text"
    characters = tokenizer.decode(list(range(tokenizer.size)))
    shown = "".join(char if char.isprintable() else " " for char in characters).strip()
    if len(shown) > SHOWN_VOCABULARY:
        shown = shown[: SHOWN_VOCABULARY - 3] + "..."
    return f"{tokenizer.size} characters: {shown}"


def meaning(loss: Loss, vocabulary: int, what: str = "Held-out text") -> str:
    """
    A loss as one sentence.

    Args:
        loss: Its value.
        vocabulary: How many characters the model knows.
        what: What was read.
    """
    return f"{what}: {_in_units(loss)}, {_as_choice(loss, vocabulary)}."


def _in_units(loss: Loss) -> str:
    nats, bits = loss.nats_per_char, loss.bits_per_char
    return f"{nats:.4f} nats = {bits:.3f} bits per character"


def _as_choice(loss: Loss, vocabulary: int) -> str:
    return (
        f"as unsure as a choice among {loss.perplexity:.1f} equally likely "
        f"characters (knowing nothing: {vocabulary})"
    )


def clock(seconds: float) -> str:
    """Seconds as `0:48` or `26:03:10`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{seconds:02}"
    return f"{minutes}:{seconds:02}"
