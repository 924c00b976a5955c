"""`textgen info`: what a checkpoint is."""

from lstm_textgen.ui.options import AsJson, CheckpointArgument, Debug, Quiet, print_json


def info(
    checkpoint: CheckpointArgument = None,
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen info checkpoints/fables
    textgen info model.safetensors --json

    Say what a model is, what it was trained on, and how well it does. The whole
    file is checked on the way.
    """
    from lstm_textgen.checkpoint.format import load_checkpoint, to_metadata
    from lstm_textgen.cli.tables import show_checkpoint
    from lstm_textgen.runs.find import find_checkpoint

    path = find_checkpoint(checkpoint)
    model = load_checkpoint(path)
    if json:
        print_json(to_metadata(model))
    else:
        show_checkpoint(path, model)
