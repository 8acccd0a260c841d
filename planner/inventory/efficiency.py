"""Efficiencies: how much of its peak bandwidth and arithmetic a device reaches, fitted to public measured points.

A block of one token takes read / (peak bandwidth x share) + launch, where `launch` is the time of a block's kernels
that does not depend on its size. The two numbers of an engine on a family of devices are those with the least mean
deviation |log(fitted / measured)| from the points; like medians, they hardly depend on outliers.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.profile import PEAK, GpuProfile
from planner.inventory.engines import ANY
from planner.inventory.measured_points import Observation, observations, read_gb
from system import ServedModel
from system.words import listed

Floats = NDArray[np.float64]
Group = tuple[Observation, ...]

FEWEST = 3  # points of a fit; an engine on a family with fewer of them shares those of others
TRUSTED = 10  # points from which on the spread of a fit is its own
OFF = 0.3  # share by which numbers may be wrong that no measured point tells of
UNCHECKED = (1 - OFF, 1 + OFF)  # factors of such block times
NINE_IN_TEN = (0.05, 0.95)
SHARES = np.exp(np.linspace(np.log(0.2), 0.0, 49))  # that a fit tries; likewise:
LAUNCHES_S = np.concatenate([np.linspace(0.0, 400e-6, 41), np.linspace(450e-6, 2e-3, 32)])


@dataclass(frozen=True)
class Fit:
    """Efficiency of an engine on a family of devices: a group of points, and the two numbers fitted to them."""

    words: str  # of what the points are
    points: Group
    bandwidth_share: float
    launch_s: float  # a block and token

    def basis(self, devices: Sequence[str]) -> str:
        """Return how many points it rests on, and devices without one."""
        without = [name for name in devices if all(point.device != name for point in self.points)]
        none_of = f", none of {listed(without)}" if without else ""
        return f"{len(self.points)} measured points of {self.words}{none_of}"


@dataclass(frozen=True)
class Efficiency:
    """Efficiencies of one engine, by points of all engines."""

    engine: str
    points: Group

    def shares(self, gpu: GpuProfile, model: ServedModel) -> tuple[float, float]:
        """Return the shares of peak arithmetic and bandwidth that a GPU reaches.

        At the second share, reading a block takes as long as the fitted block and its part of the output head.
        """
        if not is_by_peak(gpu, model):
            return PEAK
        taken_s = self.block_s(gpu.family, read_gb(model) / gpu.bandwidth_gb_per_s, model.is_mixture)
        return float(np.median(self.prompt_shares(gpu))), model.decode_read_gb / gpu.bandwidth_gb_per_s / taken_s

    def block_s(self, family: str, peak_s: float, is_mixture: bool) -> float:
        """Return the fitted time of a block that takes `peak_s` at peak."""
        fit = self.fit(family)
        dense_s = peak_s / fit.bandwidth_share + fit.launch_s
        return dense_s * _mixture(self.engine, self.points) if is_mixture else dense_s

    def fit(self, family: str) -> Fit:
        """Return the fit to the points nearest to a family."""
        return _fit(self.engine, family, self.points)

    def spread(self, family: str) -> tuple[float, float]:
        """Return the factors within which nine in ten measured times lie.

        Few points, and points of one device or of other engines or families, have at least the spread of all points.
        """
        fit = self.fit(family)
        ratios = [o.measured_s / self.block_s(family, o.peak_s, o.is_mixture) for o in fit.points]
        low, high = np.quantile(ratios, NINE_IN_TEN).tolist()
        is_of_one_device = len({point.device for point in fit.points}) == 1
        few = len(fit.points) < TRUSTED or is_of_one_device or fit.words != _words(self.engine, family)
        if few and fit.words != _words(ANY.name, ""):
            of_all = Efficiency(ANY.name, self.points).spread("")
            return min(low, of_all[0]), max(high, of_all[1])
        return low, high

    def prompt_shares(self, gpu: GpuProfile) -> Floats:
        """Return measured shares of peak arithmetic: the device's own, or three others."""
        of_device = tuple(point for point in self.points if point.device == gpu.name)
        groups = (group for _, group in _groups(self.engine, gpu.family, self.points))
        own, *others = [
            np.array([point.prompt_share for point in group if point.prompt_share is not None])
            for group in (of_device, *groups)
        ]
        return own if own.size else next((shares for shares in others if shares.size >= FEWEST), np.ones(1))


@dataclass
class Use:
    """An efficiency in use for one model; it remembers the GPUs that it was asked about."""

    efficiency: Efficiency
    gpus: dict[str, GpuProfile] = field(default_factory=dict)

    def shares(self, gpu: GpuProfile, model: ServedModel) -> tuple[float, float]:
        """Return the shares of peak arithmetic and bandwidth that a GPU reaches."""
        self.gpus[gpu.name] = gpu
        return self.efficiency.shares(gpu, model)

    def lines(self, model: ServedModel) -> Iterator[str]:
        """Yield sentences about the efficiencies of GPUs, and what they rest on."""
        groups: dict[Fit, list[GpuProfile]] = defaultdict(list)
        for gpu in self.gpus.values():
            if is_by_peak(gpu, model):
                groups[self.efficiency.fit(gpu.family)].append(gpu)
        for fit, gpus in groups.items():
            prompts, decoding = zip(*(self.efficiency.shares(gpu, model) for gpu in gpus), strict=True)
            (low, high), basis = self.efficiency.spread(gpus[0].family), fit.basis([gpu.name for gpu in gpus])
            yield (
                f"decoding reaches {_on_each(decoding, gpus)} of the peak bandwidth with blocks of this size, by "
                f"{basis}; nine in ten of those take {low:.2f} to {high:.2f} times as long as fitted"
            )
            yield f"prompts reach {_on_each(prompts, gpus)} of the peak arithmetic, medians of measured points"

    def spread(self, servers: Iterable[Iterable[str]], model: ServedModel) -> Floats:
        """Return (J, 2) the spread of each server, the widest one of its devices."""
        of_device = {
            name: self.efficiency.spread(gpu.family) for name, gpu in self.gpus.items() if is_by_peak(gpu, model)
        }
        spreads = [np.array([of_device.get(name, UNCHECKED) for name in devices]) for devices in servers]
        return np.array([(low_high[:, 0].min(), low_high[:, 1].max()) for low_high in spreads])


def _on_each(shares: Sequence[float], gpus: Sequence[GpuProfile]) -> str:
    """Return the share that each GPU reaches, in words."""
    return listed([f"{share:.0%} ({gpu.name})" for share, gpu in zip(shares, gpus, strict=True)])


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
    """Return the fit to the nearest group that has enough points."""
    words, group = _nearest(engine, family, known)
    return Fit(words, group, *_share_and_launch(group))


def _nearest(engine: str, family: str, known: Group) -> tuple[str, Group]:
    """Return the nearest group with enough points of dense models, and its words."""
    groups = list(_groups(engine, family, known))
    return next((named for named in groups if len(_dense(named[1])) >= FEWEST), groups[-1])


def _groups(engine: str, family: str, known: Group) -> Iterator[tuple[str, Group]]:
    """Yield groups of points with their words, the nearest first."""
    for by, on in dict.fromkeys([(engine, family), (engine, ""), (ANY.name, family), (ANY.name, "")]):
        yield _words(by, on), tuple(o for o in known if by in (ANY.name, o.engine) and on in ("", o.family))


def _words(engine: str, family: str) -> str:
    engines = "all engines" if engine == ANY.name else engine
    return f"{engines} on {family.replace('_', ' ') or 'all'} devices"


def _dense(group: Group) -> Group:
    return tuple(observed for observed in group if not observed.is_mixture)


@lru_cache(maxsize=512)
def _share_and_launch(group: Group) -> tuple[float, float]:
    """Return the share and the launch time with the least mean deviation."""
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
    fit = _fit(observed.engine, observed.family, known)
    return observed.peak_s / fit.bandwidth_share + fit.launch_s
