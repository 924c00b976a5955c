"""What a model is, in words: for `textgen info`, and for pages about it."""

from lstm_textgen.checkpoint.format import Checkpoint
from lstm_textgen.checkpoint.schema import parameter_count
from lstm_textgen.evaluation.loss import Loss

SHOWN = 120
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
    what = f"{article} {CELL_NAMES[model.cell]} with {layers} of {model.hidden} units"
    learned = f", learned from {training.corpus}" if training.corpus else ""
    return f"{what} that writes {unit} by {unit}{learned}."


def model_facts(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """All that can be said of it: what it is about, and what is the case."""
    model, training = checkpoint.model, checkpoint.training
    vocabulary = checkpoint.tokenizer.size
    parameters = parameter_count(model, vocabulary)
    joined = ", each added to its input" if model.residual and model.layers > 1 else ""
    told = [
        ("model", f"{model.cell}, {model.layers} x {model.hidden} units{joined}"),
        ("parameters", f"{parameters:,}"),
        ("vocabulary", _vocabulary(checkpoint)),
    ]
    if training.corpus:
        told.append(
            ("trained on", f"{training.corpus}, {training.characters:,} characters")
        )
    if training.sha256:
        told.append(("sha256", training.sha256))
    told.append(
        (
            "training",
            f"{training.steps:,} steps, {training.epochs:.2f} epochs, "
            f"{clock(training.seconds)}, seed {training.seed}",
        )
    )
    if model.initial_state == "learned":
        told.append(("begins with", "a memory that was learned too"))
    if training.temperature is not None:
        told.append(("calibrated", f"logits divided by {training.temperature:.3f}"))
    told += _loss(checkpoint)
    made_by = ", ".join(f"{k} {v}" for k, v in sorted(checkpoint.made_by.items()))
    told.append(("made by", made_by))
    told.append(("licence", checkpoint.licence or "not stated"))
    return told + ([("note", checkpoint.note)] if checkpoint.note else [])


def _loss(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """How well it does, and what that means."""
    training = checkpoint.training
    if training.validation_nats_per_char is None:
        return []
    loss = Loss(training.validation_nats_per_char, 1)
    return [
        (
            "held-out loss",
            f"{loss.nats_per_char:.4f} nats = {loss.bits_per_char:.3f} bits per "
            f"character, over {training.validation_characters:,} characters",
        ),
        (
            "that means",
            f"as unsure as a choice among {loss.perplexity:.1f} equally likely "
            f"characters (knowing nothing: {checkpoint.tokenizer.size})",
        ),
    ]


def _vocabulary(checkpoint: Checkpoint) -> str:
    tokenizer = checkpoint.tokenizer
    if tokenizer.kind == "byte":
        return "bytes: every text"
    characters = tokenizer.decode(list(range(tokenizer.size)))
    shown = "".join(char if char.isprintable() else " " for char in characters).strip()
    cut = shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + "..."
    return f"{tokenizer.size} characters: {cut}"


CELL_NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn": "classic RNN"}


def meaning(loss: Loss, vocabulary: int, what: str = "Held-out text") -> str:
    """A loss in words; *what* was read."""
    return (
        f"{what}: {loss.nats_per_char:.4f} nats = {loss.bits_per_char:.3f} bits "
        f"per character, as unsure as a choice among {loss.perplexity:.1f} equally "
        f"likely characters (knowing nothing: {vocabulary})."
    )


def clock(seconds: float) -> str:
    """Seconds as `0:48` or `26:03:10`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
