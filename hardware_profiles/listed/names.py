"""Names of devices as people write them, such as "RTX 4090", "a4000" or "dgx spark"."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from hardware_profiles import profile
from system import InputError
from system.checks import echo
from system.documents.yaml_files import read_yaml

ALIASES = Path(__file__).with_name("aliases.yaml")
MAKERS = frozenset(
    ("nvidia", "geforce", "quadro", "tesla", "amd", "radeon", "instinct", "intel", "apple", "mac", "studio", "mini")
)
FILLERS = frozenset(("gpu", "generation", "graphics"))
SERIES = ("", "rtx", "gtx", "rx", "arc")  # that people leave out
SIZE = re.compile(r"(\d+)gb")
# "4 x rtx_3090" or "4x3090", but not "7900 xtx"
SEVERAL = re.compile(r"(?P<count>\d+)\s*[x×*](?:\s+|(?=[a-z]*[ _]?\d))(?P<gpu>.+)", re.IGNORECASE)


def known_name(text: str) -> str:
    """Return the name of the profile that a text means.

    A text that means none is returned as a profile would be named. The size of memory may follow, as in "3090 24GB".
    Raises `InputError` for another size than that of the profile, such as "rtx 3080 12gb", and for several devices,
    such as "2 x rtx_3060".
    """
    joined = re.sub(r"(\d) ?gi?b\b", r"\1gb", text.lower())
    words = [word for word in re.split(r"[^a-z0-9]+", joined) if word and word not in MAKERS | FILLERS]
    best = next(_matches(words), None)
    if best is not None:
        return best
    several = SEVERAL.fullmatch(text)
    if several:
        counted = f"[{several['count']} x {known_name(several['gpu'])}]"
        raise InputError(f"profile = {echo(text)}: is several GPUs; write gpus: {counted} instead of gpu")
    size = SIZE.fullmatch(words[-1]) if words else None
    device = next(_matches(words[:-1]), None) if size else None
    if size and device:
        if profile.read_profile(device)["memory_gb"] == int(size[1]):
            return device
        raise InputError(
            f"profile = {echo(text)}: has not the memory of {device} here; write gpu: {device} and memory_gb: {size[1]}"
            ", and its bandwidth_gb_per_s and prefill_tflops where they differ"
        )
    return "_".join(text.lower().replace("-", " ").split())


def _matches(words: list[str]) -> Iterator[str]:
    """Yield the names of profiles that words spell."""
    names, compact = _names(), "".join(words)
    return (names[series + compact] for series in SERIES if series + compact in names)


@cache
def _names() -> dict[str, str]:
    """Return the names of all profiles and their aliases by their letters and digits."""
    plain = {re.sub(r"[^a-z0-9]", "", path.stem): path.stem for path in sorted(profile.FOLDER.glob("*.yaml"))}
    return {str(key): str(name) for key, name in read_yaml(ALIASES).items()} | plain
