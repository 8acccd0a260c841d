"""Lines of the card on what servers compute that requests share, and on the restriction to an engine."""

from collections.abc import Iterator, Sequence

from exports.chains import Export
from planner.inventory.engines import ANY, ENGINES
from planner.results import MUCH, PROMISED, Computation, Plan
from planner.words import digits, percent, quantity_words

SHOWN = (None, 0.95)  # quantiles of the card's first times, None for the mean
ROW = "shared computation"  # in the table of predicted times


PETALS = (
    "Clients of PETALS choose their own paths over these blocks, so nothing enforces the chains and their capacities. "
    "The table of response times also has these blocks with PETALS' routing, if round trips between servers are known."
)


def hints(plan: Plan, exported: Sequence[Export]) -> Iterator[str]:
    """Yield for each engine that starts only some chains how to plan for it."""
    if plan.inventory.engine != ANY:
        return
    for export in exported:
        if (
            len(export.chains) < len(plan.composition)
            and "share" in export.reason
            and ENGINES[export.engine.lower()].own_servers
        ):
            name = export.engine.lower()
            yield f"{export.engine}: write engine: {name} to restrict the plan to what it can start"


def computing_lines(plan: Plan) -> Iterator[str]:
    """Yield what servers compute beside what equation (2) promises, and what an engine costs."""
    if plan.computation is not None:
        yield _of_computation(plan, plan.computation)
    yield from restriction_lines(plan)
    if not plan.inventory.engine.keeps_to_chains:
        yield PETALS


def _of_computation(plan: Plan, computation: Computation) -> str:
    rate, load = f"{digits(plan.prediction.rate_per_s)} requests/s", plan.load_of_computation
    most = f"about {digits(computation.saturation_rate_per_s)} requests/s"
    servers = f"servers that {ENGINES[computation.engine].manner}"
    if computation.rate_of_slots_per_s is not None:
        is_simulated = plan.prediction.rate_per_s < computation.rate_of_slots_per_s
        basis = f", {PROMISED:.0%} of what they carry in a simulation within the SLO" if is_simulated else ""
        return (
            f"Largest rate: {digits(computation.rate_of_slots_per_s)} requests/s by equation (2), in which no request "
            f"slows another; {servers} complete {most} while requests always wait. The plan promises {rate}{basis}."
        )
    if is_too_much(plan):
        return (
            f"TOO MUCH FOR THESE SERVERS: {servers} complete {most}, and {rate} is {percent(load)} of that. The times "
            "below are those of equation (2), in which no request slows another; they will not be kept."
        )
    share = f"{servers[0].upper()}{servers[1:]} complete {most} at most; {rate} is {percent(load)} of that."
    if computation.prediction is None or plan.inventory.goal.quantile in SHOWN:
        return share
    ours, theirs = _goal_time_s(plan, computation)
    return (
        f"{share} Expect a {quantity_words(plan.inventory.goal)[0]} of {digits(ours, 's')} rather than the "
        f"{digits(theirs, 's')} of equation (2), in which no request slows another."
    )


def is_too_much(plan: Plan) -> bool:
    """Return whether the servers compute too little for the plan's rate."""
    if plan.computation is None:
        return False
    load = plan.load_of_computation
    return load >= 1 or (plan.computation.prediction is None and load > MUCH)


def _goal_time_s(plan: Plan, computation: Computation) -> tuple[float, float]:
    """Return the goal's time with shared computation and by equation (2)."""
    assert computation.prediction is not None
    quantile = plan.inventory.goal.quantile
    return computation.prediction.time_s(quantile), plan.prediction.time_s(quantile)


def restriction_lines(plan: Plan) -> Iterator[str]:
    """Yield what it costs that an engine can start all chains."""
    restriction = plan.restriction
    if restriction is None:
        return
    name, unit = quantity_words(plan.inventory.goal)
    change = restriction.change
    cost = "as good" if abs(change) < 0.001 else f"{percent(abs(change))} {'more' if change > 0 else 'less'}"
    yield (
        f"Engine {restriction.engine}: {name} {digits(restriction.value, unit)}, where a plan for any engine has "
        f"{digits(restriction.value_of_any, unit)} ({cost})."
    )
