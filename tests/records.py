"""What a tiny model is said to have learned from."""

from lstm_textgen.checkpoint.record import TrainingRecord

RECORD = TrainingRecord(
    corpus="hällo",
    characters=100,
    sha256="ab" * 32,
    train_stop=90,
    validation_start=90,
    validation_stop=100,
    steps=7,
    epochs=1.5,
    seconds=2.25,
    seed=2**40,
    validation_nats_per_char=1.25,
    validation_characters=10,
)
