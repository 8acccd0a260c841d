"""The meanings of the evaluators' metrics (`metrics.yaml`)."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_suffix(".yaml")


@cache
def metric_meanings() -> dict[str, dict[str, Any]]:
    """Return the meaning of every metric.

    It has the `unit`, what the metric `is` and, if the metric has several coordinates, what `at` holds.
    """
    meanings: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return meanings
