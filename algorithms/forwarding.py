"""Forwarding as a choice of every scheme: over the orchestrator, or straight from server to server."""

from dataclasses import dataclass, replace

from system import System
from system.system import Forwarding


@dataclass(frozen=True, kw_only=True)
class ForwardingScheme:
    """The field of all schemes that says how jobs get from a server to the next one (`System`).

    A scheme calls `forwarded` first, so that its layout knows the choice.
    """

    forwarding: Forwarding = "hub"

    def forwarded(self, system: System) -> System:
        """Return the system with this scheme's forwarding."""
        return system if system.forwarding == self.forwarding else replace(system, forwarding=self.forwarding)
