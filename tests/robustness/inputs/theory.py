"""Bad input to the queueing formulas, and to the algorithms that divide by times."""

import numpy as np

from algorithms.allocation.gca import gca
from algorithms.placement.cg_bp import CgBp
from algorithms.placement.gbp_cr import GbpCr
from evaluators.queueing import ExactResponse, exact, markov, theorem4
from evaluators.queueing.bound import response_bound_s
from evaluators.queueing.exact_response import ExponentialWaits
from evaluators.queueing.floor import response_floor_s
from system import Servers, System
from tests.robustness.bad_input import BadInput
from tests.support.oracles.instances import served_model

FORMULAS = {"exact": exact, "theorem4": theorem4, "markov": markov}

# The kind, the name, λ, μ and c of a queue, and the three parts of the message.
QUEUES = [
    ("sum that overflows", "rates at the end of the range", 1e308, [1e308], [2], "arrival_rate", "1e+308", "check the"),
    ("sum that overflows", "rates over 600 decades", 1.0, [1e300, 1e-300], [2, 2], "service_rates[1]", "1e-300", ""),
    ("sum that overflows", "a rate of 1e300", 1.0, [1e300, 1], [2, 2], "service_rates[0]", "1e+300", "check the units"),
    ("sum that overflows", "a rate of 401 digits", 10**400, [1.0], [2], "arrival_rate", "1000000", "finite number"),
    ("sum that overflows", "a service rate of 401 digits", 1.0, [10**400], [2], "service_rates", "100000", "numbers"),
    ("no upper bound", "10^10 slots", 1e9, [1.0], [10**10], "sum of capacities", "10000000000", "1,000,000,000"),
    (
        "no upper bound",
        "three times half the slots",
        1,
        [1] * 3,
        [5 * 10**8] * 3,
        "sum of cap",
        "1500000000",
        "at most",
    ),
    ("no upper bound", "a capacity of 10^20", 1.0, [1.0], [1e20], "capacities[0]", "1e+20", "below 2^53"),
    ("zero", "no service rate", 1.0, [0.0], [2], "service_rates[0]", "0.0", "at least 1e-100"),
    ("zero", "a denormal service rate", 1.0, [1.0, 5e-324], [2, 2], "service_rates[1]", "5e-324", "at least 1e-100"),
    ("zero", "a denormal arrival rate", 5e-324, [1.0], [2], "arrival_rate", "5e-324", "must lie between"),
    ("zero", "no capacity", 1.0, [1.0], [0], "capacities[0]", "0.0", "at least 1"),
    ("zero", "no chains", 1.0, [], [], "service_rates", "[]", "at least one chain"),
    ("null or wrong type", "no rate", None, [1.0], [2], "arrival_rate", "None", "finite number above 0"),
    ("null or wrong type", "a list as arrival rate", [1.0], [1.0], [2], "arrival_rate", "[1.0]", "finite number"),
    ("null or wrong type", "words as rates", 1.0, ["fast"], [2], "service_rates", "fast", "array of numbers"),
    ("null or wrong type", "a mapping as capacities", 1.0, [1.0], {"a": 2}, "capacities", "'a': 2", "array of numbers"),
    ("null or wrong type", "a table as rates", 1.0, [[1.0]], [2], "service_rates", "shape (1, 1)", "one-dimensional"),
    ("null or wrong type", "not a number", 1.0, [float("nan")], [2], "service_rates[0]", "nan", "finite number"),
    ("boolean or unit", "true as arrival rate", True, [2.0], [2], "arrival_rate", "True", "finite number above 0"),
    ("boolean or unit", "an infinite rate", float("inf"), [2.0], [2], "arrival_rate", "inf", "finite number above 0"),
]


def system(communication_s=0.1, block_s=0.1, mean_job=(1.0, 0.0, 0.0), rate_per_s=1.0):
    """Return two servers, of which the second has the times of a test."""
    servers = Servers([20.0, 20.0], np.array([0.1, communication_s]), np.array([0.1, block_s]))
    return System(served_model(8), servers, rate_per_s, mean_job)


SERVERS = [
    ("zero", "no times", {"communication_s": 0.0, "block_s": 0.0}, "time of server 1", "0 s", "block_s"),
    ("zero", "denormal times", {"communication_s": 0.0, "block_s": 5e-324}, "time of server 1", "4.94066e-324", "must"),
    ("zero", "a mean job without work", {"mean_job": (0.0, 5.0, 5.0)}, "time of server 0", "0 s", "block_s"),
    ("sum that overflows", "a time of 1e308 s", {"block_s": 1e308}, "block_s[3]", "1e+308", "check the units"),
    ("sum that overflows", "a long job", {"mean_job": (1e99, 0.0, 0.0), "block_s": 1e99}, "server 1", "1e+198", "must"),
    ("sum that overflows", "a job of 1e308", {"mean_job": (1e308, 0.0, 0.0)}, "mean_job[0]", "1e+308", "check the"),
    ("zero", "no arrivals", {"rate_per_s": 0}, "arrival_rate_per_s", "0", "finite number above 0"),
]
SCHEMES = {
    "gca": lambda system: gca(system, GbpCr()(system, 1)),
    "gbp_cr": lambda system: GbpCr(stop_rule="required_rate")(system, 1),
    "cg_bp": lambda system: CgBp()(system, 1),
    "floor": response_floor_s,
    "bound": response_bound_s,
}

# A method of the exact answer, its arguments, and the three parts of the message.
ANSWERS = [
    ("percentile_s", (1.5,), "q", "1.5", "the 95th percentile is q = 0.95"),
    ("service_percentile_s", ("half",), "q", "half", "must lie between 0 and 1"),
    ("tail", (1e308,), "time_s", "1e+308", "must lie between"),
    ("service_tail", (float("nan"),), "time_s", "nan", "0 or above"),
    ("mean_first_token_s", ([0.1, 0.2],), "first_token_s", "size 2", "one per chain"),
    ("first_token_percentile_s", (0.5, [0.0]), "first_token_s[0]", "0.0", "at least 1e-100"),
]

BAD = (
    *(
        BadInput(kind, f"{name} in {formula}", lambda folder, f=f, queue=queue: f(*queue), *parts)
        for formula, f in FORMULAS.items()
        for kind, name, *queue, parts in ((*row[:5], row[5:]) for row in QUEUES)
    ),
    *(
        BadInput(kind, f"{name} for {scheme}", lambda folder, f=f, fields=fields: f(system(**fields)), *parts)
        for scheme, f in SCHEMES.items()
        for kind, name, fields, *parts in SERVERS
    ),
    *(
        BadInput("boolean or unit", f"{method}{args}", lambda folder, m=method, args=args: call(m, args), *parts)
        for method, args, *parts in ANSWERS
    ),
)


def call(method, args):
    """Return what a method of an exact answer returns, which is not computed."""
    waits = ExponentialWaits(0.55, 2.0, np.array([0.55]))
    chain = np.array([1.0]), 0.0, np.array([2.0]), np.array([5]), np.array([0.45]), waits
    return getattr(ExactResponse(8.0, 10.0, 2.0, 0.777, 0.55, *chain), method)(*args)
