"""The registry of decoders that have a name: `presets.yaml`."""

from functools import cache
from pathlib import Path

import yaml

from system.checks import require_known
from system.models.decoder import Decoder

FILE = Path(__file__).with_suffix(".yaml")


@cache
def all_presets() -> dict[str, Decoder]:
    """Return all presets by name, in the order of the file."""
    entries = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {name: Decoder(name, **fields) for name, fields in entries.items()}


def preset(name: str) -> Decoder:
    """Return a preset; raise `InputError` with the nearest names if there is none."""
    require_known("model", name, all_presets())
    return all_presets()[name]
