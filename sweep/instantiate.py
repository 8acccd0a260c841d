"""Instantiation: the only module that turns a configuration into objects."""

import json
from functools import lru_cache
from typing import Any

from hydra.utils import instantiate

from evaluators.points.case import Case, Evaluation


def evaluate(case: dict[str, Any], draws: range, replications: range) -> Evaluation:
    """Return the rows and refusals of a resolved case."""
    return instantiated(case).evaluate(draws, replications)


def instantiated(case: dict[str, Any]) -> Case:
    """Return a resolved case as an object.

    The parts of a case are frozen objects, so points share equal parts.
    """
    parts = {name: _made(json.dumps(part)) for name, part in case.items() if name != "_target_"}
    return Case(**parts)


@lru_cache(maxsize=256)
def _made(configuration: str) -> Any:
    return instantiate({"part": json.loads(configuration)}, _convert_="all")["part"]
