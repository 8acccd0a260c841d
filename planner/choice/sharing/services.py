"""The service model by which requests share the computation of servers."""

from planner.inventory.inventory import Inventory
from planner.inventory.services import NamedService, service_of
from system.documents.entries import Entry


def shared_service(inventory: Inventory) -> NamedService:
    """Return how servers compute for several requests.

    It is the service model of the inventory, or the one of its engine.
    """
    if not inventory.service.is_independent:
        return inventory.service
    return service_of(Entry("", {"service": {"name": inventory.engine.service, "batch_curve": "measured"}}))
