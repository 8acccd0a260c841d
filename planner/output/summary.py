"""The first lines of the card, which answer the question: how fast, for how many, on which machines."""

from collections.abc import Iterator

import numpy as np

from planner.inventory.goals import MostTokens
from planner.inventory.services import NamedService
from planner.output.computing import computing_lines, is_too_much, restriction_lines
from planner.results import Plan, Prediction, Study, UserSpeed
from planner.study.sensitivity import likely_range
from planner.words import digits, goal_words, percent, quantity_words
from system.words import counted


def summary_lines(study: Study, best: Plan) -> list[str]:
    """Return the sentences that answer the question.

    `best` is the best new plan; it differs from the study's plan if that is a layout that already runs.
    """
    plan = study.plan
    lines = [f"{plan.inventory.model.name} on {_size(plan)}."]
    if is_too_much(plan):
        lines += [*computing_lines(plan), *_speeds(study)]
    elif plan.inventory.users is None:
        lines += [*_speeds(study), _at_the_rate(plan), *computing_lines(plan)]
    else:
        lines += [*_speeds(study), *restriction_lines(plan)]
    if plan.inventory.forwarding == "direct":
        lines.append("Activations go straight from server to server (forwarding: direct).")
    if plan.candidates:
        lines.append(f"The goal is {goal_words(plan.inventory.goal)}; {_choice(plan)}.")
    lines += _likely(study)
    if plan.inventory.users is None:
        lines += [_load(plan), *_certified(plan)]
    lines += _cost(plan)
    if best is not plan:
        lines.append(
            f"A new plan for {goal_words(plan.inventory.goal)} is on {_size(best)}; {_choice(best)}. It carries less "
            f"than {digits(best.prediction.total_rate_per_s)} requests/s. The start commands are those of the new plan."
        )
        lines += _cost(best)
    return lines


def _likely(study: Study) -> list[str]:
    """Return a sentence on how far real machines may move the goal.

    It is left out beside times with shared computation, since it is about requests that do not slow each other.
    """
    computation, words = study.plan.computation, likely_range(study.plan, study.ranges)
    if words is None or (computation is not None and computation.prediction is not None):
        return []
    return [f"Measured machines differ: {words}."]


def subject(plan: Plan) -> str:
    """Return what the predictions are about."""
    return "this plan" if plan.candidates else "this layout"


def at_once(capacity: int) -> str:
    """Return a number of requests that are served at once."""
    return f"{counted(capacity, 'request')} at once"


def _speeds(study: Study) -> list[str]:
    """Return sentences on one user, the plan's users, and the most at once."""
    if not study.user_speeds:
        return []
    by_users = {speed.users: speed for speed in study.user_speeds}
    shown = [study.user_speeds[0], study.user_speeds[-1]]
    if study.plan.user_speed is not None:
        shown = [study.plan.user_speed, *shown]
    return [_speed(by_users[users]) for users in dict.fromkeys(speed.users for speed in shown)]


def _speed(speed: UserSpeed) -> str:
    first = digits(speed.first_token_s, "s")
    if speed.users == 1:
        return (
            f"One user gets {digits(speed.tokens_per_s)} tokens/s ({digits(speed.token_ms)} ms a token), and the first "
            f"token after {first}."
        )
    return (
        f"{speed.users} users at once get {digits(speed.tokens_per_s)} tokens/s each, together "
        f"{digits(speed.total_tokens_per_s)} with their prompts, and the first token after {first}."
    )


def _at_the_rate(plan: Plan) -> str:
    """Return the times of answers, with shared computation where it is simulated."""
    alone, simulated = plan.prediction, None if plan.computation is None else plan.computation.prediction
    at_random = "" if plan.inventory.workload.native_rate_per_s else " that come at random"
    rate = f"{digits(alone.rate_per_s)} requests/s{at_random}"
    shown = simulated or alone
    words = (
        f"At {rate}, answers are complete after {_times(shown)}; {percent(shown.waiting_probability)} of the requests "
        "wait."
    )
    if simulated is None:
        return words
    return f"{words} If no request slowed another, which equation (2) assumes, it would be {_times(alone)}."


def _times(prediction: Prediction) -> str:
    mean, p95 = digits(prediction.mean_s, "s"), digits(prediction.quantiles_s[0.95], "s")
    return f"{mean} on average, and 95 % of them within {p95}"


def _size(plan: Plan) -> str:
    composition = plan.composition
    used, servers = len(np.unique(composition.hop_server)), counted(len(plan.inventory.servers), "server")
    return f"{used} of {servers}: {counted(len(composition), 'chain')} for {at_once(composition.total_capacity)}"


def _choice(plan: Plan) -> str:
    """Return how the composition was chosen, and what the search gained."""
    search, reserved = plan.search, plan.composition.placement.reserved_capacity
    if plan.inventory.users is not None:
        return _choice_for_users(plan)
    if search is None:
        return f"the best layout reserves memory for {at_once(reserved)} on every server"
    tried = f"a search of {search.evaluations:,} layouts"
    if not search.is_better:
        best = f"the best layout reserves memory for {at_once(search.best_c)} on every server"
        return f"{best}, and {tried} found nothing better"
    name, unit = quantity_words(plan.inventory.goal)
    value = digits(search.value_of_best_c, unit)
    return f"{tried} found this one; with one reservation for all ({at_once(search.best_c)}) the {name} is {value}"


def _choice_for_users(plan: Plan) -> str:
    tried = f"the fastest chains were formed for {counted(len(plan.candidates), 'number')} of users on a chain"
    if plan.inventory.users is None or plan.inventory.users.count > 1 or plan.inventory.forwarding == "direct":
        return tried
    faster = "has more tokens/s" if isinstance(plan.inventory.goal, MostTokens) else "begins to answer sooner"
    return f"no other chain of these servers {faster} for one user"


def _certified(plan: Plan) -> list[str]:
    """Return how far from the best the plan can be, if that is known."""
    if plan.certificate is None or plan.gap is None:
        return []
    mean_s, limit_s = digits(plan.prediction.mean_s, "s"), digits(plan.certificate.mean_s, "s")
    return [
        f"Certified, if no request slows another: the mean response time of {mean_s} is at most {percent(plan.gap)} "
        f"above what any plan for these servers can reach at this rate ({limit_s}), and no plan carries "
        f"{digits(plan.certificate.rate_per_s)} requests/s or more."
    ]


def _load(plan: Plan) -> str:
    prediction = plan.prediction
    load, rate_per_s = prediction.load or 0.0, digits(prediction.rate_per_s)
    most = f"With its memory alone, {subject(plan)} carries less than {digits(prediction.total_rate_per_s)} requests/s"
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


def _cost(plan: Plan) -> Iterator[str]:
    """Yield the cost of all servers that the plan pays for, used or not."""
    cost = plan.inventory.cost_per_hour
    if cost is not None:
        total = digits(float(cost[plan.members].sum()))
        yield f"Cost: {total} per hour for {counted(plan.members.size, 'server')}."
