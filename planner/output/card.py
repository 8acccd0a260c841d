"""The card: a study as text for the terminal."""

import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from exports.chains import hop_words
from planner.inventory.services import NamedService
from planner.output.devices import device_lines
from planner.output.losses import LONGEST, loss_lines, range_lines, share_words
from planner.output.start_commands import exports
from planner.results import Alternative, Plan, Prediction, Study
from planner.words import (
    aligned,
    digits,
    goal_words,
    percent,
    quantity_words,
    service_words,
    some_names,
)
from system import Composition
from system.words import counted

WIDTH = 100
LONGEST_NAME = 24  # of an alternative in its table


def plan_card(study: Study, title: str, best: Plan) -> str:
    """Return the text of a study for the terminal.

    It shows the plan, its predicted times beside those of the alternatives, and what these numbers depend on.

    `best` is the best new plan; it differs from the study's plan if that is a layout that already runs.
    """
    quantity, _ = quantity_words(study.plan.inventory.goal)
    sections = [
        (title, _summary(study.plan, best)),
        ("Sizes", study.plan.inventory.derivation),
        ("Chains", _chains(study.plan)),
        ("Servers", _servers(study.plan)),
        (f"Predicted response times at {digits(study.plan.prediction.rate_per_s)} requests/s", _times(study)),
        ("Bottleneck", [_sentence(study.bottleneck)]),
        ("Not used", _unused(study)),
        ("Start commands" + (" of the new plan" if best is not study.plan else ""), _start_commands(best)),
        (f"Without one server: {quantity}", loss_lines(study)),
        (f"If inputs are wrong by {share_words(study)}: {quantity}", range_lines(study)),
        ("Warnings", list(map(_sentence, study.warnings))),
    ]
    return "\n\n".join("\n".join([name, *_wrapped(lines)]) for name, lines in sections if lines) + "\n"


def _wrapped(lines: Sequence[str]) -> Iterator[str]:
    """Yield sentences in wrapped lines, and lines of tables (indented) as they are."""
    for line in lines:
        if line.startswith("  "):
            yield line
        else:
            yield from textwrap.wrap(line, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _summary(plan: Plan, best: Plan) -> list[str]:
    goal = goal_words(plan.inventory.goal)
    lines = [f"{plan.inventory.model.name} on {_size(plan)}."]
    if plan.inventory.forwarding == "direct":
        lines.append("Activations go straight from server to server (forwarding: direct).")
    if plan.candidates:
        lines.append(f"The goal is {goal}; {_choice(plan)}.")
    lines += [_load(plan), *_certified(plan), *_cost(plan)]
    if best is not plan:
        lines.append(
            f"A new plan for {goal} is on {_size(best)}; {_choice(best)}. It carries less than "
            f"{digits(best.prediction.total_rate_per_s)} requests/s. The start commands are those of the new plan."
        )
        lines += _cost(best)
    return lines


def _choice(plan: Plan) -> str:
    """Return how the composition was chosen, and what the search gained."""
    search = plan.search
    if search is None:
        return f"the best reserved capacity is c = {plan.composition.placement.reserved_capacity}"
    tried = f"a search of {search.evaluations:,} compositions"
    if not search.is_better:
        return f"the best reserved capacity is c = {search.best_c}, and {tried} found nothing better"
    name, unit = quantity_words(plan.inventory.goal)
    return f"{tried} found this one, while one reservation for all (c = {search.best_c}) has a {name} of " + digits(
        search.value_of_best_c, unit
    )


def _certified(plan: Plan) -> list[str]:
    """Return how far from the best the plan can be, if that is known."""
    if plan.certificate is None or plan.gap is None:
        return []
    mean_s, limit_s = digits(plan.prediction.mean_s, "s"), digits(plan.certificate.mean_s, "s")
    return [
        f"Certified: the mean response time of {mean_s} is at most {percent(plan.gap)} above what any plan for these "
        f"servers can reach at this rate ({limit_s}), and no plan carries {digits(plan.certificate.rate_per_s)} "
        "requests/s or more."
    ]


def _load(plan: Plan) -> str:
    prediction = plan.prediction
    load, rate_per_s = prediction.load or 0.0, digits(prediction.rate_per_s)
    most = f"{_subject(plan).capitalize()} carries less than {digits(prediction.total_rate_per_s)} requests/s"
    if plan.inventory.service.is_independent:
        words = f"{most}; at {rate_per_s} requests/s the load is {percent(load)}, and {percent(1 - load)} is spare."
    else:
        words = f"{most} even if requests do not slow each other; {rate_per_s} requests/s is {percent(load)} of that."
    return words + _saturation(prediction, plan.inventory.service)


def _saturation(prediction: Prediction, service: NamedService) -> str:
    """Return a sentence on the largest rate where requests slow each other.

    It is empty where that rate is unknown.
    """
    load = prediction.load_of_saturation
    if load is None:
        return ""
    largest = f"about {digits(prediction.saturation_rate_per_s)} requests/s"
    rate = f"{digits(prediction.rate_per_s)} requests/s"
    return f" If servers {service.manner}, the largest rate is {largest}; {rate} is {percent(load)} of that."


def _subject(plan: Plan) -> str:
    return "this plan" if plan.candidates else "this layout"


def _size(plan: Plan) -> str:
    composition = plan.composition
    used, servers = len(np.unique(composition.hop_server)), counted(len(plan.inventory.servers), "server")
    return f"{used} of {servers}: {counted(len(composition), 'chain')} for {_at_once(composition.total_capacity)}"


def _at_once(capacity: int) -> str:
    return f"{counted(capacity, 'request')} at once"


def _cost(plan: Plan) -> list[str]:
    """Return the cost of all servers that the plan pays for, used or not."""
    cost = plan.inventory.cost_per_hour
    if cost is None:
        return []
    return [f"Cost: {digits(float(cost[plan.members].sum()))} per hour for {counted(plan.members.size, 'server')}."]


def _chains(plan: Plan) -> list[str]:
    """Return a table of the fastest chains, and one line about the others."""
    composition, prediction = plan.composition, plan.prediction
    rows = []
    for k in range(min(len(composition), LONGEST)):
        first, *others = _folded(hop_words(composition, k))
        chain = composition.chain(k)
        numbers = [str(chain.capacity), digits(chain.mean_service_s, "s")]
        rows.append(
            [str(k + 1), *numbers, percent(prediction.chain_shares[k]), percent(prediction.chain_utilisation[k]), first]
        )
        rows += [["", "", "", "", "", other] for other in others]
    header = ["chain", "capacity", "service", "requests", "in use", "servers with blocks first:end"]
    return aligned(header, rows) + _further_chains(composition, prediction)


def _folded(words: list[str]) -> list[str]:
    """Return hops in lines that fit beside the numbers, without breaks inside a hop."""
    joined = " > ".join(word.replace(" ", "\N{NO-BREAK SPACE}") for word in words)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in textwrap.wrap(joined, 50, break_long_words=False)]


def _further_chains(composition: Composition, prediction: Prediction) -> list[str]:
    if len(composition) <= LONGEST:
        return []
    rest = slice(LONGEST, None)
    fastest_s, slowest_s = composition.mean_service_s[rest][[0, -1]]
    share = prediction.chain_shares[rest].sum()
    return [
        f"{counted(len(composition) - LONGEST, 'more chain')} for {_at_once(int(composition.capacity[rest].sum()))}, "
        f"with service times from {digits(fastest_s)} to {digits(slowest_s)} s and {percent(share)} of the requests"
    ]


def _servers(plan: Plan) -> list[str]:
    """Return a table of the servers by first block.

    Servers of the same kind with the same blocks share a row.
    """
    composition, utilisation = plan.composition, plan.prediction.server_utilisation
    placement, slots = composition.placement, composition.placement.cache_slots(composition.system)
    hosting = np.flatnonzero(placement.block_count > 0)
    keys = np.stack([plan.inventory.groups[plan.members], placement.first_block, placement.block_count, slots])[
        :, hosting
    ]
    _, kind = np.unique(keys, axis=1, return_inverse=True)
    kinds = [hosting[kind.ravel() == number] for number in range(kind.max() + 1)]
    kinds.sort(key=lambda members: (placement.first_block[members[0]], members[0]))
    rows = [
        [
            some_names(plan.inventory, plan.members[members].tolist(), 2),
            plan.inventory.gpus[plan.members[members[0]]],
            f"{placement.first_block[members[0]]}:{placement.end_block[members[0]]}",
            str(slots[members[0]]),
            percent(float(utilisation[members].mean())),
        ]
        for members in kinds[:LONGEST]
    ]
    lines = [*aligned(["server", "GPU", "blocks", "cache slots", "in use"], rows), *device_lines(plan)]
    hidden = sum(members.size for members in kinds[LONGEST:])
    return lines + ([f"{counted(hidden, 'more server')} with other blocks; plan.json lists all"] if hidden else [])


def _times(study: Study) -> list[str]:
    """Return a table of the plan's prediction and those of the alternatives, with notes."""
    plan = study.plan
    rows = [_prediction_row(_subject(plan), plan.prediction, None)]
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
        _method(plan.prediction, plan.inventory.service),
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
    return simulated + ("" if service.is_independent else " The service times of chains are those of a request alone.")


def _without_prediction(alternatives: Sequence[Alternative]) -> list[str]:
    return [f"No prediction for {other.name}: {other.reason}." for other in alternatives if other.prediction is None]


def _start_commands(plan: Plan) -> list[str]:
    """Return how many chains can be started with each engine, and why not all."""
    return [
        f"{export.engine}: {len(export.chains)} of {counted(len(plan.composition), 'chain')}"
        + (f"; {export.reason}" if export.reason else "")
        for export in exports(plan)
    ]


def _unused(study: Study) -> list[str]:
    """Return the unused servers, grouped by the reason."""
    reasons: dict[str, list[int]] = {}
    for unused in study.unused:
        reasons.setdefault(unused.reason, []).append(unused.server)
    return [f"{some_names(study.plan.inventory, servers)}: {reason}" for reason, servers in reasons.items()]
