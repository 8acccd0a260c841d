"""Start and length of simulated runs, which begin with an empty system and so with short response times.

`mser_warm_up` chooses the jobs to leave out, `drift` measures whether the rest still rises, and `relaxation_jobs` says
how many jobs a run needs at least. docs/statistics.md shows how well they work.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from system.checks import require
from system.layout import Layout

Floats = NDArray[np.float64]

MSER: Literal["mser"] = "mser"
BATCH = 5  # jobs whose mean MSER-5 takes as one value
WINDOWS = 10  # the drift compares the last of so many parts of a run with the first


def mser_warm_up(values: Floats) -> int:
    """Return how many first values MSER-5 leaves out.

    Of n batch means it leaves out the first d for which `sum((y - mean)**2) / (n - d)**2` over the others is least
    (White 1997). At most half of them are left out: a minimum beyond would say that the run is too short. Raises
    `InputError` for fewer values than a batch.
    """
    require(values.size >= BATCH, "jobs", values.size, f"give at least {BATCH} for warm_up={MSER}")
    batches = values[: values.size // BATCH * BATCH].reshape(-1, BATCH).mean(axis=1)
    centred = batches - batches.mean()
    rest = np.arange(batches.size, 0, -1)
    sums, squares = (np.cumsum(terms[::-1])[::-1] for terms in (centred, centred**2))
    errors = (squares - sums**2 / rest) / rest**2
    return BATCH * int(np.argmin(errors[: batches.size // 2 + 1]))


def drift(response_s: Floats) -> float:
    """Return the drift of response times within a run.

    It is the logarithm of the mean of the last tenth of the jobs over that of the first tenth. In a steady state its
    expectation is 0 whatever the distribution, as both have equally many jobs. It is NaN for fewer than `WINDOWS` jobs.
    """
    count = response_s.size // WINDOWS
    return float(np.log(response_s[-count:].mean() / response_s[:count].mean())) if count else float("nan")


def drift_of_parts(sums_s: Floats, counts: Floats) -> float:
    """Return the drift from sums and counts of consecutive parts.

    The first and the last parts are those with at least a tenth of the jobs. It is NaN for fewer than `WINDOWS` parts.
    """
    if counts.size < WINDOWS:
        return float("nan")
    first_s, last_s = (_mean_of_tenth(sums_s[order], counts[order]) for order in (slice(None), slice(None, None, -1)))
    return float(np.log(last_s / first_s))


def _mean_of_tenth(sums_s: Floats, counts: Floats) -> float:
    parts = int(np.searchsorted(np.cumsum(counts), counts.sum() / WINDOWS)) + 1
    return float(sums_s[:parts].sum() / counts[:parts].sum())


def relaxation_jobs(layout: Layout, load: float) -> float:
    """Return how many arrivals make a layout forget its state.

    `load` is the arrival rate over the largest stable one. The number is that of a queue with many servers and
    exponential times, `load / (1 - sqrt(load))**2`, but at least the jobs that arrive during the mean time on the
    slowest chain. It is NaN unless the load is below 1.
    """
    if not load < 1:
        return float("nan")
    slowest_s = float(layout.composition().mean_service_s.max())
    return max(load / (1 - load**0.5) ** 2, layout.system.arrival_rate_per_s * slowest_s)
