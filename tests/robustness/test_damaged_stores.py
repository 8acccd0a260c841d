"""A store heals: whatever happens to its files, commands end with a result or one sentence, and a sweep repairs it."""

import json
import shutil
import warnings
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plots.outputs import Experiment
from store.commands.prune import file_lines, prunable, remove
from store.commands.show import point_details
from store.commands.status import experiment_status, status_lines
from store.disk.files import StoreWarning
from store.disk.store import Store
from store.tables.filtered import collect
from store.tables.reading import load, load_points, load_provenance
from system import InputError
from tests.support.damage import DAMAGES, files_of
from tests.support.project import script

WORDS = ("experiment.name=tiny", "network=european", "draws=2", "evaluator=exact", "tuning.capacity=6,7")
NAME, POINTS = "tiny", 2


def sweep(store):
    """Sweep the tiny experiment into a store."""
    words = (*WORDS, "hydra/launcher=basic", f"store={store}", f"hydra.sweep.dir={store.parent / 'hydra'}")
    return script("run.py", "-m", *words)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return an undamaged store."""
    folder = tmp_path_factory.mktemp("whole") / "store"
    done = sweep(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def copy(whole, tmp_path):
    """Return a function that copies the store."""

    def _copy():
        shutil.rmtree(tmp_path / "store", ignore_errors=True)
        return shutil.copytree(whole, tmp_path / "store")

    return _copy


READERS = {
    "status": lambda folder: status_lines(*experiment_status(Store(folder), Store(folder).experiment_names())),
    "load": lambda folder: load(NAME, folder),
    "collect": lambda folder: collect(NAME, folder, with_provenance=True),
    "provenance": lambda folder: load_provenance(NAME, folder),
    "show": lambda folder: [point_details(Store(folder), point) for point in Store(folder).points()],
    "figure": lambda folder: Experiment(NAME, folder).fingerprint(Experiment(NAME, folder).results),
    "prune": lambda folder: file_lines(Store(folder), prunable(Store(folder))),
}


def read_all(folder):
    """Read a store in every way; return the sentences in which ways end."""
    sentences = {}
    for name, read in READERS.items():
        try:
            read(folder)
        except InputError as error:
            sentences[name] = str(error)
    assert not any("\n" in sentence for sentence in sentences.values())
    return sentences


def rows_of(folder):
    return load(NAME, folder).drop(columns="point")


def check_repaired(folder, whole):
    """Check that the same command makes a damaged store equal to the undamaged one."""
    done = sweep(folder)
    assert done.returncode == 0, done.stderr
    assert f"{POINTS} points: {POINTS} ok" in done.stdout
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is left to set aside
        pd.testing.assert_frame_equal(rows_of(folder), rows_of(whole))
        assert (load_points(NAME, folder)["status"] == "ok").all()
        assert read_all(folder) == {}
    rows = [sorted((path.name, path.read_bytes()) for path in (store / "rows").iterdir()) for store in (folder, whole)]
    assert rows[0] == rows[1]


def parts_in(folder):
    """Return the parts that are there, after asking for everything in a store."""
    store = Store(folder)
    points = store.points()
    for name in store.experiment_names():
        store.experiment(name)
    parts = store.parts(points)
    store.rows(parts, draws=2, replications=1)
    for point in points:
        assert all(store.has(point, part) for part in parts[point])
        assert len(store.records(point, parts[point])) == len(parts[point])
        assert store.unfinished(point) is None
    return {f"{point}.{part}" for point in parts for part in parts[point]}


@pytest.mark.filterwarnings("ignore::store.disk.files.StoreWarning")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_part_is_there_unless_its_record_or_rows_are_damaged(copy, whole, damage):
    rng, names = np.random.default_rng(1), parts_in(whole)
    for number, path in enumerate(files_of(whole)):
        folder = copy()
        DAMAGES[damage](files_of(folder)[number], rng)
        assert parts_in(folder) == names - {path.stem}
        assert parts_in(folder) == names - {path.stem}


@pytest.mark.filterwarnings("ignore::store.disk.files.StoreWarning")
@pytest.mark.parametrize("first", range(0, len(DAMAGES), 7))
def test_the_same_command_repairs_a_store_of_which_every_file_is_damaged(copy, whole, first):
    folder, rng, kinds = copy(), np.random.default_rng(2), [*DAMAGES.values()] * 2
    for path, damage in zip(files_of(folder), kinds[first:], strict=False):
        damage(path, rng)
    read_all(folder)
    check_repaired(folder, whole)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::store.disk.files.StoreWarning")
@pytest.mark.parametrize("seed", range(20))
def test_the_same_command_repairs_random_damage(copy, whole, seed):
    folder, rng = copy(), np.random.default_rng(seed)
    for _ in range(rng.integers(1, 5)):
        files = files_of(folder)
        DAMAGES[rng.choice(list(DAMAGES))](files[rng.integers(len(files))], rng)
        if rng.random() < 0.5:
            read_all(folder)
    check_repaired(folder, whole)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("${a}"),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=5,
)


def nodes_of(node, path=()):
    """Yield the path of every node of a JSON value."""
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from nodes_of(child, (*path, key))


@pytest.mark.filterwarnings("ignore::store.disk.files.StoreWarning")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_deep_inside_a_file_is_read_or_set_aside(whole, tmp_path, data):
    folder = shutil.copytree(whole, tmp_path / "store", dirs_exist_ok=True)
    path = data.draw(st.sampled_from([path for path in files_of(folder) if path.suffix == ".json"]))
    content = [json.loads(path.read_bytes())]
    *keys, last = data.draw(st.sampled_from([(0, *keys) for keys in nodes_of(content[0])]))
    node = content
    for key in keys:
        node = node[key]
    node[last] = data.draw(JSON)
    path.write_text(json.dumps(content[0]))
    with suppress(InputError):
        status_lines(*experiment_status(Store(folder), Store(folder).experiment_names()))
        parts_in(folder)
        prunable(Store(folder))
        load(NAME, folder)
    shutil.rmtree(folder)


def test_damage_is_reported_once_and_can_be_pruned(copy):
    folder = copy()
    record = next((folder / "points").iterdir())
    record.write_text("null")
    with pytest.warns(StoreWarning) as caught:
        statuses = [load_points(NAME, folder)["status"].tolist() for _ in range(2)][1]
    name = f"points/{record.name}"
    sentence = f"store = {folder}: set {name} aside in aside/; its shape is wrong: content = None is not a table"
    assert [str(warning.message) for warning in caught] == [sentence]
    assert sorted(statuses) == ["missing", "ok"]
    store = Store(folder)
    files = prunable(store)
    assert f"aside/points-{record.name}" in set(files["name"])
    remove(store, files)
    assert not list((folder / "aside").iterdir())


def test_a_folder_that_was_set_aside_twice_is_kept_twice_and_can_be_pruned(copy):
    folder = copy()
    for _ in range(2):
        path = folder / "store.json"
        path.unlink(missing_ok=True)
        path.mkdir()
        (path / "inside").write_text("four")
        with pytest.warns(StoreWarning, match=r"set store\.json aside in aside/; it is no file"):
            store = Store(folder)
    files = prunable(store)
    aside = files[files["why"] == "set aside"]
    assert aside["name"].tolist() == ["aside/store.json", "aside/store.json.1"]
    assert aside["size_mb"].tolist() == [4e-6, 4e-6]
    remove(store, files)
    assert not list((folder / "aside").iterdir())


def test_a_store_that_cannot_be_written_can_be_read(copy, monkeypatch):
    folder = copy()
    record = next((folder / "points").iterdir())
    record.write_text("[]")
    before = files_of(folder)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        for name in ("mkdir", "rename", "unlink", "replace", "write_bytes", "write_text"):
            patched.setattr(f"pathlib.Path.{name}", refuse)
        with pytest.warns(StoreWarning, match=f"left out points/{record.name}, as setting it aside failed .Permission"):
            assert read_all(folder).keys() <= {"show"}  # the damaged point has nothing to show
        with pytest.warns(StoreWarning):
            assert sorted(load_points(NAME, folder)["status"]) == ["missing", "ok"]
    assert files_of(folder) == before
