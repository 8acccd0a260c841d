"""Tell Hydra of the project's sweeper and launcher, which live in `sweep`.

Hydra finds plugins by importing every module of the namespace package `hydra_plugins`; nothing else belongs here.
"""

from sweep.ray_launcher import RayLauncher
from sweep.sweeper import PointsSweeper

__all__ = ["PointsSweeper", "RayLauncher"]
