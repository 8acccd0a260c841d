"""Registration of the project's sweeper, launcher and resolvers with Hydra; all of them are in `sweep`.

Hydra imports every module of the namespace package `hydra_plugins` and accepts only classes that are defined there.
"""

from hydra.core.config_store import ConfigStore

import sweep.resolvers  # noqa: F401
from sweep import sweeper
from sweep.launching import ray_launcher


class PointsSweeper(sweeper.PointsSweeper):
    """Sweeper of points; see `sweep.sweeper`."""


class RayLauncher(ray_launcher.RayLauncher):
    """Launcher of workers on Ray; see `sweep.launching.ray_launcher`."""


STORE = ConfigStore.instance()
SWEEPER = sweeper.PointsSweeperConfig(_target_=f"{__name__}.PointsSweeper")
LAUNCHER = ray_launcher.RayLauncherConfig(_target_=f"{__name__}.RayLauncher")
STORE.store(group="hydra/sweeper", name="points", node=SWEEPER, provider=__name__)
STORE.store(group="hydra/launcher", name="ray", node=LAUNCHER, provider=__name__)
