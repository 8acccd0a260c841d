"""Let hivemind 1.1.12 export the names that PETALS 2.2 imports from it.

PETALS was written for hivemind 1.1.10, which cannot be built with Python 3.11. Run this script once with the Python of
the environment, after the packages are installed.
"""

from importlib.util import find_spec
from pathlib import Path

NAMES = """
# Names that PETALS 2.2 imports from here.
from hivemind.compression import deserialize_tensor_stream, deserialize_torch_tensor, serialize_torch_tensor
from hivemind.p2p import P2P, P2PContext, PeerID
from hivemind.utils import MAX_DHT_TIME_DISCREPANCY_SECONDS, MSGPackSerializer, TensorDescriptor, TimedStorage
from hivemind.utils import get_dht_time, get_logger, nested_flatten, nested_pack
from hivemind.utils.asyncio import anext
from hivemind.utils.nested import nested_compare
from hivemind.utils.tensor_descr import BatchTensorDescriptor
"""


def add_names(package: Path) -> None:
    """Append the names to a package's `__init__.py`, unless they are there."""
    text = package.read_text()
    if NAMES not in text:
        package.write_text(text + NAMES)


if __name__ == "__main__":
    spec = find_spec("hivemind")
    if spec is None or spec.origin is None:
        raise SystemExit("hivemind: not installed in this environment; run make petals in the project's folder")
    add_names(Path(spec.origin))
