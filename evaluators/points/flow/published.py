"""What others measured on real machines with a published layout, as rows beside predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from evaluators.points.case import Draw, Measurement
from system.checks import require, require_positive

QUANTITIES = ("output_tokens_per_s", "first_token_s", "output_token_s", "per_s")


@dataclass(frozen=True, kw_only=True)
class PublishedEvaluator:
    """Published measurements of one layout, unchanged; nothing is computed.

    `per_s` is the rate of requests in that measurement. `layout` names the layout, for people.
    """

    deterministic: ClassVar[bool] = True
    uses_jobs: ClassVar[bool] = False

    measured: Mapping[str, float]
    layout: str

    def __post_init__(self) -> None:
        known = isinstance(self.measured, Mapping) and set(self.measured) <= set(QUANTITIES) and len(self.measured) > 0
        require(known, "measured", self.measured, f"must map some of {', '.join(QUANTITIES)} to numbers")
        require_positive(**{f"measured.{name}": value for name, value in self.measured.items()})

    @property
    def varies_with(self) -> Literal["nothing"]:
        """Return `nothing`: the numbers are published."""
        return "nothing"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Return the published numbers."""
        return [Measurement(f"published_{name}", value) for name, value in self.measured.items()]
