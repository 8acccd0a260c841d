"""Erlang's formulas, and the loss system of unequal job servers by exact recursion on the lattice of rate sums.

A slot here is a job server: a chain of capacity c_k has c_k of them.
"""

import math

import numpy as np


def erlang_b(offered: float, slots: int) -> float:
    """Return the share of lost jobs for the offered load λ/μ."""
    terms = [math.exp(n * math.log(offered) - math.lgamma(n + 1)) for n in range(slots + 1)]
    return terms[-1] / sum(terms)


def erlang_c(offered: float, slots: int) -> float:
    """Return the share of jobs that wait if none is lost."""
    blocked, load = erlang_b(offered, slots), offered / slots
    return blocked / (1 - load * (1 - blocked))


def multi_server_response_s(arrival_rate: float, service_rate: float, slots: int) -> float:
    """Return the mean response time of M/M/c."""
    waits = erlang_c(arrival_rate / service_rate, slots)
    return 1 / service_rate + waits / (slots * service_rate - arrival_rate)


def jffc_mean_response_s(arrival_rate: float, service_rates: np.ndarray, capacities: np.ndarray) -> float:
    """Return the mean response time under JFFC, by Palm's recursion for φ.

    φ is computed at all points s = Σ n_l μ_l, 0 <= n_l <= c_l, that the recursion needs; the queue is added at the end.
    φ is an array with one axis per chain, fastest first; each slot that is processed shortens its axis by one. Extended
    precision compensates for the cancellation in 1 - φ.
    """
    order = np.argsort(-service_rates)
    rates, slots = service_rates[order].astype(np.longdouble), capacities[order]
    lam = np.longdouble(arrival_rate)
    lattice = np.indices(tuple(slots + 1))
    phi = lam / (lam + np.tensordot(rates, lattice, axes=1))
    blocked, busy = np.longdouble(1), np.longdouble(0)
    for chain, rate in enumerate(rates):
        for _ in range(slots[chain]):
            now, shifted = (np.take(phi, np.arange(phi.shape[chain] - 1) + step, axis=chain) for step in (0, 1))
            still_blocked = blocked * shifted.flat[0]  # the origin moved by this slot's rate: φ(μ)
            busy += lam * (blocked - still_blocked) / rate
            blocked = still_blocked
            phi = shifted / (1 - now + shifted)
    load = lam / (rates @ slots)
    jobs = busy + blocked * (slots.sum() * load / (1 - load) + load / (1 - load) ** 2)
    return float(jobs / (1 + blocked * load / (1 - load)) / lam)
