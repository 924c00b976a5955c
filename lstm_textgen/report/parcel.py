"""All that a push would send, down to the last value, for people and as JSON."""

import json
from collections.abc import Iterator
from typing import Any

from lstm_textgen.report.terminal import write_text
from lstm_textgen.sharing.parcel import Parcel
from lstm_textgen.sharing.repository import CARD_FILE, MODEL_FILE, SETTINGS_FILE


def parcel_as_json(parcel: Parcel) -> dict[str, Any]:
    """Everything, as it lies in the files."""
    return {
        "repository": parcel.repository.name,
        "private": parcel.private,
        "message": parcel.message,
        "files": parcel.contents(),
        "metadata": parcel.metadata(),
        "settings": parcel.settings(),
        "card": parcel.card(),
    }


def show_parcel(parcel: Parcel) -> None:
    """Everything, on stdout: the files, each value in the model's head, the page."""
    seen = "its owner only" if parcel.private else "everybody"
    lines = [
        f"to       {parcel.repository.name}; a new one is seen by {seen}",
        f"message  {parcel.message}",
        "",
    ]
    for entry in parcel.contents():
        size = f"{entry['size_bytes']:,} bytes"
        lines.append(f"{entry['name']:<18} {size:>17}  sha256 {entry['sha256']}")
    metadata = dict(_flat(parcel.metadata()))
    lines += ["", f"In {MODEL_FILE}, beside the weights:", *_listed(metadata)]
    own = dict(_flat(parcel.metadata()["lstm_textgen"]))
    new = {k: v for k, v in _flat(parcel.settings()) if own.get(k) != v}
    lines += ["", f"In {SETTINGS_FILE}, the same without digests, and:", *_listed(new)]
    lines += ["", f"{CARD_FILE}:", "", parcel.card()]
    write_text("\n".join(lines))


def _flat(value: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """The values by the names that lead to them, as JSON."""
    for key, child in value.items():
        if isinstance(child, dict):
            yield from _flat(child, f"{above}{key}.")
        else:
            yield f"{above}{key}", json.dumps(child, ensure_ascii=False)


def _listed(values: dict[str, str]) -> list[str]:
    width = max(map(len, values), default=0)
    return [f"  {name:<{width}}  {value}" for name, value in values.items()]
