"""The report as a document: one file with everything in the store, marked by set of constants.

test_report_in_browser.py tests its behaviour in a browser.
"""

import json
import re
import shutil
from base64 import b64decode
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from plots.claims.evidence import gather
from plots.claims.ledger import counts, headlines, setting_title, write_claims
from plots.claims.rules import SETTINGS, claim_rules, claims
from plots.claims.sentences import in_plain_words
from plots.claims.verdicts import judge
from plots.figures.paper import fig2
from plots.report.experiment import section_of
from plots.report.page import report_page, write_report
from store.disk.store import Store
from store.tables.labels import Labels
from store.tables.reading import Results, load, load_results
from store.tables.reference import reference_rows
from system import InputError
from tests.support.made_up_results import results_of
from tests.support.project import ROOT, script
from tests.support.web.html_tree import Page, words

EXPERIMENTS = ("fig2_embedded", "fig7_embedded", "table1_embedded")
LABELS = {"constants": {"paper": "constants of the paper"}}
VIEWS = ("both", "paper", "simulator")
PREDICTION = {
    "rate_per_s": 0.5,
    "total_rate_per_s": 2.0,
    "saturation_rate_per_s": 0.8,
    "mean_s": 9.8765,
    "quantiles_s": {"0.5": 7.0, "0.95": 29.0, "0.99": 45.0},
    "first_token_mean_s": 1.0,
    "waiting_probability": 0.002,
}
PLAN = {
    "format": 1,
    "plan": {"prediction": PREDICTION},
    "alternatives": [{"name": "PETALS", "prediction": None, "reason": "no steady state"}],
    "bottleneck": "the cache of <old> & small",
    "warnings": ["data sheets"],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    settings = ("draws=2", "workload.job_count=100", "hydra/launcher=basic", f"store={folder}")
    swept = script("run.py", "-m", "experiment=fig2,fig7,table1", "data=embedded", *settings)
    assert swept.returncode == 0, swept.stderr
    return folder


@pytest.fixture(scope="module")
def page(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "lab <1>").mkdir()
    (folder / "lab <1>" / "plan.json").write_text(json.dumps(PLAN))
    (folder / "lab <1>" / "plan.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    mpl.use("agg")
    line = write_report(store, folder, plans=folder)
    assert f"3 experiments, {(folder / 'report.html').stat().st_size / 1e6:.1f} MB" in line
    return Page((folder / "report.html").read_text()).root


def section(page, name):
    return next(element for element in page.iter("section") if element.get("id") == name)


def table(element, start=""):
    """Return the first table whose caption begins with `start`.

    Columns have the words of the heads, and cells the words of the cells.
    """
    chosen = next(shown for shown in element.iter("table") if words(shown.find("caption")).startswith(start))
    rows = [[words(cell) for cell in row] for row in chosen.find("tbody")]
    return pd.DataFrame(rows, columns=[words(head) for head in chosen.iter("th")])


def pictures(element):
    """Return the pictures of a section as SVG text, by view.

    Letters are outlines, but matplotlib writes the text beside them as comments.
    """
    regions = [region for region in element.iter("div") if region.find("img") is not None]
    return {region.get("data-view"): svg_of(region.find("img")) for region in regions}


def svg_of(image):
    kind, _, content = image.get("src").partition(";base64,")
    assert kind == "data:image/svg+xml"
    svg = b64decode(content).decode()
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    return svg


def test_page_needs_no_network_and_its_anchors_are_unique(page):
    for element in page.iter():
        for name in ("src", "href", "data", "action", "srcset"):
            address = element.get(name, "")
            assert element.tag == "a" or address in ("", "data:,") or address.startswith("data:image/")
    assert not re.search(r"@import|url\(", page.find(".//style").text)
    names = [element.get("id") for element in page.iter() if element.get("id")]
    assert len(names) == len(set(names))
    anchors = [link.get("href")[1:] for link in page.iter("a") if link.get("href").startswith("#")]
    assert set(anchors) == set(names) & set(anchors)
    assert set(EXPERIMENTS) | {"claims", "benchmarks", "plans", "provenance", "dictionary"} <= set(anchors)


def test_pictures_have_descriptions_and_tables_have_captions(page):
    images, shown = list(page.iter("img")), list(page.iter("table"))
    assert all(len(image.get("alt")) > 20 and svg_of(image) for image in images)
    assert len(images) == 2 * len(VIEWS) + 2  # two experiments, the benchmarks and a plan
    assert all(words(element.find("caption")) for element in shown)
    assert len(shown) == 9  # the ledger, Table I, rows of three experiments, benchmarks, a plan, provenance, dictionary
    assert all(head.get("scope") == "col" for element in shown for head in element.iter("th"))


def test_figure_is_drawn_for_both_sets_and_for_each_set(page):
    drawn = pictures(section(page, "fig2_embedded"))
    assert tuple(drawn) == VIEWS
    titles = {name: f"<!-- constants of the {name}" for name in VIEWS[1:]}
    for view, svg in drawn.items():
        assert [title in svg for title in titles.values()] == [view in ("both", name) for name in titles]


def test_panels_that_do_not_depend_on_constants_are_drawn_under_each_set(page):
    drawn = pictures(section(page, "fig7_embedded"))
    assert all("<!-- inter-arrival times -->" in drawn[view] for view in VIEWS)
    titles = [drawn[view].count("<!-- constants of the paper") for view in VIEWS]
    assert titles == [2, 2, 0]  # service times with both overheads


def test_rows_are_the_reference_rows_marked_by_set(page, store):
    expected = reference_rows(*load_results("fig2_embedded", store))
    of_section = section(page, "fig2_embedded")
    shown = table(of_section, "Reference rows")
    assert list(shown) == list(expected)
    assert np.allclose(pd.to_numeric(shown["mean"]), expected["mean"], rtol=1e-5, equal_nan=True)
    owners = [row.get("data-constants") for row in of_section.find(".//tbody")]
    assert owners == expected["constants"].tolist()


def test_table_1_has_the_simulated_times(page, store):
    rows = load("table1_embedded", store)
    shown = table(section(page, "table1_embedded")).set_index(["scheme", "time"])
    for constants in VIEWS[1:]:
        chosen = (rows["constants"] == constants) & (rows["workload.over_length"] == "untreated")
        means_s = rows[chosen & (rows["algorithm"] == "bprr") & (rows["metric"] == "waiting_mean_s")]
        assert len(means_s) == 2  # draws
        (column,) = [head for head in shown if head.startswith(f"mean (s), constants of the {constants}")]
        text = shown.loc[("BPRR", "waiting"), column]
        assert float(text.split()[0]) == pytest.approx(means_s["value"].mean(), rel=0.01, abs=0.005)
    heads = [head.get("data-constants") for head in section(page, "table1_embedded").find(".//thead/tr")]
    assert (heads.count("paper"), heads.count("simulator"), heads.count(None)) == (4, 4, 5)


def test_ledger_is_that_of_the_claims(page, store, tmp_path):
    write_claims(store, tmp_path)
    expected = pd.read_csv(tmp_path / "claims.csv", keep_default_na=False)
    shown = table(section(page, "claims"))
    assert shown["id"].tolist() == [claim.id for claim in claims()] == list(dict.fromkeys(expected["id"]))
    for name in SETTINGS:
        of_setting = expected[expected["setting"] == name]
        for cell, (_, row) in zip(shown[setting_title(name)], of_setting.iterrows(), strict=True):
            assert cell.startswith(row["verdict"])
            assert row["detail"] in cell
            assert cell.endswith(" ".join(row["numbers"].split()))
    for shown_claim, (_, of_claim) in zip(shown["claim"], expected.groupby("id", sort=False), strict=True):
        assert shown_claim.startswith(f"{of_claim['claim'].iloc[0]}{of_claim['in_plain_words'].iloc[0]}Evidence")
        assert all(" ".join(text.split()) in shown_claim for text in of_claim["evidence"])


def test_summary_has_the_first_claims_and_the_counts(page, store):
    judgements = [judge(claim, gather(store)) for claim in claims()]
    summary = words(section(page, "summary"))
    assert len(headlines(judgements)) == len(claim_rules().headline)
    assert all(in_plain_words(first) in summary for first in headlines(judgements))
    assert all(line in summary for line in counts(judgements))


def test_waterfall_stands_above_the_claims(store, tmp_path):
    """Check its place with an experiment of this name, whatever its points are."""
    shutil.copytree(store, tmp_path / "store")
    own = tmp_path / "waterfall.yaml"
    swept = script(
        "run.py",
        "-m",
        "experiment=fig2",
        "data=embedded",
        "draws=1",
        "hydra/launcher=basic",
        "experiment.name=waterfall",
        f"store={tmp_path / 'store'}",
    )
    assert swept.returncode == 0, swept.stderr
    names = Store(tmp_path / "store").experiment_names()
    root = Page(report_page(tmp_path / "store", names, own)).root
    (first,) = [name for name in names if name.startswith("waterfall")]
    assert [element.get("id") for element in section(root, "summary").iter("section")] == ["summary", first]
    assert first not in [element.get("id") for element in section(root, "experiments").iter("section")]
    order = [element.get("id") for element in root.iter("section")]
    assert order.index(first) < order.index("claims") < order.index("experiments")


def test_experiments_stand_under_the_heading_of_their_folder(store, tmp_path):
    """Check the groups with experiments of these names, whatever their points are."""
    shutil.copytree(store, tmp_path / "store")
    settings = ("data=embedded", "draws=1", "hydra/launcher=basic", f"store={tmp_path / 'store'}")
    for name in ("scale", "mine", "interference_capacity"):
        swept = script("run.py", "-m", "experiment=fig2", f"experiment.name={name}", *settings)
        assert swept.returncode == 0, swept.stderr
    write_report(tmp_path / "store", tmp_path, tmp_path)
    groups = section(Page((tmp_path / "report.html").read_text()).root, "experiments").findall("section")
    shown = {words(group.find("h2")): [element.get("id") for element in group.findall("section")] for group in groups}
    assert shown == {
        "The figures and tables of the paper": ["fig2_embedded", "fig7_embedded", "table1_embedded"],
        "When requests slow each other": ["interference_capacity_embedded"],
        "Other experiments": ["mine_embedded"],
        "Beyond the paper": ["scale_embedded"],
    }


def test_page_has_benchmarks_and_provenance(page):
    committed = pd.read_csv(ROOT / "results" / "benchmarks.csv")
    assert table(section(page, "benchmarks"))["measures"].tolist() == committed["measures"].tolist()
    provenance = table(section(page, "provenance"))
    assert sorted(provenance["experiment"]) == sorted(EXPERIMENTS)
    assert all("draws=2" in command and "workload.job_count=100" in command for command in provenance["command"])


def test_plan_has_its_picture_and_its_numbers(page):
    of_plans = section(page, "plans")
    assert words(of_plans.find("h3")) == "lab <1>"
    assert len(pictures(of_plans)) == 1
    plan, petals = table(of_plans).to_dict("records")
    assert (plan["mean (s)"], plan["P95 (s)"]) == ("9.88", "29")
    assert (plan["load λ/ν"], plan["load λ/ν'"]) == ("0.25", "0.625")
    assert (petals["mean (s)"], petals["no prediction because"]) == ("", "no steady state")
    assert "Bottleneck: the cache of <old> & small." in words(of_plans)


def test_error_names_a_plan_that_cannot_be_read(store, tmp_path):
    for content in ("{", "[]", '{"format": 2}'):
        (tmp_path / "plan.json").write_text(content)
        with pytest.raises(InputError, match=r"plan\.json: is not a plan of format 1; remove it or write it again"):
            write_report(store, tmp_path, plans=tmp_path)


def test_experiment_with_one_set_is_always_shown_with_a_note(store):
    rows, points = load_results("fig2_embedded", store)
    one = Results(*(frame[frame["constants"] == "paper"].reset_index(drop=True) for frame in (rows, points)))
    sweep = {"fixed": [], "axes": ["constants"], "draws": 2, "labels": LABELS}
    shown = Page(section_of("fig2_embedded", sweep, one)).root
    assert list(pictures(shown)) == [None]
    assert "The constants switch has no effect here: only the constants of the paper were run." in words(shown)


def test_experiment_that_does_not_vary_the_constants_is_shown_with_a_note(store):
    rows, points = load_results("fig2_embedded", store)
    is_paper = [frame["constants"] == "paper" for frame in (rows, points)]
    one = Results(
        *(frame[chosen].drop(columns="constants") for frame, chosen in zip((rows, points), is_paper, strict=True))
    )
    shown = Page(section_of("of_my_own", {"fixed": [], "axes": [], "draws": 2, "labels": LABELS}, one)).root
    assert "The constants switch has no effect here: this experiment does not vary the constants." in words(shown)


def test_experiment_without_rows_or_figure_has_a_note(store):
    rows, points = load_results("fig2_embedded", store)
    skipped = points.assign(status="skipped", reason="no data")
    sweep = {"fixed": [], "axes": ["constants"], "draws": 2}
    assert "nothing to draw" in words(Page(section_of("fig2", sweep, Results(rows.iloc[:0], skipped))).root)
    assert "skipped (2): no data" in words(Page(section_of("fig2", sweep, Results(rows.iloc[:0], skipped))).root)
    assert "nothing to draw" in words(Page(section_of("of_my_own", sweep, Results(rows.iloc[:0], skipped))).root)


def test_legend_fits_on_a_figure_of_one_set(store):
    rows = load("fig2_embedded", store)
    figure = fig2.draw(results_of(rows[rows["constants"] == "paper"]), Labels(LABELS))
    figure.draw_without_rendering()
    legend, whole = figure.legends[0].get_window_extent(), figure.bbox
    assert 0 <= legend.x0 < legend.x1 <= whole.x1
    plt.close(figure)


def test_report_without_a_store_is_an_error(tmp_path):
    done = script("plot.py", "report", "--store", tmp_path / "none", "--to", tmp_path)
    assert done.returncode == 1
    assert "has no experiment to report on; run `make reproduce` first, or name another store" in done.stderr
    assert not (tmp_path / "report.html").exists()
