"""The options of `textgen inspect`, in the groups that its help shows."""

from functools import partial
from pathlib import Path
from typing import Annotated

from lstm_textgen.config import SampleConfig
from lstm_textgen.ui.options import option

read_option = partial(option, rich_help_panel="What is read")

look_option = partial(option, rich_help_panel="What is looked at")

output_option = partial(option, rich_help_panel="Output")

DRAW = SampleConfig()

FIRST = 20_000
"""Characters that are read where nobody says how many."""

Text = Annotated[str | None, read_option("--text", help="This text.")]

File = Annotated[
    str | None,
    read_option("--file", help="A file, a folder, - for stdin, or a corpus name."),
]

Sample = Annotated[
    int | None,
    read_option("--sample", help="So many characters that the model writes now."),
]

First = Annotated[
    int, read_option("--first", help="Characters of a file to read.", default=FIRST)
]

Split = Annotated[
    str | None,
    read_option(
        "--split",
        help="Only this part of the file it was trained on: train, validation or test.",
    ),
]

Prompt = Annotated[
    str, read_option("--prompt", "-p", help="What stands before a sample.")
]

Seed = Annotated[
    int | None,
    read_option("--seed", help="Same seed, same sample.", default="a fresh one"),
]

Temperature = Annotated[
    float,
    read_option(
        "--temperature",
        "-t",
        help="Boldness of a sample; 0 is greedy.",
        default=DRAW.temperature,
    ),
]

Encoding = Annotated[
    str, read_option("--encoding", help="Encoding of the file.", default="utf-8")
]

OnUnknown = Annotated[
    str,
    read_option(
        "--on-unknown",
        help="Unknown characters of the text: error, skip or replace.",
        default="error",
    ),
]

Units = Annotated[
    list[str] | None,
    look_option(
        "--unit",
        help="This unit, such as 0:17; may be given again.",
        metavar="LAYER:UNIT",
        default="the most interesting",
    ),
]

Layers = Annotated[
    list[int] | None,
    look_option(
        "--layer", help="Only this layer, from 0; may be given again.", default="all"
    ),
]

Clamps = Annotated[
    list[str] | None,
    look_option(
        "--clamp",
        help="Hold a unit or a gate: 0:17=2, forget=1, 1:forget=0, 0:17:input=0.",
        metavar="[LAYER:[UNIT:]]GATE=VALUE",
    ),
]

Html = Annotated[
    Path | None, output_option("--html", help="One page with everything in it.")
]

Svg = Annotated[
    Path | None, output_option("--svg", help="The lines of heat as one picture.")
]

Npz = Annotated[Path | None, output_option("--npz", help="The arrays, for numpy.load.")]

Force = Annotated[
    bool, output_option("--force", help="Write over a file that is there.")
]
