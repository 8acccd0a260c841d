"""Which layers lie on which RPC server, as the log of a llama-server says."""

import re
from collections.abc import Mapping, Sequence

from exports.llamacpp import TESTED_BUILD
from system import InputError
from system.checks import require

DEVICE = re.compile(r"using device (\S+) \(([^()\s]+:\d+)\)")
LAYER = re.compile(r"layer +(\d+) assigned to device (\S+?),")
LOG_LAYERS = ("--log-verbosity", "5")  # under which llama-server logs the device of each layer
LOG_DEVICES = ("--log-verbosity", "4")  # the least under which it names its RPC servers
READY = "listening on"


def is_complete(log: str, block_count: int) -> bool:
    """Return whether a log has the devices of all layers, up to the head.

    A llama-server that is ready without it logs other lines than the tested build.
    """
    if any(int(layer) == block_count for layer, _ in LAYER.findall(log)):
        return True
    if READY in log:
        raise InputError(
            f"llama_server: its log does not say where layers lie; use a build near the tested one, b{TESTED_BUILD}"
        )
    return False


def layers_by_address(log: str, block_count: int) -> dict[str, tuple[int, ...]]:
    """Return the blocks by device.

    A device is HOST:PORT of an RPC server, or the name of a local one.
    """
    address = dict(DEVICE.findall(log))
    layers: dict[str, tuple[int, ...]] = {}
    for layer, device in LAYER.findall(log):
        if int(layer) < block_count:
            name = address.get(device, device)
            layers[name] = (*layers.get(name, ()), int(layer))
    return layers


def require_devices(chain: str, log: str, addresses: Sequence[str]) -> None:
    """Raise `InputError` unless a llama-server uses all its RPC servers.

    It silently goes on without those that it cannot reach.
    """
    missing = [address for address in addresses if address not in {used for _, used in DEVICE.findall(log)}]
    reasons = [line.split(" E ")[-1].strip() for line in log.splitlines() if " E " in line]
    reason = f" ({reasons[0]})" if reasons else ""
    remedy = f"llama-server does not use all its RPC servers{reason}; check that they run and are of the same build"
    require(not missing, f"RPC servers of {chain}", ", ".join(missing), remedy)


def require_placement(
    chain: str, planned: Mapping[str, Sequence[int]], actual: Mapping[str, Sequence[int]], names: Mapping[str, str]
) -> None:
    """Raise `InputError` unless every layer lies where the composition says.

    `planned` and `actual` have the blocks by address, and `names` has the server at each address.
    """
    where = {layer: names.get(address, address) for address, layers in actual.items() for layer in layers}
    for address, layers in planned.items():
        for layer in layers:
            if where.get(layer) != names[address]:
                actual_name = where.get(layer, "nothing")
                remedy = f"llama.cpp placed it on {actual_name}, the plan on {names[address]}; check --tensor-split"
                raise InputError(f"layer {layer} of {chain}: {remedy}")
