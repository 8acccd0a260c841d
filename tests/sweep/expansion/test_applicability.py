"""Axes that apply to some points only: each configuration is listed once, under the axes that change it."""

import itertools

import pytest

from sweep.expansion.applicability import Listing, Point, distinct, listed_once, notes_of, require_effect
from system import InputError

AXES = {"part": ["a", "b", "c"], "p": ["1", "2"], "q": ["1", "2", "3"]}
SLOWNESS = ("handling_s", "slowdown", "slowdown_cv")
NEEDS = {"a": ("p", "q"), "b": ("q",), "c": ()}  # the settings that each part has


def listing(needs=NEEDS, axes=AXES):
    """Return a grid of parts and settings; a part depends on some settings."""
    points = []
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        identity = repr((chosen["part"], [chosen[key] for key in needs[chosen["part"]]]))
        points.append(Point(identity, chosen, {"part": {}}))
    return Listing({axis: ",".join(values) for axis, values in axes.items()}, points)


def test_each_identity_is_listed_once_with_what_it_depends_on():
    whole = listing()
    once = listed_once(whole)
    assert [point.identity for point in once.points] == list(dict.fromkeys(point.identity for point in whole.points))
    for point in once.points:
        assert set(point.axes) == {"part", *NEEDS[point.axes["part"]]}
    assert len(once.points) == 2 * 3 + 3 + 1


def test_notes_name_the_values_without_an_axis():
    assert notes_of([listed_once(listing())]) == [
        "note: p does not apply to part=b, c: computed once each",
        "note: q does not apply to part=c: computed once each",
    ]
    assert notes_of([listing()]) == []


def test_an_axis_that_applies_nowhere_is_refused_with_its_values():
    require_effect([listing()])
    with pytest.raises(InputError, match=r"^p = 1,2: these values give the same points"):
        require_effect([listing({"a": ("q",), "b": ("q",), "c": ()})])
    require_effect([listing({"a": ("q",), "b": ("q",), "c": ()}), listing()])  # it applies in another grid


def test_values_that_are_alike_are_refused_beside_others():
    alike = [point._replace(identity=point.identity.replace("'3'", "'2'")) for point in listing().points]
    with pytest.raises(InputError, match=r"^q = 2,3: these values"):
        require_effect([Listing({}, alike)])


def test_two_names_of_one_configuration_are_both_kept():
    """Keep two parts that one setting makes equal."""
    points = [
        Point("x", {"part": "a", "p": "1"}, {"part": {}}),
        Point("y", {"part": "a", "p": "2"}, {"part": {}}),
        Point("y", {"part": "b", "p": "1"}, {"part": {}}),
        Point("y", {"part": "b", "p": "2"}, {"part": {}}),
    ]
    once = listed_once(Listing({"part": "a,b", "p": "1,2"}, points)).points
    assert [point.axes for point in once] == [{"part": "a", "p": "1"}, {"part": "a", "p": "2"}, {"part": "b"}]


def test_a_point_with_fewer_axes_is_a_repetition():
    points = [Point("x", {"a": "1"}, {}), Point("x", {"a": "1", "b": "2"}, {}), Point("y", {"a": "1"}, {})]
    assert distinct(points) == points[1:]


@pytest.mark.parametrize(
    ("words", "axis", "idle"),
    [
        (("dispatch=jffc,sed", "algorithm=proposed,bprr"), "dispatch", {"algorithm": "bprr"}),
        (("algorithm=bprr,proposed", "tuning.capacity=2,3"), "tuning.capacity", {"algorithm": "bprr"}),
        (("evaluator=exact,simulation", "evaluator.warm_up=0.1,0.2"), "evaluator.warm_up", {"evaluator": "exact"}),
    ],
)
def test_a_choice_that_lacks_an_axis_is_listed_once(expand, words, axis, idle):
    (sweep,) = expand(["network=european", *words])
    assert len(sweep.points) == 3
    assert [point.axes for point in sweep.points if axis not in point.axes] == [idle]
    ((key, value),) = idle.items()
    assert sweep.notes == [f"note: {axis} does not apply to {key}={value}: computed once each"]


def test_a_fixed_key_that_some_choices_lack(expand):
    (sweep,) = expand(["network=european", "tuning=fixed,exact_mean", "tuning.capacity=3"])
    assert [point.axes for point in sweep.points] == [{"tuning": "fixed"}, {"tuning": "exact_mean"}]
    assert sweep.points[0].case["algorithm"]["tuning"]["capacity"] == 3
    assert sweep.notes == ["note: tuning.capacity does not apply to tuning=exact_mean: computed once each"]


def test_a_key_of_no_point_is_refused(expand):
    with pytest.raises(InputError, match=r"^tuning\.capacity = 3,4: no point of the sweep has this key"):
        expand(["network=european", "tuning=exact_mean,simulated_mean", "tuning.capacity=3,4"])
    with pytest.raises(
        InputError, match=r"^tuning\.capcity = 3,4: there is no such key; did you mean tuning\.capacity\?"
    ):
        expand(["network=european", "tuning.capcity=3,4"])
    with pytest.raises(InputError, match=r"^dispatch = jffc,sed: these values give the same points"):
        expand(["network=european", "algorithm=bprr,petals", "dispatch=jffc,sed"])


def test_a_key_behind_another_choice_does_not_exist(expand):
    """Keep `algorithm.tuning.capacity` from schemes whose tuning is another config group's choice."""
    with pytest.raises(InputError, match=r"^algorithm\.tuning\.capacity = 5,6: there is no such key"):
        expand(["network=european", "algorithm=proposed,bprr", "algorithm.tuning.capacity=5,6"])


def test_columns_are_those_of_all_grids(expand):
    experiment = ["experiment=real_vs_predicted_trace", "data=embedded"]
    (known,) = expand(experiment)
    assert known.axes[:3] == ["tuning.capacity", "evaluator", "service"]  # those of the first grid
    assert set(known.axes[3:]) == {"evaluator.check_tokens", *(f"service.{key}" for key in SLOWNESS)}
    (new,) = expand([*experiment, "service.slowdown=1.5,2", "tuning.capacity=3"])
    slow = [point.axes for point in new.points if "service.slowdown" in point.axes]
    assert [(axes["service"], axes["service.slowdown"]) for axes in slow] == [("steps", "1.5"), ("steps", "2")]
    rest = [point.identity for point in new.points if "service.slowdown" not in point.axes]
    expected = [point for point in known.points if "service.slowdown" not in point.axes]
    assert rest == [point.identity for point in expected if point.axes["tuning.capacity"] == "3"]
