"""A study on the terminal."""

import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from planner.inventory.services import NamedService
from planner.output.words import (
    aligned,
    counted,
    digits,
    goal_words,
    hop_words,
    percent,
    quantity_words,
    service_words,
    some_names,
)
from planner.results import Alternative, Plan, Prediction, ServerValue, Study
from system import Composition

WIDTH = 100
LONGEST = 12  # rows of a table; further ones are told in one line
LONGEST_NAME = 24  # of an alternative in its table


def plan_card(study: Study, title: str, best: Plan) -> str:
    """The plan, what it is predicted to do beside its alternatives, and what that rests on.

    `best` is what a new plan gives, where the study is about a layout that runs already.
    """
    sections = [
        (title, _summary(study.plan, best)),
        ("Sizes", study.plan.inventory.derivation),
        ("Chains", _chains(study.plan)),
        ("Servers", _servers(study.plan)),
        (f"Predicted response times at {digits(study.plan.prediction.rate_per_s)} requests/s", _times(study)),
        ("Bottleneck", [study.bottleneck]),
        ("Not used", _unused(study)),
        (f"Without a server: {quantity_words(study.plan.inventory.goal)[0]}", _values(study)),
        (f"If inputs are off by {_share(study)}: {quantity_words(study.plan.inventory.goal)[0]}", _ranges(study)),
        ("Mind", study.warnings),
    ]
    return "\n\n".join("\n".join([name, *_wrapped(lines)]) for name, lines in sections if lines) + "\n"


def _wrapped(lines: Sequence[str]) -> Iterator[str]:
    """Sentences, which are not yet indented, in paragraphs; lines of tables as they are."""
    for line in lines:
        if line.startswith("  "):
            yield line
        else:
            yield from textwrap.wrap(line, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _summary(plan: Plan, best: Plan) -> list[str]:
    goal, told = goal_words(plan.inventory.goal), f"{plan.inventory.model.name} on {_size(plan)}"
    chosen = f"; c = {_reserved(plan)} is chosen for {goal}." if plan.candidates else "."
    lines = [told + chosen, _load(plan), *_cost(plan)]
    if best is not plan:
        lines.append(
            f"A new plan for {goal} has c = {_reserved(best)} on {_size(best)}, which carry less than "
            f"{digits(best.prediction.total_rate_per_s)} requests/s; the start commands are those of the new plan."
        )
        lines += _cost(best)
    return lines


def _load(plan: Plan) -> str:
    prediction = plan.prediction
    load, rate_per_s = prediction.load or 0.0, digits(prediction.rate_per_s)
    most = f"They carry less than {digits(prediction.total_rate_per_s)} requests/s"
    if plan.inventory.service.is_independent:
        return f"{most}; at {rate_per_s} they are loaded to {percent(load)}, which leaves {percent(1 - load)}."
    return f"{most} even if requests do not slow each other; {rate_per_s} is {percent(load)} of that."


def _size(plan: Plan) -> str:
    composition = plan.composition
    at_work, servers = len(np.unique(composition.hop_server)), counted(len(plan.inventory.servers), "server")
    chains, places = counted(len(composition), "chain"), counted(composition.slot_count, "place")
    return f"{at_work} of {servers}: {chains} with {places}"


def _cost(plan: Plan) -> list[str]:
    """Of all servers that the plan pays for, at work or not."""
    cost = plan.inventory.cost_per_hour
    if cost is None:
        return []
    return [f"Cost: {digits(float(cost[plan.members].sum()))} per hour for {counted(plan.members.size, 'server')}."]


def _reserved(plan: Plan) -> int:
    return plan.composition.placement.reserved_capacity


def _chains(plan: Plan) -> list[str]:
    """The fastest chains, and the others in one line."""
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
    header = ["chain", "places", "service", "of the jobs", "in use", "servers with blocks first:end"]
    return aligned(header, rows) + _further_chains(composition, prediction)


def _folded(words: list[str]) -> list[str]:
    """Hops in lines that fit beside the numbers, none broken within."""
    joined = " > ".join(word.replace(" ", "\N{NO-BREAK SPACE}") for word in words)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in textwrap.wrap(joined, 50, break_long_words=False)]


def _further_chains(composition: Composition, prediction: Prediction) -> list[str]:
    if len(composition) <= LONGEST:
        return []
    rest = slice(LONGEST, None)
    fastest_s, slowest_s = composition.mean_service_s[rest][[0, -1]]
    share = prediction.chain_shares[rest].sum()
    return [
        f"{len(composition) - LONGEST} more chains with {composition.capacity[rest].sum()} places, "
        f"{digits(fastest_s)} to {digits(slowest_s)} s, serve {percent(share)} of the jobs"
    ]


def _servers(plan: Plan) -> list[str]:
    """Servers of a kind with the same blocks in one row, the busiest kinds first where there are many."""
    composition, utilisation = plan.composition, plan.prediction.server_utilisation
    placement, slots = composition.placement, composition.placement.cache_slots(composition.system)
    hosting = np.flatnonzero(placement.block_count > 0)
    keys = np.stack([plan.inventory.groups[plan.members], placement.first_block, placement.block_count, slots])[
        :, hosting
    ]
    _, kind = np.unique(keys, axis=1, return_inverse=True)
    kinds = [hosting[kind.ravel() == number] for number in range(kind.max() + 1)]
    kinds.sort(key=lambda alike: (placement.first_block[alike[0]], alike[0]))
    rows = [
        [
            some_names(plan.inventory, plan.members[alike].tolist(), 2),
            plan.inventory.gpus[plan.members[alike[0]]],
            f"{placement.first_block[alike[0]]}:{placement.end_block[alike[0]]}",
            str(slots[alike[0]]),
            percent(float(utilisation[alike].mean())),
        ]
        for alike in kinds[:LONGEST]
    ]
    told = aligned(["server", "GPU", "blocks", "cache slots", "in use"], rows)
    hidden = sum(alike.size for alike in kinds[LONGEST:])
    return told + ([f"{hidden} more servers, with other blocks; plan.json has all"] if hidden else [])


def _times(study: Study) -> list[str]:
    """The plan's prediction, and below it every other way to use the servers."""
    plan = study.plan
    rows = [_prediction_row("this plan" if plan.candidates else "this layout", plan.prediction, None)]
    rows += [
        _prediction_row(_short(other.name), other.prediction, plan.prediction)
        for other in study.alternatives
        if other.prediction is not None
    ]
    long = [f"{other.name}." for other in study.alternatives if other.prediction and _short(other.name) != other.name]
    quantiles = [f"P{100 * q:g}" for q in plan.prediction.quantiles_s]
    header = ["", "mean", "", *quantiles, "first token", "wait at all", "load"]
    return [
        *aligned(header, rows),
        *long,
        _how(plan.prediction, plan.inventory.service),
        *_without_prediction(study.alternatives),
    ]


def _short(name: str) -> str:
    """Without the details in brackets, where these would push the table off the terminal."""
    return name if len(name) <= LONGEST_NAME else name.split(" (")[0]


def _prediction_row(name: str, prediction: Prediction, beside: Prediction | None) -> list[str]:
    more = "" if beside is None else f"{prediction.mean_s / beside.mean_s - 1:+.0%}"
    times = [digits(value, "s") for value in prediction.quantiles_s.values()]
    load = "-" if prediction.load is None else percent(prediction.load)
    tail = [digits(prediction.first_token_mean_s, "s"), percent(prediction.waiting_probability), load]
    return [name, digits(prediction.mean_s, "s"), more, *times, *tail]


def _how(prediction: Prediction, service: NamedService) -> str:
    model = service_words(service)
    if prediction.method == "exact":
        return (
            f"Exact for Poisson arrivals, exponential job sizes and {model}; PETALS and BPRR are simulated with these."
        )
    share = prediction.mean_half_width_s / prediction.mean_s
    simulated = f"Simulated with the given requests and {model}; the 99 % interval of the mean is ± {percent(share)}."
    return simulated + ("" if service.is_independent else " Service times of chains are those of a request alone.")


def _without_prediction(alternatives: Sequence[Alternative]) -> list[str]:
    return [f"{other.name}: none, as {other.reason}" for other in alternatives if other.prediction is None]


def _unused(study: Study) -> list[str]:
    """Servers left alone, those with the same reason together."""
    reasons: dict[str, list[int]] = {}
    for unused in study.unused:
        reasons.setdefault(unused.reason, []).append(unused.server)
    return [f"{some_names(study.plan.inventory, servers)}: {reason}" for reason, servers in reasons.items()]


def _values(study: Study) -> list[str]:
    unit = quantity_words(study.plan.inventory.goal)[1]
    valued = [value for value in study.server_values if not value.reason or value.value_at_same_c is not None]
    rows = [
        [
            some_names(study.plan.inventory, value.servers, 2),
            digits(value.value_at_same_c, unit),
            digits(value.value_retuned, unit),
        ]
        for value in valued[:LONGEST]
    ]
    told = aligned(["one of", "same c", "c chosen anew"], rows) if rows else []
    hidden = sum(len(value.servers) for value in valued[LONGEST:])
    return [*told, *([f"{hidden} more servers, of less value"] if hidden else []), *_not_valued(study)]


def _not_valued(study: Study) -> list[str]:
    """Servers without which there is no number, by the reason."""
    reasons: dict[str, list[ServerValue]] = {}
    for value in study.server_values:
        if value.reason and value.value_at_same_c is None:
            reasons.setdefault(value.reason, []).append(value)
    unit = quantity_words(study.plan.inventory.goal)[1]
    return [
        f"{some_names(study.plan.inventory, [j for value in alike for j in value.servers])}: {reason}"
        + (f" ({digits(alike[0].value_retuned, unit)} with c chosen anew)" if alike[0].value_retuned else "")
        for reason, alike in reasons.items()
    ]


def _share(study: Study) -> str:
    return f"± {percent(study.ranges[0].share)}" if study.ranges else ""


def _ranges(study: Study) -> list[str]:
    unit = quantity_words(study.plan.inventory.goal)[1]
    rows = [[found.name, digits(found.low, unit), digits(found.high, unit)] for found in study.ranges[:LONGEST]]
    return aligned(["", "smaller", "larger"], rows) if rows else []
