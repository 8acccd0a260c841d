"""The identity of a point: what its numbers follow from, and nothing else.

It is a hash of the resolved configuration of the case (data checksums and hardware profiles are inlined in it) and
of the syntax trees of the first-party modules that its `_target_`s reach through their imports. So figures share
points, precision can be added, a comment or a docstring changes nothing, and an edited algorithm makes new points.

What it cannot see: code outside this project (its packages are recorded as provenance), environment variables, and
files that code reads under a name that the configuration does not show.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from system.code.source import code_of, module_of, short_hash

# Words about a hardware profile or a data set; its numbers and checksum are what counts.
DESCRIPTIVE = frozenset({"description", "source", "measured_on", "address", "licence", "citation"})


class Identity(NamedTuple):
    """A point's name, and apart from each other the two things of which it is made."""

    point: str  # sixteen hexadecimal digits
    configuration: str  # the same whatever the code: points of two versions of the code are paired by it
    modules: dict[str, str]  # hash of each module that the configuration reaches


def identity_of(case: Mapping[str, Any]) -> Identity:
    """The identity of a resolved case configuration with the code that it names."""
    modules = code_of(_first_party_targets(case))
    configuration = short_hash(json.dumps(_essence(case), sort_keys=True, allow_nan=False))
    return Identity(short_hash(configuration + json.dumps(modules)), configuration, modules)


def differing(modules: Mapping[str, str], others: Mapping[str, str]) -> list[str]:
    """Names of the modules that only one of two versions of the code has, or that differ between them."""
    return sorted({name for name, _ in modules.items() ^ others.items()})


def _essence(node: Any) -> Any:
    """A configuration without what only describes, and with one way to write a whole number."""
    if isinstance(node, Mapping):
        return {key: _essence(child) for key, child in node.items() if key not in DESCRIPTIVE}
    if isinstance(node, (list, tuple)):
        return [_essence(child) for child in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node


def _first_party_targets(node: Any) -> Iterator[str]:
    """Modules of every dotted name in the configuration that lies in this project."""
    if isinstance(node, Mapping):
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from _first_party_targets(child)
    elif isinstance(node, str):
        module = module_of(node)
        if module:
            yield module
