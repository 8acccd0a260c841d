"""Experiments of which every point was skipped: each output says so in a sentence, and no command fails."""

import pandas as pd
import pytest

from store.tables.reading import load_points, load_results
from store.tables.reference import reference_rows
from tests.support.project import script
from workloads import datasets

NAMES = ("fig2", "fig5", "fig7")


@pytest.fixture(scope="module")
def skipped(tmp_path_factory):
    """Return a folder with the store of experiments whose data cannot be had."""
    folder = tmp_path_factory.mktemp("skipped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "_unreachable", {})
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.setenv("https_proxy", "http://127.0.0.1:9")
        patch.delenv("CHAIN_DATA", raising=False)
        words = (f"experiment={','.join(NAMES)}", "draws=2", "hydra/launcher=basic", f"store={folder / 'store'}")
        swept = script("run.py", "-m", "data=recorded", *words)
    assert swept.returncode == 0, swept.stderr
    assert swept.stdout.count("put LearningDataset_RTT_RipeAtlasEU.csv into a folder and set CHAIN_DATA") == len(NAMES)
    for name in NAMES:
        assert set(load_points(name, folder / "store")["status"]) == {"skipped"}
    return folder


def test_figures_rows_and_ledger_say_that_there_is_nothing(skipped):
    done = script("plot.py", "--store", skipped / "store", "--to", skipped / "figures", "--rows", skipped / "rows")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("; nothing to draw\n    skipped (") == len(NAMES)
    assert not [*(skipped / "figures").glob("fig*")]
    for name in NAMES:
        rows = pd.read_csv(skipped / "rows" / f"{name}.csv")
        assert set(rows["status"]) == {"skipped"}
        assert rows["mean"].isna().all()
        assert len(rows) == len(load_points(name, skipped / "store"))
    table = pd.read_csv(skipped / "figures/claims.csv").set_index(["id", "setting"])[["verdict", "detail"]]
    assert table.loc["C2b", "text"].tolist() == ["no verdict", "no point of fig2 has a mean"]
    assert table.loc["C3", "text"].tolist() == ["not run", "fig3a"]


def test_the_report_names_the_remedy(skipped):
    done = script("plot.py", "report", "--store", skipped / "store", "--to", skipped / "report")
    assert done.returncode == 0, done.stderr
    page = (skipped / "report/report.html").read_text()
    assert page.count("nothing to draw") >= len(NAMES)
    assert page.count("set CHAIN_DATA to that folder") >= len(NAMES)


@pytest.mark.parametrize("words", ["status", "collect fig2", "table fig2 --rows constants", "prune"])
def test_commands_on_the_store_end_without_a_python_sentence(skipped, words):
    done = script("store/__main__.py", *words.split(), "--store", skipped / "store")
    assert done.returncode in (0, 1)
    assert "Error" not in done.stderr


def test_an_answered_point_of_which_no_metric_is_wanted_leaves_the_others(skipped):
    points = load_results("fig2", skipped / "store").points
    measured = {"point": points["point"].iloc[:1], "draw": 0, "replication": 0}
    rows = pd.DataFrame(measured | {"metric": "load", "at": float("nan"), "value": 1.0})
    table = reference_rows(rows, points.assign(status=["ok", *points["status"].iloc[1:]]))
    assert list(table["status"]) == ["skipped"] * (len(points) - 1)
