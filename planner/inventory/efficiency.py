"""Efficiencies: how much of its peak bandwidth and arithmetic a device reaches, fitted to public measured points.

A block of one token takes read / (peak bandwidth x share) + launch, where `launch` is the time of a block's kernels
that does not depend on its size. The two numbers of an engine on a family of devices are those with the least mean
deviation |log(fitted / measured)| from the points; like medians, they hardly depend on outliers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.profile import PEAK, GpuProfile
from planner.inventory.engines import ANY
from planner.inventory.measured_points import Observation, observations, read_gb
from system import ServedModel

Floats = NDArray[np.float64]
Group = tuple[Observation, ...]

FEWEST = 3  # points of a fit; an engine on a family with fewer of them shares those of others
TRUSTED = 10  # points from which on the spread of a fit is its own
UNCHECKED = (0.7, 1.3)  # of times that no measured point tells of
NINE_IN_TEN = (0.05, 0.95)
SHARES = np.exp(np.linspace(np.log(0.2), 0.0, 65))  # that a fit tries; likewise:
LAUNCHES_S = np.concatenate([np.linspace(0.0, 400e-6, 81), np.linspace(420e-6, 2e-3, 80)])


@dataclass(frozen=True)
class Fit:
    """Efficiency of an engine on a family of devices, and how widely measured times lie around it."""

    words: str  # of what the points are
    points: int
    bandwidth_share: float
    launch_s: float  # a block and token
    mixture: float  # times of a mixture's blocks, relative to those of equal dense blocks
    spread: tuple[float, float] = UNCHECKED  # nine in ten measured times, relative to fitted ones, lie between these
    arithmetic_share: float = 1.0
    prompt_points: int = 0

    def block_s(self, peak_s: float, is_mixture: bool) -> float:
        """Return the time of a token's block that takes `peak_s` at the peak bandwidth."""
        return (peak_s / self.bandwidth_share + self.launch_s) * (self.mixture if is_mixture else 1.0)


@dataclass(frozen=True)
class Efficiency:
    """Efficiencies of one engine, by points of all engines."""

    engine: str
    points: Group

    def shares(self, gpu: GpuProfile, model: ServedModel) -> tuple[float, float]:
        """Return the shares of peak arithmetic and peak bandwidth that a GPU reaches with a model.

        At the second share, reading a block takes as long as the fitted block and its part of the output head.
        """
        if not is_by_peak(gpu, model):
            return PEAK
        fit = self.fit(gpu.family)
        taken_s = fit.block_s(read_gb(model) / gpu.bandwidth_gb_per_s, model.is_mixture)
        return fit.arithmetic_share, model.decode_read_gb / gpu.bandwidth_gb_per_s / taken_s

    def spread(self, gpu: GpuProfile, model: ServedModel) -> tuple[float, float]:
        """Return the factors between which nine in ten measured block times lie."""
        return self.fit(gpu.family).spread if is_by_peak(gpu, model) else UNCHECKED

    def fit(self, family: str) -> Fit:
        """Return the fit for a family of devices, to its own points or to those of more families."""
        return _fit(self.engine, family, self.points)

    def line(self, gpu: GpuProfile, model: ServedModel) -> str:
        """Return a sentence about a GPU's efficiency with a model, and what it rests on."""
        fit, (arithmetic, bandwidth) = self.fit(gpu.family), self.shares(gpu, model)
        low, high = fit.spread
        of_kind = sum(point.device == gpu.name for point in self.points)
        return (
            f"{gpu.name}: decoding reaches {bandwidth:.0%} of its peak bandwidth with blocks of this size, by "
            f"{fit.points} measured points of {fit.words} ({of_kind or 'none'} of this device by any engine); nine in "
            f"ten measured times are {low:.2f} to {high:.2f} times the fitted; prompts reach {arithmetic:.0%} of its "
            f"peak arithmetic, the median of {fit.prompt_points} points"
        )


@cache
def efficiency_of(engine: str = ANY.name) -> Efficiency:
    """Return the efficiencies of an engine by all measured points."""
    return Efficiency(engine, tuple(observations().values()))


def is_by_peak(gpu: GpuProfile, model: ServedModel) -> bool:
    """Return whether a GPU's times for a model follow from its peak numbers.

    They do not where the model was measured, and where a profile's numbers were measured themselves.
    """
    return model.name not in gpu.measured_block_s and not gpu.measured_on


@lru_cache(maxsize=512)
def _fit(engine: str, family: str, known: Group) -> Fit:
    """Return the fit to the nearest group that has enough points, with its spread.

    Few points, and points of other engines or families, have at least the spread that all points together have.
    """
    words, group = _nearest(engine, family, known)
    prompts = _prompt_shares(engine, family, known)
    fit = Fit(
        words,
        len(group),
        *_share_and_launch(group),
        _mixture(engine, known),
        arithmetic_share=float(np.median(prompts)) if prompts.size else 1.0,
        prompt_points=prompts.size,
    )
    low, high = _spread(fit, group)
    if (engine, family) != (ANY.name, "") and (len(group) < TRUSTED or words != _words(engine, family)):
        of_all = _fit(ANY.name, "", known).spread
        low, high = min(low, of_all[0]), max(high, of_all[1])
    return replace(fit, spread=(low, high))


def _nearest(engine: str, family: str, known: Group) -> tuple[str, Group]:
    """Return the nearest group with enough points of dense models, and its words."""
    groups = list(_groups(engine, family, known))
    return next((named for named in groups if len(_dense(named[1])) >= FEWEST), groups[-1])


def _groups(engine: str, family: str, known: Group) -> Iterator[tuple[str, Group]]:
    """Yield groups of points with their words, those of the engine on the family first."""
    for by, on in dict.fromkeys([(engine, family), (engine, ""), (ANY.name, family), (ANY.name, "")]):
        yield _words(by, on), tuple(o for o in known if by in (ANY.name, o.engine) and on in ("", o.family))


def _words(engine: str, family: str) -> str:
    engines = "all engines" if engine == ANY.name else engine
    return f"{engines} on {family.replace('_', ' ') or 'all'} devices"


def _dense(group: Group) -> Group:
    return tuple(observed for observed in group if not observed.is_mixture)


@lru_cache(maxsize=512)
def _share_and_launch(group: Group) -> tuple[float, float]:
    """Return the share of peak bandwidth and the launch time with the least mean deviation."""
    peak_s, measured_s = np.array([[o.peak_s, o.measured_s] for o in _dense(group)]).T[:, :, None, None]
    fitted_s = peak_s / SHARES[:, None] + LAUNCHES_S
    deviation = np.abs(np.log(fitted_s / measured_s)).mean(axis=0)
    share, launch = np.unravel_index(deviation.argmin(), deviation.shape)
    return float(SHARES[share]), float(LAUNCHES_S[launch])


@lru_cache(maxsize=512)
def _mixture(engine: str, known: Group) -> float:
    """Return the median of mixtures' measured times relative to those of equal dense blocks."""
    mixtures = [o for o in known if o.is_mixture]
    own = [o for o in mixtures if o.engine == engine]
    ratios = [o.measured_s / _dense_s(o, known) for o in (own if len(own) >= FEWEST else mixtures)]
    return float(np.median(ratios)) if ratios else 1.0


def _dense_s(observed: Observation, known: Group) -> float:
    """Return the fitted time of a dense block of the same size."""
    share, launch_s = _share_and_launch(_nearest(observed.engine, observed.family, known)[1])
    return observed.peak_s / share + launch_s


def _spread(fit: Fit, group: Group) -> tuple[float, float]:
    """Return the factors between which nine in ten points lie around a fit."""
    ratios = [o.measured_s / fit.block_s(o.peak_s, o.is_mixture) for o in group]
    low, high = np.quantile(ratios, NINE_IN_TEN)
    return float(low), float(high)


def _prompt_shares(engine: str, family: str, known: Group) -> Floats:
    """Return the measured shares of peak arithmetic of the nearest group with enough of them."""
    stated = [
        np.array([o.prompt_share for o in group if o.prompt_share is not None])
        for _, group in _groups(engine, family, known)
    ]
    return next((shares for shares in stated if shares.size >= FEWEST), stated[-1])
