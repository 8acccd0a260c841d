"""The plans of the example inventories, and small ones of every family and precision, as descriptions to export."""

from functools import cache

import yaml

from planner.choice.search import plan
from planner.inventory.reading import inventory_of
from planner.inventory.running import read_layout
from planner.output.start_commands import description as description_of_plan
from system.models.families import FAMILIES
from system.models.precisions import CACHES as ALL_CACHES
from system.models.precisions import WEIGHTS as ALL_WEIGHTS
from tests.exports.compositions import description, own, pair
from tests.support.project import ROOT

WEIGHTS = ("16 bit", "int8", "nf4", "float32")  # for which each engine has an option or a refusal of its own
CACHES = ("16 bit", "8 bit", "float32")
EXAMPLES = sorted((ROOT / "planner/examples").glob("*.yaml"))


@cache
def exported_plan(path, **changes):
    """Return the best plan of a perhaps changed example, as composition and description."""
    if "layout" in path.stem:
        inventory = read_layout(path)[0]
    else:
        inventory = inventory_of(yaml.safe_load(path.read_text()) | changes, path.parent)
    best = plan(inventory)
    return best.composition, description_of_plan(best)


def exported_plans():
    """Return the compositions and descriptions of all examples."""
    return [exported_plan(path) for path in EXAMPLES]


def small_plans():
    """Yield small compositions with descriptions of all families, all precisions, and several machines."""
    chains = own()
    for family in FAMILIES:
        for weights in WEIGHTS:
            yield chains, description(chains, family=family, weights=weights)
    for weights in ALL_WEIGHTS:
        for precision in ALL_CACHES:
            yield chains, description(chains, weights=weights, cache=precision)
    for gpus in (1, 2):
        yield chains, description(chains, machines=(pair(gpus),) * 4)
    yield own(rtt_s=0.0), description(chains)
