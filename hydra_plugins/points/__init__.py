"""Hand the project's sweeper, launcher and resolvers to Hydra; all of them live in `sweep`.

Hydra imports every module of the namespace package `hydra_plugins` and accepts only classes that are defined there.
"""

from hydra.core.config_store import ConfigStore

import sweep.resolvers  # noqa: F401
from sweep import ray_launcher, sweeper


class PointsSweeper(sweeper.PointsSweeper):
    """Sweep points, as `sweep.sweeper` says."""


class RayLauncher(ray_launcher.RayLauncher):
    """Launch workers with Ray, as `sweep.ray_launcher` says."""


STORE = ConfigStore.instance()
SWEEPER = sweeper.PointsSweeperConfig(_target_=f"{__name__}.PointsSweeper")
LAUNCHER = ray_launcher.RayLauncherConfig(_target_=f"{__name__}.RayLauncher")
STORE.store(group="hydra/sweeper", name="points", node=SWEEPER, provider=__name__)
STORE.store(group="hydra/launcher", name="ray", node=LAUNCHER, provider=__name__)
