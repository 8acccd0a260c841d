"""Instantiation: the only module that turns a configuration into objects."""

import json
from functools import lru_cache
from typing import Any

from hydra.utils import instantiate

from evaluators.points.case import Case, Evaluation


def evaluate(case: dict[str, Any], draws: range, replications: range) -> Evaluation:
    """Return the rows and refusals of a resolved case.

    The parts of a case are frozen objects, so points share equal parts.
    """
    parts = {name: part_of(json.dumps(part)) for name, part in case.items() if name != "_target_"}
    return Case(**parts).evaluate(draws, replications)


@lru_cache(maxsize=256)
def part_of(configuration: str) -> Any:
    """Return the object that a part of a case describes, which is given as JSON."""
    return instantiate({"part": json.loads(configuration)}, _convert_="all")["part"]
