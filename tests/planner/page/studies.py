"""Studies for the tests of the page: two of examples, and a cheap one of 400 servers."""

from dataclasses import replace
from functools import cache

from algorithms.allocation.gca import gca
from algorithms.dispatch.jffc import JFFC
from algorithms.placement.reservation import by_amortised_time, form_chains
from planner.choice.search import plan, plan_of_layout
from planner.inventory.reading import read_inventory
from planner.inventory.running import read_layout
from planner.results import InputRange, Study
from planner.study.study_plan import study
from tests.support.project import ROOT

EXAMPLES = ROOT / "planner/examples"
HOSTILE = '<script>alert(1)</script>" onmouseover="alert(2)'


@cache
def lab():
    """Return the study of four servers, and its plan."""
    best = plan(read_inventory(EXAMPLES / "lab.yaml"))
    return study(best), best


@cache
def swarm():
    """Return the study of a layout that already runs, and the best new plan."""
    inventory, layout = read_layout(EXAMPLES / "swarm_layout.yaml")
    return study(plan_of_layout(inventory, layout)), plan(inventory)


@cache
def datacentre():
    """Return a study of 400 servers that takes no search."""
    inventory = read_inventory(EXAMPLES / "datacentre.yaml")
    system = inventory.system(inventory.rate_per_s)
    order, _ = by_amortised_time(system, 20)
    best = plan_of_layout(inventory, gca(system, form_chains(system, 20, order)).under(JFFC))
    ranges = (InputRange("block time of all servers", 0.3, 0.8 * best.goal_value, None),)
    return Study(best, (), (), (), ranges, bottleneck="the cache", warnings=()), best


def renamed(name):
    """Return the study of the lab whose servers, GPUs and model have this name."""
    result, best = lab()
    composition = best.composition
    servers = composition.system.servers
    names = tuple(f"{name}{j}" for j in range(len(servers)))
    system = replace(composition.system, servers=replace(servers, names=names))
    inventory = replace(
        best.inventory,
        servers=replace(best.inventory.servers, names=names),
        gpus=(name,) * len(servers),
        model=replace(best.inventory.model, name=name),
    )
    best = replace(best, inventory=inventory, composition=replace(composition, system=system))
    return replace(result, plan=best), best
