"""Metrics in Prometheus' format: what the front counts itself, and what it asks of the orchestrator at each reading."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

from serving.http.completion import Completion

if TYPE_CHECKING:
    from serving.orchestrator.job_record import ServedJob
    from serving.orchestrator.orchestrator import Orchestrator

PREFIX = "server_chains_"
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250)


class Metrics:
    """Counts of requests and tokens, histograms of times, and the state of the chains with these capacities."""

    def __init__(self, orchestrator: "Orchestrator", capacities: Sequence[int]) -> None:
        self._registry = CollectorRegistry()
        requests, tokens = "Requests that have ended, by outcome.", "Tokens of served requests, by kind."
        self._requests = Counter(f"{PREFIX}requests", requests, ["outcome"], registry=self._registry)
        self._tokens = Counter(f"{PREFIX}tokens", tokens, ["kind"], registry=self._registry)
        self._response_s = self._histogram("response_seconds", "Time from arrival to the last token.")
        self._first_token_s = self._histogram("first_token_seconds", "Time from arrival to the first token.")
        self._waiting_s = self._histogram("waiting_seconds", "Time from arrival to the start of service.")
        for outcome in ("served", "failed", "cancelled", "refused"):
            self._requests.labels(outcome)
        self._registry.register(_State(orchestrator, capacities))

    def _histogram(self, name: str, meaning: str) -> Histogram:
        return Histogram(f"{PREFIX}{name}", meaning, buckets=BUCKETS_S, registry=self._registry)

    def count(self, outcome: str) -> None:
        """Count a request that has ended without an answer."""
        self._requests.labels(outcome).inc()

    def count_served(self, completion: Completion, record: "ServedJob") -> None:
        """Count a served request with its tokens and times."""
        self._requests.labels("served").inc()
        self._tokens.labels("input").inc(len(completion.prompt))
        self._tokens.labels("output").inc(len(record.tokens))
        self._response_s.observe(record.end_s - record.arrival_s)
        self._first_token_s.observe(record.first_token_s - record.arrival_s)
        self._waiting_s.observe(record.start_s - record.arrival_s)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _State:
    """A collector of the orchestrator's present state."""

    def __init__(self, orchestrator: "Orchestrator", capacities: Sequence[int]) -> None:
        self._orchestrator, self._capacities = orchestrator, capacities

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield gauges of requests, of the slots of each chain, and of lost servers."""
        waiting, in_service = self._orchestrator.counts()
        yield _gauge("requests_waiting", "Requests that wait for a chain.", waiting)
        yield _gauge("requests_running", "Requests in service.", in_service.total())
        yield _gauge("servers_lost", "Servers that were lost.", len(self._orchestrator.lost))
        used = _gauge_by_chain("chain_slots_used", "Requests in service on each chain, counted from the fastest.")
        slots = _gauge_by_chain("chain_slots", "Requests that each chain can serve at once.")
        for k, capacity in enumerate(self._capacities):
            used.add_metric([str(k)], in_service[k])
            slots.add_metric([str(k)], capacity)
        yield from (used, slots)


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, meaning, value=value)


def _gauge_by_chain(name: str, meaning: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, meaning, labels=["chain"])
