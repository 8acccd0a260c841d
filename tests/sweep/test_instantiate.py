"""Cases are made before they are computed: values of a wrong type are found by the annotations of constructors."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytest

from sweep.arguments import as_written, require_arguments
from sweep.instantiate import require_valid
from system import InputError
from system.errors import DataUnavailableError, NotApplicableError
from tests.support.project import case_of

HERE = __name__


@dataclass(frozen=True)
class Inner:
    rate: float = 1.0


@dataclass(frozen=True)
class Part:
    count: int = 1
    rate: float | None = None
    kind: Literal["a", "b"] = "a"
    name: str = ""
    is_fast: bool = False
    quantiles: tuple[float, ...] = ()
    inner: Inner = field(default_factory=Inner)
    anything: Any = None


@dataclass(frozen=True)
class NoData:
    """An evaluator that cannot be made."""

    error: str
    varies_with: ClassVar[str] = "draw"

    def __post_init__(self) -> None:
        raise {"data": DataUnavailableError, "applies": NotApplicableError, "bug": TypeError}[self.error]("broke")

    def __call__(self, draw, replication):
        """Measure nothing."""


def part(**values):
    return {"_target_": f"{HERE}.Part", **values}


GOOD = [
    {"count": 3, "rate": 2, "kind": "b", "name": "x", "is_fast": True, "quantiles": [0.5, 1], "anything": [1, "x"]},
    {"rate": None, "inner": {"_target_": f"{HERE}.Inner", "rate": 0.5}},
]
BAD = {
    "count": [("abc", "must be a whole number"), (1.5, "must be a whole number"), (True, "must be a whole number")],
    "rate": [("0.1:0.4", "must be a number or null"), (False, "must be a number or null")],
    "kind": [("c", "must be one of a, b")],
    "name": [(3, "must be text")],
    "is_fast": [(1, "must be true or false")],
    "quantiles": [(0.5, "must be a list, each a number"), (["x"], "must be a list, each a number")],
    "inner": [(5, "must be the configuration of an Inner")],
}


@pytest.fixture(scope="module")
def case():
    return case_of("network=european")


@pytest.mark.parametrize("values", GOOD)
def test_values_of_the_right_types_pass(values):
    require_arguments("part", part(**values))


@pytest.mark.parametrize(("key", "value", "message"), [(key, *pair) for key, pairs in BAD.items() for pair in pairs])
def test_a_value_of_a_wrong_type_is_named(key, value, message):
    with pytest.raises(InputError) as error:
        require_arguments("part", part(**{key: value}))
    assert str(error.value) == f"part.{key} = {as_written(value)}: {message}"


def test_a_value_below_is_named_by_the_key_of_the_command(case):
    below = case | {"algorithm": case["algorithm"] | {"tuning": case["algorithm"]["tuning"] | {"capacity": "x"}}}
    with pytest.raises(InputError, match=r"^algorithm\.tuning\.capacity = x: must be a whole number$"):
        require_valid([below], ["other.capacity"])
    with pytest.raises(InputError, match=r"^tuning\.capacity = x: must be a whole number$"):
        require_valid([below], ["tuning.capacity"])


@pytest.mark.parametrize("error", ["data", "applies"])
def test_a_status_of_a_point_is_no_mistake(error, case):
    require_valid([case | {"evaluator": {"_target_": f"{HERE}.NoData", "error": error}}], [])


def test_another_error_names_the_part(case):
    with pytest.raises(InputError, match=r"^evaluator: cannot be made as configured \(broke\)$"):
        require_valid([case | {"evaluator": {"_target_": f"{HERE}.NoData", "error": "bug"}}], [])
