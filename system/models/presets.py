"""The registry of decoders that have a name: `presets.yaml`."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from system.checks import require, require_known
from system.documents.records import record_of
from system.documents.yaml_files import read_yaml
from system.models.decoder import Decoder
from system.models.parts import Experts, LatentAttention
from system.words import same_name

FILE = Path(__file__).with_suffix(".yaml")
PARTS: dict[str, type] = {"experts": Experts, "latent": LatentAttention}
TUNED = re.compile(r"([ _.-](instruct|it|chat|hf))+$", re.IGNORECASE)


@cache
def all_presets() -> dict[str, Decoder]:
    """Return all presets by name, in the order of the file."""
    entries = read_yaml(FILE)
    require(isinstance(entries, dict), FILE.name, entries, "must be a mapping of names to decoders")
    return {name: _decoder(str(name), fields) for name, fields in entries.items()}


def _decoder(name: str, fields: Any) -> Decoder:
    label = f"{name} in {FILE.name}"
    named = {"name": name, **fields} if isinstance(fields, dict) else fields
    for key, part in PARTS.items():
        if isinstance(named, dict) and key in named:
            named[key] = record_of(part, f"{key} of {label}", named[key])
    return record_of(Decoder, label, named)


def preset(name: str) -> Decoder:
    """Return a preset; raise `InputError` with near names if unknown.

    Case, spaces and marks do not matter, nor an owner before the name or a word such as Instruct after it.
    """
    known = same_preset(name)
    if known is None:
        require_known("model", name, all_presets())
    return all_presets()[str(known)]


def same_preset(name: str) -> str | None:
    """Return the preset's name that a name means."""
    bare = TUNED.sub("", name.rsplit("/", maxsplit=1)[-1])
    return same_name(name, all_presets()) or same_name(bare, all_presets())
