"""The whole model on every server with enough memory, as in "JFFC only" of the paper's Table I."""

import numpy as np

from system import InfeasibleError, Placement, System
from system.checks import floor_with_slack
from system.random_streams import deterministic


@deterministic
def whole_model(system: System, reserved_capacity: int, rng: np.random.Generator | None = None) -> Placement:
    """Return the placement with all L blocks wherever M_j >= s_m L.

    The other servers, and those whose `most_blocks` is below L, host no blocks. No cache is reserved;
    `reserved_capacity` is not used. Raises `InfeasibleError` if no server can host the model.
    """
    model, memory_gb = system.model, system.servers.memory_gb
    fitting = np.minimum(floor_with_slack(memory_gb / model.block_memory_gb), model.block_count)
    hosts = system.servers.capped(fitting) == model.block_count
    if not hosts.any():
        most = system.servers.most_blocks
        cap = "" if most is None else f"; the largest most_blocks is {most.max()}"
        raise InfeasibleError(
            f"no server can host the {model.block_count} blocks of {model.name}: they need "
            f"{model.block_count * model.block_memory_gb:g} GB and the largest server has {memory_gb.max():g} GB{cap}; "
            "choose a placement that splits the model"
        )
    return Placement(np.zeros(len(system.servers), dtype=np.int64), np.where(hosts, model.block_count, 0))
