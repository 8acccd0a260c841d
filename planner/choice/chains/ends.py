"""The embedding and the output head, which take memory of the first and the last servers of chains.

| engine | embedding | output head |
|---|---|---|
| any | the orchestrator, or the only server if it is the orchestrator's own (round trip 0) | last server |
| llama.cpp | the orchestrator | last server |
| vLLM | first server | last server |
| PETALS | the client | the client |

Which servers these are follows from the plan, so a plan is made first. Where its ends lack memory, it is reserved and
the plan is made again: at first on these servers, then on all of their groups, at last on all servers.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.inventory.inventory import Inventory
from system import Composition, InfeasibleError, Servers
from system.checks import SLACK
from system.words import shortened

Floats = NDArray[np.float64]

ROUNDS = 3  # of reservations; the last one is on all servers


@dataclass(frozen=True)
class Reservation:
    """Memory that the servers of an inventory keep free for embedding and head."""

    inventory: Inventory  # as stated
    reserved_gb: Floats  # (J,)
    rounds: int = 0

    @staticmethod
    def of(inventory: Inventory) -> "Reservation":
        """Return the reservation of nothing."""
        return Reservation(inventory, np.zeros(len(inventory.servers)))

    def lowered(self) -> Inventory:
        """Return the inventory with the memory that is left, and a line on it.

        Raises `InfeasibleError` if a server is left with none.
        """
        if not self.reserved_gb.any():
            return replace(self.inventory, derivation=(*self.inventory.derivation, *_location_lines(self.inventory)))
        parts = np.stack([self.inventory.groups, self.reserved_gb])
        return replace(
            self.inventory,
            servers=with_less_memory(self.inventory.servers, self.reserved_gb),
            groups=np.unique(parts, axis=1, return_inverse=True)[1].ravel(),
            derivation=(*self.inventory.derivation, *_location_lines(self.inventory), self._line()),
        )

    def after(self, composition: Composition, members: NDArray[np.int64]) -> "Reservation | None":
        """Return a larger reservation if an end of a chain lacks memory."""
        need_gb = np.zeros_like(self.reserved_gb)
        need_gb[members] = ends_gb(composition, self.inventory)
        spare_gb = np.full_like(need_gb, np.inf)
        spare_gb[members] = spare_memory_gb(composition)
        lacking = need_gb > (spare_gb + self.reserved_gb) * (1 + SLACK) + SLACK
        if not lacking.any():
            return None
        kept = lacking
        if self.rounds >= 1:
            kept = np.isin(self.inventory.groups, self.inventory.groups[lacking])
        if self.rounds >= ROUNDS - 1:
            kept = np.ones_like(lacking)
        reserved_gb = np.where(kept, np.maximum(self.reserved_gb, need_gb.max()), self.reserved_gb)
        return Reservation(self.inventory, reserved_gb, self.rounds + 1)

    def explained(self, error: InfeasibleError) -> InfeasibleError:
        """Return an error that also says what is reserved."""
        if not self.reserved_gb.any():
            return error
        return InfeasibleError(f"{error}; {self._line()}")

    def _line(self) -> str:
        reserved = np.flatnonzero(self.reserved_gb)
        names = "every server"
        if reserved.size < self.reserved_gb.size or reserved.size == 1:
            names = shortened([self.inventory.servers.name(j) for j in reserved.tolist()], 3)
        return (
            f"{self.reserved_gb.max():.3g} GB of the memory of {names} are reserved for {_contents(self.inventory)}, "
            "as a chain may end there"
        )


def ends_gb(composition: Composition, inventory: Inventory) -> Floats:
    """Return (J,) the memory that embedding and head take on servers."""
    taken_gb = np.zeros(len(composition.system.servers))
    first_gb, last_gb = first_and_last_gb(inventory)
    taken_gb[np.unique(composition.hop_server[composition.hop_start[:-1]])] += first_gb
    taken_gb[np.unique(composition.hop_server[composition.hop_start[1:] - 1])] += last_gb
    if _has_both(inventory):
        taken_gb += inventory.model.embedding_gb
    return taken_gb


def first_and_last_gb(inventory: Inventory) -> tuple[float, float]:
    """Return the memory that the ends of a chain take."""
    model, engine = inventory.model, inventory.engine
    return (
        model.embedding_gb if engine.embedding == "first" else 0.0,
        model.head_gb if engine.head == "last" else 0.0,
    )


def with_less_memory(servers: Servers, taken_gb: float | Floats) -> Servers:
    """Return the servers with less memory, but each with some."""
    return replace(servers, memory_gb=np.maximum(servers.memory_gb - taken_gb, SLACK))


def spare_memory_gb(composition: Composition) -> Floats:
    """Return (J,) the memory beside the blocks and the caches of full chains."""
    model, servers = composition.system.model, composition.system.servers
    blocks_gb = composition.placement.block_count * model.block_memory_gb
    spare_gb: Floats = servers.memory_gb - blocks_gb - composition.slots_used() * model.cache_memory_gb
    return np.maximum(spare_gb, 0.0)


def _location_lines(inventory: Inventory) -> tuple[str, ...]:
    """Return a line on where embedding and head lie, if their sizes are known."""
    model, engine = inventory.model, inventory.engine
    if model.head_gb == model.embedding_gb == 0:
        return ()
    sizes = f"embedding ({model.embedding_gb:.3g} GB) and output head ({model.head_gb:.3g} GB)"
    if engine.head == "client":
        return (f"{sizes} stay with the clients of PETALS and take no memory of the servers",)
    if _has_both(inventory):
        return (f"{sizes} lie on the only server, as it is the orchestrator's own",)
    first = "first server of each chain" if engine.embedding == "first" else "orchestrator"
    return (f"{sizes}: the embedding lies on the {first}, the head on the last server of each chain",)


def _has_both(inventory: Inventory) -> bool:
    """Return whether the only server is the orchestrator's own, with the embedding."""
    rtt_s = inventory.servers.orchestrator_rtt_s
    is_alone = len(inventory.servers) == 1 and rtt_s is not None and float(rtt_s[0]) == 0
    return is_alone and inventory.engine.embedding == "orchestrator"


def _contents(inventory: Inventory) -> str:
    both = inventory.engine.embedding == "first" or _has_both(inventory)
    return "the embedding and the output head" if both else "the output head"
