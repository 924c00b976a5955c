"""
The corpora that have a name: bundled ones, and public ones that can be downloaded.

A registered corpus is identified by its digest, so that everybody trains on the same
bytes. Where each digest comes from stands beside it. Nothing is downloaded here.
"""

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from lstm_textgen.errors import MissingError
from lstm_textgen.paths import bundled_folder, data_folder

CC0 = "CC0-1.0"

PUBLIC_DOMAIN = "public domain"

WIKIPEDIA_LICENSE = "GFDL"

RAW_GITHUB = "https://raw.githubusercontent.com"


@dataclass(frozen=True, kw_only=True, slots=True)
class Zipped:
    """The zip file in which a corpus is published."""

    member: str
    """Name of the file in it that is the text."""

    size_bytes: int
    """Of the zip file itself."""

    sha256: str
    """Of the zip file itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpus:
    """
    A text that has a name.

    The fields are also the keys of `textgen corpora --json`.
    """

    name: str
    """As on the command line. The file is called the same, with `.txt`."""

    language: str
    """The language, or the notation of what is not prose."""

    about: str
    """What it is, in one line."""

    licence: str
    """The terms under which it may be used."""

    address: str | None = None
    """Where it is published. None: it is bundled."""

    size_bytes: int | None = None
    """Of the text itself, unpacked. None: not published."""

    sha256: str | None = None
    """Of the text itself, unpacked. None: not published."""

    zipped: Zipped | None = None
    """Set where the address is that of a zip file."""

    parts: tuple[str, ...] = ()
    """Files below the address that make up the text when joined in this order."""

    @property
    def bundled(self) -> bool:
        return self.address is None

    @property
    def file_name(self) -> str:
        return f"{self.name}.txt"


CORPORA = (
    Corpus(
        name="fables",
        language="English",
        about="189 fables, dialogues and ballads.",
        licence=CC0,
    ),
    Corpus(
        name="cuentos",
        language="Spanish",
        about="50 tales, dialogues and ballads.",
        licence=CC0,
    ),
    Corpus(
        name="favole",
        language="Italian",
        about="59 fables, dialogues and rhymes.",
        licence=CC0,
    ),
    Corpus(
        name="tinyshakespeare",
        language="English",
        about="Shakespeare's plays, the usual first corpus.",
        licence=PUBLIC_DOMAIN,
        address=f"{RAW_GITHUB}/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        size_bytes=1_115_394,
        # Computed from our copy; public code names it beside this address too.
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
    Corpus(
        name="enwik8",
        language="English, markup",
        about="Wikipedia in 2006, as of the Hutter Prize.",
        licence=WIKIPEDIA_LICENSE,
        address="https://mattmahoney.net/dc/enwik8.zip",
        size_bytes=100_000_000,
        # github.com/BrianPugh/tamp, tests/test_dataset_regression.py at b25a959.
        # The publisher states md5 a1fa5ffd... and sha1 57b8363b..., as
        # github.com/dmlc/gluon-nlp quotes him; others have both md5 and this.
        sha256="2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
        zipped=Zipped(
            member="enwik8",
            size_bytes=36_445_475,
            # github.com/dellison/LanguageModelingDatasets.jl,
            # src/datasets/enwiki8.jl; other public repositories agree.
            sha256="547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc",
        ),
    ),
    Corpus(
        name="text8",
        language="English, a to z",
        about="Wikipedia cleaned down to 27 characters.",
        licence=WIKIPEDIA_LICENSE,
        address="https://mattmahoney.net/dc/text8.zip",
        size_bytes=100_000_000,
        # Many public repositories have the same two digests. The size of the zip is
        # that of TensorFlow's word2vec tutorial.
        sha256="6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7",
        zipped=Zipped(
            member="text8",
            size_bytes=31_344_016,
            sha256="a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
        ),
    ),
    Corpus(
        name="don-quijote",
        language="Spanish",
        about="Cervantes, from Project Gutenberg.",
        licence=PUBLIC_DOMAIN,
        # Project Gutenberg rebuilds its files now and then, and no published digest
        # was found; one that is true today would soon be wrong.
        address="https://www.gutenberg.org/cache/epub/2000/pg2000.txt",
    ),
    Corpus(
        name="divina-commedia",
        language="Italian",
        about="Dante, from Project Gutenberg.",
        licence=PUBLIC_DOMAIN,
        # A fixed commit, as Project Gutenberg rebuilds its files now and then.
        address=f"{RAW_GITHUB}/vbextreme/huffman/"
        "fec85470782a57ed7a66c5501c535cbf1e2ae053/data/divina_commedia.txt",
        size_bytes=586_394,
        # Computed from our copy, which has the 561,673 characters of that file.
        sha256="4a53d6f017ab1b42719334ef3e1b5772bc4d073cf4bcb23a7d94a7c5752e9b41",
    ),
    Corpus(
        name="nottingham",
        language="ABC notation",
        about="1,034 folk tunes as text.",
        licence="GPL-3.0",
        address=f"{RAW_GITHUB}/jukedeck/nottingham-dataset/"
        "bcb2afc67d291acdd689ed0c22ab2a8a480f38a6/ABC_cleaned",
        parts=(
            "ashover.abc",
            "hpps.abc",
            "jigs.abc",
            "morris.abc",
            "playford.abc",
            "reelsa-c.abc",
            "reelsd-g.abc",
            "reelsh-l.abc",
            "reelsm-q.abc",
            "reelsr-t.abc",
            "reelsu-z.abc",
            "slip.abc",
            "waltzes.abc",
            "xmas.abc",
        ),
        size_bytes=446_020,
        # Computed from our copy, which cuts into files of exactly these 14 sizes.
        sha256="b1c9a8ec080e9a81ce22f3d8ce014f23d381ba59e5a6119b44f162b12b910824",
    ),
)


def corpus_named(name: str) -> Corpus | None:
    """The corpus of exactly that name, or None."""
    return next((corpus for corpus in CORPORA if corpus.name == name), None)


def similar_name(name: str) -> str | None:
    """The name that *name* is most likely a misspelling of, or None."""
    names = [corpus.name for corpus in CORPORA]
    return next(iter(difflib.get_close_matches(name.lower(), names, n=1)), None)


def corpus_path(corpus: Corpus) -> Path | None:
    """The file of a corpus, or None if it is not on this machine."""
    folder = bundled_folder("corpora") if corpus.bundled else data_folder()
    path = folder / corpus.file_name
    return path if path.is_file() else None


def missing_corpus(corpus: Corpus) -> MissingError:
    """The error for a corpus whose file is not on this machine."""
    if corpus.bundled:
        return MissingError(
            f"The bundled text {corpus.name} is not in {bundled_folder('corpora')}.",
            "Install lstm-textgen again.",
        )
    size = "" if corpus.size_bytes is None else f" ({corpus.size_bytes:,} bytes)"
    return MissingError(
        f"The corpus {corpus.name}{size} is not on this machine yet.",
        f"Fetch it first: textgen corpora get {corpus.name}",
    )


def resolve_names(arguments: list[str]) -> list[str]:
    """
    Replace the name of each corpus by its path, and leave other arguments as they are.

    A file or folder of that name in the current folder takes precedence, unless it is
    the folder of a training run.

    Raises:
        MissingError: A registered corpus was not downloaded yet, or the argument looks
            like a misspelled name.
    """
    return [_resolve_name(argument) for argument in arguments]


def _resolve_name(argument: str) -> str:
    is_run = os.path.exists(os.path.join(argument, "run.json"))
    if argument == "-" or (os.path.exists(argument) and not is_run):
        return argument
    corpus = corpus_named(argument)
    if corpus is not None:
        path = corpus_path(corpus)
        if path is None:
            raise missing_corpus(corpus)
        return str(path)
    if Path(argument).stem == argument and (similar := similar_name(argument)):
        raise MissingError(
            f"There is no file {argument!r}, and no corpus of that name.",
            f"Did you mean {similar}? textgen corpora lists them all.",
        )
    return argument
