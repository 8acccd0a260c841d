"""Hand the project's sweeper, launcher and resolvers to Hydra; all of them live in `sweep`.

Hydra imports every module of the namespace package `hydra_plugins` and keeps the plugins that it finds there.
"""

from sweep import resolvers
from sweep.ray_launcher import RayLauncher
from sweep.sweeper import PointsSweeper

__all__ = ["PointsSweeper", "RayLauncher", "resolvers"]
