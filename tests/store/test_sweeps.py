"""Several sweeps under one name: the view over all of them, their records, and the commands about them."""

import itertools
import json
import random

import pytest

from store import load, load_points
from store.disk.identity import code_text, identity_of, point_of
from store.disk.parts import Part
from store.disk.store import Store
from store.disk.sweeps import view_of
from system import InputError
from system.code.source import short_hash
from tests.support.stored import note, record

KEYS = {"network": ["a", "b"], "network.delay_s": ["1", "2"], "load": ["0.1", "0.5", "0.50"], "seed": ["1", "2"]}


def configuration(values):
    """Return a configuration's hash, equal for 0.5 and 0.50."""
    return short_hash(str([values[key].rstrip("0") for key in KEYS]))


def identity(values):
    return point_of(configuration(values), code_text([]))


def sweep_of(fixed, axes, **fields):
    """Return the record of a sweep over `axes`."""
    defaults = {key: values[0] for key, values in KEYS.items()}
    entries, variants = [], []
    for choice in itertools.product(*axes.values()):
        chosen = dict(zip(axes, choice, strict=True))
        variants.append({"settings": defaults | fixed, "targets": []})
        values = defaults | fixed | chosen
        entry = {"point": identity(values), "configuration": configuration(values), "axes": chosen}
        entries.append(entry | {"variant": len(variants) - 1})
    sweep = {"fixed": [f"{key}={value}" for key, value in fixed.items()], "axes": list(axes), "draws": 2}
    return sweep | {"replications": 1, "variants": variants, "points": entries} | fields


def values_of(view):
    """Return the values of all axes of each point."""
    return [tuple(entry["axes"].get(axis) for axis in view["axes"]) for entry in view["points"]]


@pytest.mark.parametrize("seed", range(40))
def test_a_view_has_every_point_once_and_no_two_agree_in_all_axes(seed):
    """Compare random sweeps with what they were made of."""
    rng = random.Random(seed)
    sweeps = []
    for _ in range(rng.randint(1, 4)):
        keys = rng.sample(list(KEYS), rng.randint(1, 4))
        count = rng.randint(0, len(keys))
        axes = {key: sorted(rng.sample(KEYS[key][:2], rng.randint(1, 2))) for key in keys[count:]}
        sweeps.append(sweep_of({key: rng.choice(KEYS[key]) for key in keys[:count]}, axes, draws=rng.randint(1, 5)))
    truth = {}
    for sweep in sweeps:
        for entry in sweep["points"]:
            truth[entry["point"]] = sweep["variants"][entry["variant"]]["settings"] | entry["axes"]
    view = view_of(sweeps)
    assert [entry["point"] for entry in view["points"]] == list(truth)
    numbers = [tuple(map(float_or_text, values)) for values in values_of(view)]
    assert len(set(numbers)) == len(numbers)
    for entry in view["points"]:
        known = truth[entry["point"]]
        assert all(float_or_text(value) == float_or_text(known[axis]) for axis, value in entry["axes"].items())
        sizes = [s["draws"] for s in sweeps if entry["point"] in [other["point"] for other in s["points"]]]
        assert entry["draws"] == max(sizes)
    constant = {key for key in KEYS if len({float_or_text(values[key]) for values in truth.values()}) == 1}
    assert constant.isdisjoint(set(view["axes"]) - {axis for sweep in sweeps for axis in sweep["axes"]})


def float_or_text(value):
    try:
        return float(value)
    except ValueError:
        return value


def test_a_key_that_one_sweep_fixes_is_an_axis_of_the_view():
    view = view_of([sweep_of({}, {"load": ["0.1", "0.5"]}), sweep_of({"seed": "2"}, {"load": ["0.1"]})])
    assert view["axes"] == ["load", "seed"]
    assert values_of(view) == [("0.1", "1"), ("0.5", "1"), ("0.1", "2")]
    assert view["fixed"] == []
    same = view_of([sweep_of({"seed": "2"}, {"load": ["0.1"]}), sweep_of({"seed": "2"}, {"load": ["0.5"]})])
    assert (same["axes"], same["fixed"]) == (["load"], ["seed=2"])


def test_what_follows_from_a_choice_is_no_axis_but_an_edited_default_is():
    def with_network(choice, delay_s):
        sweep = sweep_of({"network": choice}, {"load": ["0.1"]})
        for variant in sweep["variants"]:
            variant["settings"]["network.delay_s"] = delay_s
        return sweep

    apart = view_of([with_network("a", "1"), with_network("b", "2")])
    assert apart["axes"] == ["load", "network"]
    edited = with_network("a", "2")
    edited["points"][0] |= {"point": "e1", "configuration": "e1"}
    assert view_of([with_network("a", "1"), edited])["axes"] == ["load", "network.delay_s"]


def test_a_reference_has_the_value_of_the_other_key():
    one, other = sweep_of({}, {"load": ["0.1"]}), sweep_of({}, {"seed": ["2"]})
    for variant in one["variants"]:
        variant["settings"] |= {"seed": "${network.delay_s}"}
    assert values_of(view_of([one, other])) == [("0.1", "1"), ("0.1", "2")]


def test_points_that_differ_in_no_known_key_are_told_apart_by_their_sweep():
    sweeps = [{**sweep_of({}, {"load": ["0.1"]}), "variants": []} for _ in range(2)]
    for number, sweep in enumerate(sweeps):
        sweep["points"] = [{"point": f"a{number}", "axes": {"load": "0.1"}}]
    view = view_of(sweeps)
    assert view["axes"] == ["load", "sweep"]
    assert values_of(view) == [("0.1", "1"), ("0.1", "2")]


def test_a_value_is_missing_where_a_key_does_not_apply():
    schemes = sweep_of({}, {"network": ["a", "b"]})
    for variant in schemes["variants"][1:]:
        variant["settings"].pop("seed")
    view = view_of([schemes, sweep_of({}, {"seed": ["1", "2"]})])
    assert values_of(view) == [("a", "1"), ("b", None), ("a", "2")]


ROW = (0, 0, "response_mean_s", float("nan"), 1.5)


@pytest.fixture
def store(tmp_path):
    """Return a store with a good and a failed sweep."""
    store = Store(tmp_path / "store")
    good = sweep_of({}, {"load": ["0.1", "0.5"]}, words=["load=0.1,0.5"])
    typo = sweep_of({}, {"load": ["0.1:0.5"]}, words=["load=0.1:0.5"])
    for entry in good["points"]:
        store.commit(entry["point"], Part(range(2), range(1)), [ROW, (1, *ROW[1:])], record())
    store.leave_unfinished(typo["points"][0]["point"], note(reason="no number"))
    for sweep in (good, typo):
        store.write_experiment("x", sweep)
    return store


def test_a_later_typo_hides_nothing(store):
    points = load_points("x", store.folder)
    assert points["status"].tolist() == ["ok", "ok", "failed"]
    assert len(load("x", store.folder)) == 4
    assert [len(load_points(f"x@{number}", store.folder)) for number in (1, 2)] == [2, 1]
    for wrong in ("x@3", "x@0", "x@one"):
        with pytest.raises(InputError, match=f"experiment = {wrong}: its sweeps are 1 to 2; .*store sweeps x"):
            load(wrong, store.folder)


def test_a_repeated_command_replaces_its_record_and_is_last(store):
    (good, _) = store.sweeps("x")
    store.write_experiment("x", {**good, "started": "2999-01-01"})
    assert [sweep["words"] for sweep in store.sweeps("x")] == [["load=0.1:0.5"], ["load=0.1,0.5"]]
    store.write_experiment("x", {**good, "started": "2999-01-02", "draws": 1})
    assert len(store.sweeps("x")) == 3
    assert load_points("x", store.folder)["draws"].tolist()[1:] == [2, 2]  # the most of all sweeps
    assert load_points("x@3", store.folder)["draws"].tolist() == [1, 1]


def test_a_store_that_kept_one_sweep_of_each_experiment_is_upgraded(tmp_path):
    cases = {"0.1": {"load": 0.1, "_target_": "system.errors.InputError"}, "0.5": {"load": 0.5}}
    points = {"0.1": "e1", "0.5": identity_of(cases["0.5"]).point}  # the first is of other code
    store = Store(tmp_path)
    for load_text, case in cases.items():
        store.commit(points[load_text], Part(range(1), range(1)), [ROW], record(configuration=case))
    entries = [{"point": point, "axes": {"load": load_text}} for load_text, point in points.items()]
    old = {"points": entries, "axes": ["load"], "draws": 1, "replications": 1, "fixed": ["seed=1"]}
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/x.json").write_text(json.dumps(old))
    (tmp_path / "store.json").write_text('{"format": 2}')
    read = load_points("x", tmp_path)
    assert read[["load", "is_current"]].to_numpy().tolist() == [[0.1, False], [0.5, True]]
    (sweep,) = Store(tmp_path).sweeps("x")
    assert sweep["variants"] == [{"settings": {}, "targets": ["system.errors"]}, {"settings": {}, "targets": []}]
    assert sweep["points"][0]["configuration"] == identity_of(cases["0.1"]).configuration
    assert load("x", tmp_path, outdated=False)["load"].tolist() == [0.5]
    assert not (tmp_path / "experiments/x.json").exists()
