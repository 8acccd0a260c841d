"""The parts of the card on speed: for k users, and at the rate beside the alternatives."""

from collections.abc import Sequence

from planner.inventory.engines import ANY
from planner.inventory.inventory import Inventory
from planner.inventory.services import NamedService
from planner.output.computing import ROW
from planner.output.summary import subject
from planner.results import Alternative, Prediction, Study
from planner.words import aligned, digits, percent, quantity_words, service_words

LONGEST_NAME = 24  # of an alternative in its table
MANNERS = {  # of engines' service models, where an inventory names none
    "steps": "each server computes one step at a time",
    "lockstep": "one batch with a token of every request passes a chain's servers in turn",
    "token_budget": "each server computes all tokens that wait there as one batch, with parts of prompts",
}


def speed_lines(study: Study) -> list[str]:
    """Return a table of the speeds for k users."""
    if not study.user_speeds:
        return []
    rows = [
        [
            str(speed.users),
            digits(speed.tokens_per_s),
            digits(speed.token_ms, "ms"),
            digits(speed.first_token_s, "s"),
            digits(speed.total_tokens_per_s),
        ]
        for speed in study.user_speeds
    ]
    _, input_tokens, further_tokens = study.plan.inventory.workload.mean_job
    return [
        *aligned(["users at once", "tokens/s each", "a token", "first token", "tokens/s in all"], rows),
        f"Each sends {digits(input_tokens)} tokens, reads {digits(further_tokens + 1)}, and then asks again; the last "
        f"column counts the prompts' time. {_manner(study.plan.inventory)}",
    ]


def _manner(inventory: Inventory) -> str:
    """Return how users slow each other."""
    if not inventory.service.is_independent:
        return f"They slow each other by {service_words(inventory.service)}."
    if inventory.engine == ANY:
        return "Steps that wait at a server are computed as one batch, as most engines do; name yours by engine."
    manner = MANNERS.get(inventory.engine.service, f"as in the service model {inventory.engine.service}")
    return f"With {inventory.engine.name}, {manner}."


def other_lines(study: Study) -> list[str]:
    """Return a table of the plan and the alternatives for users."""
    plan = study.plan
    name, unit = quantity_words(plan.inventory.goal)
    rows = [[subject(plan), digits(plan.goal_value, unit), ""]]
    for other in study.alternatives:
        if other.value is not None:
            rows.append([other.name, digits(other.value, unit), f"{other.value / plan.goal_value - 1:+.0%}"])
    return aligned(["", name, ""], rows)


def time_lines(study: Study) -> list[str]:
    """Return a table of the plan's prediction and those of the alternatives, with notes."""
    plan = study.plan
    rows = [_prediction_row(subject(plan), plan.prediction, None)]
    if plan.computation is not None and plan.computation.prediction is not None:
        rows.append(_prediction_row(ROW, plan.computation.prediction, plan.prediction))
    rows += [
        _prediction_row(_short(other.name), other.prediction, plan.prediction)
        for other in study.alternatives
        if other.prediction is not None
    ]
    full_names = [
        f"{other.name}." for other in study.alternatives if other.prediction and _short(other.name) != other.name
    ]
    quantiles = [f"P{100 * q:g}" for q in plan.prediction.quantiles_s]
    header = ["", "mean", "", *quantiles, "first token", "waiting", "load"]
    return [
        *aligned(header, rows),
        *full_names,
        "P95: 95 % of the answers are complete by then. Waiting: requests that wait before they start. Load: share of "
        f"the largest rate. {_method(plan.prediction, plan.inventory.service)}",
        *_without_prediction(study.alternatives),
    ]


def _short(name: str) -> str:
    """Return a name that fits the table; a long one loses its brackets."""
    return name if len(name) <= LONGEST_NAME else name.split(" (")[0]


def _prediction_row(name: str, prediction: Prediction, reference: Prediction | None) -> list[str]:
    difference = "" if reference is None else f"{prediction.mean_s / reference.mean_s - 1:+.0%}"
    times = [digits(value, "s") for value in prediction.quantiles_s.values()]
    load = "-" if prediction.load is None else percent(prediction.load)
    tail = [digits(prediction.first_token_mean_s, "s"), percent(prediction.waiting_probability), load]
    return [name, digits(prediction.mean_s, "s"), difference, *times, *tail]


def _method(prediction: Prediction, service: NamedService) -> str:
    model = service_words(service)
    if prediction.method == "exact":
        return (
            f"The times are exact for Poisson arrivals, exponential job sizes and {model}; PETALS and BPRR are "
            "simulated under the same assumptions."
        )
    share = prediction.mean_half_width_s / prediction.mean_s
    simulated = (
        f"The times are simulated with the given requests and {model}; the 99 % interval of the mean is "
        f"± {percent(share)}."
    )
    return simulated + ("" if service.is_independent else " The times alone of chains are those of a single request.")


def _without_prediction(alternatives: Sequence[Alternative]) -> list[str]:
    return [f"No prediction for {other.name}: {other.reason}." for other in alternatives if other.prediction is None]
