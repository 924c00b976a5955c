"""
The texts that have a name: bundled ones, and public ones that can be fetched.

A registered text is known by its digest, so that everybody trains on the same
bytes. Where each digest comes from stands beside it. Nothing is fetched here.
"""

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from lstm_textgen.errors import MissingError
from lstm_textgen.paths import bundled_folder, data_folder

OURS = "CC0-1.0"

GUTENBERG = "public domain"

WIKIPEDIA = "GFDL"

RAW_GITHUB = "https://raw.githubusercontent.com"


@dataclass(frozen=True, kw_only=True, slots=True)
class Zipped:
    """The zip that a text is published in."""

    member: str
    """Name of the one file in it that is the text."""

    size_bytes: int
    """Bytes of the zip itself."""

    sha256: str
    """Digest of the zip itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpus:
    """A text that has a name. Size and digest are those of the text, unpacked."""

    name: str
    """What the command line calls it."""

    language: str
    """The language, or the notation where it is none."""

    about: str
    """What it is, in one line."""

    licence: str
    """Under which terms it may be used."""

    address: str | None = None
    """Where it is published. None: it is bundled."""

    size_bytes: int | None = None
    """Bytes of the text, where they are published."""

    sha256: str | None = None
    """Digest of the text, where one is published."""

    zipped: Zipped | None = None
    """Set where the address leads to a zip."""

    parts: tuple[str, ...] = ()
    """Files below the address that make up the text, one after the other."""

    @property
    def bundled(self) -> bool:
        return self.address is None

    @property
    def file_name(self) -> str:
        return f"{self.name}.txt"


@dataclass(frozen=True, slots=True)
class CorpusEntry:
    """A corpus, and where it lies on this machine. None: it is not here."""

    corpus: Corpus
    path: Path | None


BUNDLED = (
    Corpus(
        name="fables",
        language="English",
        about="189 fables, dialogues and ballads.",
        licence=OURS,
    ),
    Corpus(
        name="cuentos",
        language="Spanish",
        about="50 tales, dialogues and ballads.",
        licence=OURS,
    ),
    Corpus(
        name="favole",
        language="Italian",
        about="59 fables, dialogues and rhymes.",
        licence=OURS,
    ),
)

REGISTERED = (
    Corpus(
        name="tinyshakespeare",
        language="English",
        about="Shakespeare's plays, the usual first corpus.",
        licence="public domain",
        address=f"{RAW_GITHUB}/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        size_bytes=1_115_394,
        # Computed from our copy; public code names it beside this address too.
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
    Corpus(
        name="enwik8",
        language="English, markup",
        about="Wikipedia in 2006, as of the Hutter Prize.",
        licence=WIKIPEDIA,
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
        licence=WIKIPEDIA,
        address="https://mattmahoney.net/dc/text8.zip",
        size_bytes=100_000_000,
        # Searching public code for either digest finds many repositories that agree;
        # one, whose name the search withheld, measured both and the sizes on
        # 2026-08-01. The size of the zip is that of TensorFlow's word2vec tutorial.
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
        licence=GUTENBERG,
        # Project Gutenberg rebuilds its files now and then, and no published digest
        # was found; one that is true today would soon be wrong.
        address="https://www.gutenberg.org/cache/epub/2000/pg2000.txt",
    ),
    Corpus(
        name="divina-commedia",
        language="Italian",
        about="Dante, from Project Gutenberg.",
        licence=GUTENBERG,
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
            *("ashover.abc", "hpps.abc", "jigs.abc", "morris.abc", "playford.abc"),
            *("reelsa-c.abc", "reelsd-g.abc", "reelsh-l.abc", "reelsm-q.abc"),
            *("reelsr-t.abc", "reelsu-z.abc", "slip.abc", "waltzes.abc", "xmas.abc"),
        ),
        size_bytes=446_020,
        # Computed from our copy, which cuts into files of exactly these 14 sizes.
        sha256="b1c9a8ec080e9a81ce22f3d8ce014f23d381ba59e5a6119b44f162b12b910824",
    ),
)


def known(name: str) -> Corpus | None:
    """The corpus of that name, spelt exactly; None if there is none."""
    return next((c for c in (*BUNDLED, *REGISTERED) if c.name == name), None)


def nearest(name: str) -> list[str]:
    """Names that *name* may have meant, the likeliest first, three at most."""
    names = [corpus.name for corpus in (*BUNDLED, *REGISTERED)]
    return difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.6)


def all_corpora() -> list[CorpusEntry]:
    """Every corpus that has a name, and where it lies; the bundled ones first."""
    return [CorpusEntry(c, corpus_path(c.name)) for c in (*BUNDLED, *REGISTERED)]


def corpus_path(name: str) -> Path | None:
    """The file of a corpus that is on this machine; None otherwise."""
    corpus = known(name)
    if corpus is None:
        return None
    folder = bundled_folder("corpora") if corpus.bundled else data_folder()
    path = folder / corpus.file_name
    return path if path.is_file() else None


def not_fetched(corpus: Corpus) -> MissingError:
    """The error for a corpus that has a name but no file on this machine."""
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
    Put the path of a corpus in the place of its name.

    A file or folder of that name in the current folder goes first, but for a
    training run, which is no text.

    Raises:
        MissingError: A registered corpus that was not fetched yet, or nothing of
            that name.
    """
    found = []
    for argument in arguments:
        corpus = known(argument)
        is_run = os.path.exists(os.path.join(argument, "run.json"))
        if (os.path.exists(argument) and not is_run) or argument == "-":
            found.append(argument)
        elif corpus is not None:
            path = corpus_path(argument)
            if path is None:
                raise not_fetched(corpus)
            found.append(str(path))
        elif Path(argument).stem == argument and (near := nearest(argument)):
            raise MissingError(
                f"There is no file {argument!r}, and no corpus of that name.",
                f"Did you mean {near[0]}? textgen corpora lists them all.",
            )
        else:
            found.append(argument)
    return found
