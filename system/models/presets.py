"""The registry of decoders that have a name: `presets.yaml`."""

from functools import cache
from pathlib import Path
from typing import Any

from system.checks import require, require_known
from system.documents.records import record_of
from system.documents.yaml_files import read_yaml
from system.models.decoder import Decoder

FILE = Path(__file__).with_suffix(".yaml")


@cache
def all_presets() -> dict[str, Decoder]:
    """Return all presets by name, in the order of the file."""
    entries = read_yaml(FILE)
    require(isinstance(entries, dict), FILE.name, entries, "must be a mapping of names to decoders")
    return {name: _decoder(str(name), fields) for name, fields in entries.items()}


def _decoder(name: str, fields: Any) -> Decoder:
    named = {"name": name, **fields} if isinstance(fields, dict) else fields
    return record_of(Decoder, f"{name} in {FILE.name}", named)


def preset(name: str) -> Decoder:
    """Return a preset; raise `InputError` with the nearest names if there is none."""
    require_known("model", name, all_presets())
    return all_presets()[name]
