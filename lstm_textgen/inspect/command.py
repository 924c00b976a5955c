"""`textgen inspect`: what happens inside a model while it reads a text."""

from lstm_textgen.config import SampleConfig
from lstm_textgen.inspect import options as o
from lstm_textgen.ui.options import AsJson, CheckpointArgument, Debug, Quiet, Threads


def inspect(
    checkpoint: CheckpointArgument = None,
    text: o.Text = None,
    file: o.File = None,
    sample: o.Sample = None,
    first: o.First = o.FIRST,
    split: o.Split = None,
    prompt: o.Prompt = "",
    seed: o.Seed = None,
    temperature: o.Temperature = o.DRAW.temperature,
    encoding: o.Encoding = "utf-8",
    on_unknown: o.OnUnknown = "error",
    unit: o.Units = None,
    layer: o.Layers = None,
    clamp: o.Clamps = None,
    html: o.Html = None,
    svg: o.Svg = None,
    npz: o.Npz = None,
    json: AsJson = False,
    force: o.Force = False,
    threads: Threads = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen inspect shakespeare --text "But soft, what light"
    textgen inspect shakespeare --file play.txt --html play.html
    textgen inspect --sample 300 --unit 0:17 --seed 1
    textgen inspect --sample 300 --clamp forget=1

    Read a text and show, character by character, what the gates of the model do, what
    it remembers, what it expects next and how surprised it is. Layers and units are
    counted from 0.
    """
    from lstm_textgen.inspect import run as inspect_run
    from lstm_textgen.inspect.run import InspectInput

    reading = InspectInput(
        text=text,
        file=file,
        sample=sample,
        first=first,
        split=split,
        prompt=prompt,
        config=SampleConfig(temperature=temperature, seed=seed or 0),
        has_seed=seed is not None,
        encoding=encoding,
        on_unknown=on_unknown,  # type: ignore[arg-type]
    )
    output = inspect_run.InspectOutput(
        html=html, svg=svg, npz=npz, json=json, force=force, quiet=quiet
    )
    looked_at = inspect_run.Look(
        units=tuple(unit or ()), layers=tuple(layer or ()), clamps=tuple(clamp or ())
    )
    inspect_run.inspect_model(checkpoint, reading, looked_at, output, threads=threads)
