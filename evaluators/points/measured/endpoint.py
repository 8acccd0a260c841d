"""Any OpenAI-compatible endpoint as an evaluator (`conf/evaluator`), with the jobs of the simulators."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import compress
from typing import Any, get_args
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from evaluators.points.case import Draw, Measurement
from evaluators.points.measured.reported import failed_jobs, reported_jobs, warn_of_failures
from evaluators.points.metrics import Answer
from evaluators.points.simulated import JobReport
from evaluators.simulation.steps.simulate import check_whole_tokens
from serving.endpoint.endpoint import Endpoint, PromptKind
from serving.endpoint.failures import HIDDEN
from serving.endpoint.load import LoadSettings, random_requests, replay
from serving.endpoint.streamed import StreamedRun
from serving.installed import require_installed
from system.checks import require, require_one_of

KEY_VARIABLE = "CHAIN_ENDPOINT_KEY"
VARIABLE = re.compile(r"[A-Za-z_]\w*", flags=re.ASCII)
FIXED = ("prompt", "max_tokens", "stream")  # fields of a request that options may not replace
MOST_IDS = 2**31  # of a vocabulary
WAITING = ("waiting_mean_s", "waiting_probability", "waiting_quantile_s")
OF_ARRIVAL_RATE = ("load", "_goodput_per_s")  # ends of metrics


@dataclass(frozen=True, kw_only=True)
class EndpointEvaluator(LoadSettings, JobReport):
    """A real run of all jobs at a running endpoint, whatever software it is.

    Service lasts from sending to the last token, with any queue at the endpoint. Waiting is left out, as nobody outside
    sees when service begins. The jobs after the warm-up are reported; failed jobs are counted and have no times.

    - `key_variable`: the environment variable that holds the key, if the endpoint wants one.
    - `prompt`: `tokens` sends token ids; `text` sends as many words instead, whose number of tokens is approximate.
    - `vocabulary`: prompts have random token ids, from the first number up to below the second.
    - `options`: fields of every request beside those of the API; null leaves out a field, such as `ignore_eos`.
    """

    url: str
    model: str = ""
    key_variable: str = KEY_VARIABLE
    prompt: PromptKind = "tokens"
    vocabulary: tuple[int, int] = (1000, 30_000)
    options: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        LoadSettings.__post_init__(self)
        JobReport.__post_init__(self)
        check_url(self.url)
        require_one_of(get_args(PromptKind), prompt=self.prompt)
        first, end = self.vocabulary
        remedy = "must be two token ids, the first one smaller, such as [1000,30000]"
        require(0 <= first < end <= MOST_IDS, "vocabulary", list(self.vocabulary), remedy)
        fixed = [name for name in FIXED if name in (self.options or {})]
        require(not fixed, "options", fixed, "follow from the jobs; leave them out")
        self._check_report()
        key_in(self.key_variable)

    def _check_report(self) -> None:
        """Raise `InputError` for reports that an endpoint or a closed loop cannot give."""
        remedy = "may use an arrival rate, which users who wait do not have; use loop=open"
        require(self.loop == "open" or not self.metrics, "metrics", sorted(self.metrics), remedy)
        for name, slo in (self.slos or {}).items():
            remedy = "nobody sees when an endpoint begins to serve; limit response_s or first_token_s"
            require("waiting_s" not in slo, f"slos.{name}", dict(slo), remedy)

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Send the jobs of one replication and report them.

        Raises `InputError` with the reasons if no job was served after the warm-up.
        """
        jobs, _ = draw.jobs(replication), draw.layout  # a layout that is refused is refused before jobs are sent
        check_whole_tokens(jobs)
        require_installed("aiohttp", "engines")
        lengths = np.broadcast_to(jobs.lengths, (len(jobs), 2))
        requests = random_requests(lengths, self.vocabulary, draw.streams(replication).jobs("prompts"))
        endpoint = Endpoint(self.url, self.model, key_in(self.key_variable), self.options or {}, self.prompt)
        run, name = replay(endpoint, jobs.arrival_s, requests, self), f"url = {self.url}"
        reported = reported_jobs(self, run, run.records, name)
        warn_of_failures(run.records, name)
        times, share = run.times.of_jobs(reported.chosen), reported.served_share
        return [
            *self._of_endpoints(self.measurements(Answer(draw, times, jobs.of_jobs(reported.chosen), run, share))),
            *self.chosen_warm_up(reported.first),
            failed_jobs(run.records[reported.first :]),
            *throughput(run, reported.chosen),
            *token_gaps(run, reported.chosen, self.quantiles),
            *lags(run, sends_at_arrivals=self.loop == "open"),
        ]

    def _of_endpoints(self, measurements: list[Measurement]) -> Iterator[Measurement]:
        """Yield the measurements that have a meaning for an endpoint and this loop."""
        for measurement in measurements:
            has_rate = self.loop == "open" or not measurement.metric.endswith(OF_ARRIVAL_RATE)
            if has_rate and measurement.metric not in WAITING:
                yield measurement


def lags(run: StreamedRun, sends_at_arrivals: bool = True) -> Iterator[Measurement]:
    """Yield how late the client was: in sending, and in waking up."""
    sending = {"send_lag": run.lag.sending_s} if sends_at_arrivals else {}
    for name, lags_s in {**sending, "client_lag": run.lag.waking_s}.items():
        known_s = lags_s[~np.isnan(lags_s)]
        if known_s.size:
            yield Measurement(f"{name}_mean_s", float(known_s.mean()))
            yield Measurement(f"{name}_largest_s", float(known_s.max()))


def throughput(run: StreamedRun, chosen: NDArray[np.bool_]) -> Iterator[Measurement]:
    """Yield jobs and output tokens a second.

    The time is from the first sending to the last end of the reported jobs.
    """
    records = list(compress(run.records, chosen))
    span_s = max(record.end_s for record in records) - min(record.start_s for record in records)
    yield Measurement("served_per_s", len(records) / span_s)
    yield Measurement("output_tokens_per_s", sum(record.tokens for record in records) / span_s)


def token_gaps(run: StreamedRun, chosen: NDArray[np.bool_], quantiles: tuple[float, ...]) -> Iterator[Measurement]:
    """Yield quantiles of the times between the tokens of jobs."""
    gaps_s = run.token_gaps_s(chosen)
    for q in quantiles if gaps_s.size else ():
        yield Measurement("token_gap_quantile_s", float(np.quantile(gaps_s, q)), q)


def check_url(url: str) -> None:
    """Raise `InputError` unless a text is the address of an API, and nothing else."""
    may_hold_key = "@" in url or "?" in url  # which no message repeats
    remedy = "must have no user, password or query; key_variable names the variable of a key"
    require(not may_hold_key, "url", HIDDEN, remedy)
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port
        is_address = False
    is_address = is_address and url.isascii() and url.isprintable() and not set(url) & set(" #")
    require(is_address, "url", url, "must be the address of an API, such as http://127.0.0.1:8080/v1")


def key_in(variable: str) -> str | None:
    """Return the key in an environment variable; None without the default variable.

    Raises `InputError`, without the text, for what is no variable: somebody may have given the key itself.
    """
    key = os.environ.get(variable) if VARIABLE.fullmatch(variable) else None
    remedy = "must be the name of an environment variable that holds the key"
    require(key is not None or variable == KEY_VARIABLE, "key_variable", HIDDEN, remedy)
    is_sendable = key is None or (key.isascii() and key.isprintable())
    require(is_sendable, "key_variable", variable, "its key has characters that HTTP does not allow")
    return key or None
