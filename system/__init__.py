"""The system model of the paper's Sec. 2.1 as data: model, servers, placement, chains and composition."""

from system.composition import Chain, Composition
from system.errors import DataUnavailableError, InfeasibleError, InputError, NotApplicableError, UnstableError
from system.models.served import ServedModel
from system.placement import Placement
from system.random_streams import RandomStreams
from system.servers import Servers
from system.system import UNIT_JOB, System

__all__ = [
    "UNIT_JOB",
    "Chain",
    "Composition",
    "DataUnavailableError",
    "InfeasibleError",
    "InputError",
    "NotApplicableError",
    "Placement",
    "RandomStreams",
    "ServedModel",
    "Servers",
    "System",
    "UnstableError",
]
