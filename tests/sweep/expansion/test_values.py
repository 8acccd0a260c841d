"""Values of axes in Hydra's grammar: each form works on the command line and in YAML, or is refused in a sentence."""

import pytest

from system import InputError
from tests.support.project import choices

TENTHS = ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8"]
FORMS = {
    "demand.per_s=range(.1,.9,.1)": TENTHS,
    "demand.per_s=range(0.8,0.05,-0.1)": TENTHS[::-1],
    "tuning.capacity=range(3)": ["0", "1", "2"],
    "tuning.capacity=choice(1,4)": ["1", "4"],
    "tuning.capacity=choice(4)": ["4"],
    "tuning.capacity=sort(4,1)": ["1", "4"],
    "tuning.capacity=int(2.0,3.0)": ["2", "3"],
    "tuning.capacity=range(1,4),7": ["1", "2", "3", "7"],
    "evaluator.quantiles=[0.5],[0.9,0.99]": ["[0.5]", "[0.9,0.99]"],
    "cluster.fast_count=null,2": ["null", "2"],
    "dispatch=glob(*)": choices("dispatch"),
    "placement=glob(g*),petals": ["gbp_cr", "gbp_cr_published_code", "petals"],
    "placement=glob(*,exclude=[exhaustive,*_*])": ["petals"],
}
REFUSED = {
    "tuning.capacity=range(9,1)": "range(9,1): holds no value",
    "tuning.capacity=range(1,9,0)": "its step is 0",
    "tuning.capacity=shuffle(1,2)": "have no order to shuffle",
    "demand.per_s=interval(0.1,0.5)": "an interval has no list of values",
    "placement=glob(zzz*)": "nothing matches; the choices are cg_bp, exhaustive, gbp_cr",
    "tuning.capacity=glob(*)": "glob chooses among the files of a config group",
    "tuning.capacity=2,7,2": "tuning.capacity = 2,7,2: lists 2 twice",
}


def declared(text):
    """Return the override that declares an axis as an experiment's file does."""
    key, _, values = text.partition("=")
    return f"experiment.axes={{{key}:'{values}'}}"


@pytest.mark.parametrize("text", FORMS)
@pytest.mark.parametrize("written", [str, declared])
def test_an_axis_has_these_values(expand, text, written):
    (sweep,) = expand(["network=european", written(text)])
    (axis,) = sweep.axes
    assert axis == text.partition("=")[0]
    assert [point.axes[axis] for point in sweep.points] == FORMS[text]


@pytest.mark.parametrize("text", REFUSED)
def test_a_form_without_values_is_refused(expand, text):
    with pytest.raises(InputError) as error:
        expand(["network=european", text])
    assert str(error.value).startswith(f"{text.replace('=', ' = ', 1)}: ")
    assert REFUSED[text] in str(error.value)


def test_a_list_in_yaml_may_hold_other_forms_and_nothing(expand):
    (sweep,) = expand(["network=european", "experiment.axes={tuning.capacity:['range(1,4)',7]}"])
    assert [point.axes["tuning.capacity"] for point in sweep.points] == ["1", "2", "3", "7"]
    (sweep,) = expand(["network=european", "experiment.axes={cluster.fast_count:[null,2]}"])
    assert [point.case["cluster"]["fast_count"] for point in sweep.points] == [None, 2]


def test_decimals_of_a_range_are_the_same_points_as_those_of_a_list(expand):
    one, other = (expand(["network=european", f"demand.per_s={v}"])[0] for v in ("range(.1,.4,.1)", "0.1,0.2,0.3"))
    assert one.points == other.points
