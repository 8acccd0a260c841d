"""Identity of a point: a hash of everything that determines its numbers, and of nothing else.

The hash covers the resolved configuration of the case, which contains data checksums and hardware profiles, and the
syntax trees of the first-party modules that its `_target_`s reach through imports. So figures share points, draws can
be added later, a comment or a docstring changes nothing, and an edited algorithm makes new points.

The hash does not cover code outside this project (versions of packages are recorded as provenance), environment
variables, or files that code reads under a name that is not in the configuration.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from system import InputError
from system.code.source import code_of, file_of, module_of, short_hash

# Keys that describe a hardware profile, a data set, a metric or access; only numbers, checksums and code count.
DESCRIPTIVE = frozenset({"description", "source", "measured_on", "address", "licence", "citation", "reports", "secret"})


class Identity(NamedTuple):
    """A point's name, and the two parts that it is a hash of."""

    point: str  # sixteen hexadecimal digits
    configuration: str  # does not depend on the code: it pairs points of two versions of the code
    modules: dict[str, str]  # hash of each module that the configuration reaches


def identity_of(case: Mapping[str, Any]) -> Identity:
    """Return the identity of a resolved case with the code that it names."""
    modules = _code_of(targets_of(case))
    configuration = configuration_of(case)
    return Identity(point_of(configuration, json.dumps(modules)), configuration, modules)


def configuration_of(case: Mapping[str, Any]) -> str:
    """Return the hash of a resolved case, without code."""
    return short_hash(json.dumps(essence(case), sort_keys=True, allow_nan=False))


def targets_of(case: Mapping[str, Any]) -> list[str]:
    """Return the first-party modules that a resolved case names."""
    return sorted(set(_first_party_targets(case)))


def code_text(targets: Iterable[str]) -> str:
    """Return hashes of modules and their imports as text.

    Modules that are gone are left out.
    """
    return json.dumps(_code_of(target for target in targets if file_of(target)))


def _code_of(modules: Iterable[str]) -> dict[str, str]:
    """Return the code hashes of modules; raise `InputError` for code that cannot be read."""
    try:
        return code_of(modules)
    except SyntaxError as error:
        where = f"line {error.lineno} of a module that points use"
        raise InputError(f"code = {(error.text or '').strip()}: {where} is no Python; correct it first") from error


def point_of(configuration: str, code: str) -> str:
    """Return the name of a configuration's point under a code.

    `configuration` is a hash and `code` a text, as these functions return them.
    """
    return short_hash(configuration + code)


def differing(modules: Mapping[str, str], others: Mapping[str, str]) -> list[str]:
    """Return the modules that differ between two versions of the code.

    Modules that only one version has are among them.
    """
    return sorted({name for name, _ in modules.items() ^ others.items()})


def changed_modules(record: Mapping[str, Any]) -> list[str]:
    """Return the modules behind a point's record that are different now."""
    return differing(record["modules"], _code_of(targets_of(record["configuration"])))


def essence(node: Any) -> Any:
    """Return a configuration without descriptive keys, and with whole numbers as integers."""
    if isinstance(node, Mapping):
        return {key: essence(child) for key, child in node.items() if key not in DESCRIPTIVE}
    if isinstance(node, (list, tuple)):
        return [essence(child) for child in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node


def _first_party_targets(node: Any) -> Iterator[str]:
    """Yield the first-party modules of the dotted names in a configuration."""
    if isinstance(node, Mapping):
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from _first_party_targets(child)
    elif isinstance(node, str):
        module = module_of(node)
        if module:
            yield module
