"""The ledger of claims: verdicts in each setting, sentences with numbers, and the rules of the paper's claims."""

import numpy as np
import pandas as pd
import pytest
import yaml

from plots.claims.evidence import basis_of, gather
from plots.claims.judging import Cell, Finding
from plots.claims.ledger import WIDTH, counts, ledger_table, page, verdict_lines
from plots.claims.rules import SETTINGS, TEXT, claim_rules, claims
from plots.claims.sentences import evidence_of, in_plain_words, number_sentences, sentence_of
from plots.claims.verdicts import judge
from system import InputError
from tests.support.made_up_results import LABELS, claim, evidence
from tests.support.project import CONF, choices, script

FAST, SLOW = {"scheme": "fast"}, {"scheme": "slow"}
OF = {"experiment": "x", "metric": "response_mean_s"}


def response(band, **changes):
    """Return a test of the response time as plain containers."""
    return {"measures": "response", "says": "it takes {value}", "of": OF, "band": band, "unit": "s", **changes}


def over_schemes(band, schemes=("fast", "slow"), **content):
    """Return a claim that is judged under a condition for each scheme."""
    return claim([response(band)], conditions={"scheme": list(schemes)}, **content)


def verdict(judged, results, setting=TEXT):
    return str(judge(judged, results).rulings[setting])


@pytest.fixture
def results():
    return evidence({("fast", "0.5"): np.full(3, 1.0), ("slow", "0.5"): np.full(3, 4.0)})


def test_verdicts_follow_from_the_conditions_that_hold(results):
    assert verdict(over_schemes([None, 5]), results) == "reproduced"
    assert verdict(over_schemes([None, 2]), results) == "in part (with scheme = the fast scheme)"
    assert verdict(over_schemes([None, 0]), results) == "not reproduced"
    assert verdict(over_schemes([None, 5]), {}) == "not run: x"
    assert verdict(over_schemes([None, 5], schemes=["other"]), results) == "not run: x"
    assert verdict(claim(none="It takes the hardware."), results) == "not testable here"
    judgement = judge(over_schemes([None, 2]), results)
    text = evidence_of(judgement, TEXT)
    assert text == "Scheme = the fast scheme: 1 of 1 hold; it takes 1 s. Scheme = slow: 0 of 1 hold; it takes 4 s."
    assert (
        number_sentences(judgement.rulings[TEXT])
        == "scheme = the fast scheme: it takes 1 s / scheme = slow: it takes 4 s"
    )


def test_each_setting_has_a_verdict_of_its_own(results):
    quick = [response([None, 2], of=OF | {"where": FAST})]
    slow = {"tests": [response([None, 2], of=OF | {"where": SLOW})]}
    judgement = judge(claim(quick, published=slow), results)
    assert [str(ruling) for ruling in judgement.rulings.values()] == ["not reproduced", "reproduced", "not judged yet"]
    judgement = judge(claim(quick, slowing=slow), results)
    verdicts = ["no published set-up", "reproduced", "not reproduced"]
    assert [str(ruling) for ruling in judgement.rulings.values()] == verdicts
    untestable = judge(claim(none="It takes the hardware."), results)
    assert [str(ruling) for ruling in untestable.rulings.values()] == ["no published set-up"] + 2 * [
        "not testable here"
    ]


def test_condition_with_one_value_chooses_rows_and_is_not_named(results):
    judged = over_schemes([None, 2], schemes=["fast"])
    assert verdict(judged, results) == "reproduced"
    assert evidence_of(judge(judged, results), TEXT) == "1 of 1 hold; it takes 1 s."
    other = over_schemes([None, 2], schemes=["slow"])
    assert verdict(other, results) == "not reproduced"


def test_reason_why_a_claim_is_not_judged_is_on_the_page_and_counts_as_no_verdict(results):
    reason = "Its experiment has not been run."
    judgements = [judge(claim([response([None, 9])], slowing={"none": reason}), results)]
    assert f"*not judged yet*. {reason}" in page(judgements, [])
    assert reason not in in_plain_words(judgements[0])
    slow = {"tests": [response([None, 2], of=OF | {"where": SLOW})]}
    judgements.append(judge(claim([response([None, 9])], slowing=slow), results))
    assert counts(judgements)[-1] == "(c) requests slow each other: 1 not reproduced, 1 not judged yet"


def test_claims_that_are_not_judged_where_requests_slow_each_other_say_why():
    default = claim_rules().words("slowing").none
    for judged in claims():
        assert judged.settings["slowing"].none != default, judged.id


def test_same_tests_on_other_experiments(results):
    tests = [response([None, 2], of=OF | {"where": FAST}, to=OF | {"where": SLOW}, compare="ratio")]
    published = {"on": {"x": "published_x"}}
    judged = claim(tests, published=published)
    assert judged.experiments == {"x", "published_x"}
    assert verdict(judged, results, "published") == "not run: published_x"
    (other,) = evidence({("fast", "0.5"): np.full(3, 9.0), ("slow", "0.5"): np.full(3, 4.0)}).values()
    judgement = judge(judged, results | {"published_x": other._replace(name="published_x")})
    assert [str(ruling) for ruling in judgement.rulings.values()][:2] == ["not reproduced", "reproduced"]


def test_other_constants_are_evidence_that_decides_nothing():
    paper, other = (
        evidence({("fast", "0.5"): np.full(3, time_s)}, constants=constants)["x"]
        for constants, time_s in (("paper", 1.0), ("simulator", 4.0))
    )
    both = paper._replace(
        **{name: pd.concat([getattr(paper, name), getattr(other, name)]) for name in ("rows", "points")}
    )
    judgement = judge(claim([response([None, 2])]), {"x": both})
    assert str(judgement.rulings[TEXT]) == "reproduced"
    assert number_sentences(judgement.rulings[TEXT]) == "it takes 1 s"
    text = evidence_of(judgement, TEXT)
    assert text == "1 of 1 hold; it takes 1 s. Constants of the simulator: 0 of 1 hold; it takes 4 s."
    assert str(judge(claim([response([None, 2])]), {"x": other}).rulings[TEXT]) == "not run: x"


@pytest.mark.parametrize(
    ("setting", "measured", "expected"),
    [("text", False, "reproduced (embedded data)"), ("text", True, "not run: x on recorded data")]
    + [("published", measured, "not run: x on recorded data") for measured in (False, True)],
)
def test_embedded_variant_cannot_replace_recorded_data(results, setting, measured, expected):
    """Check that the published set-up takes recorded data, and claims about such data do."""
    embedded = {"x": results["x"]._replace(name="x_embedded")}
    judged = claim([response([0, 2], of=OF | {"where": FAST})], published={"on": {}}, measured=measured)
    assert verdict(judged, embedded, setting) == expected


def test_verdict_says_if_it_rests_on_less_than_the_rule_asks_for(results):
    few = {"x": results["x"]._replace(draws=3, declared_count=9)}
    assert verdict(over_schemes([0, 5]), few) == "reproduced (3 draws, 2 of 9 points of x)"
    text = verdict(over_schemes([0, 2], schemes=["fast", "other"]), few)
    assert text == "in part (with scheme = the fast scheme, 3 draws, 2 of 9 points of x)"


def test_rows_of_another_setting_give_no_verdict():
    axes = ("scheme", "network")
    results = evidence({("fast", "a"): np.ones(3), ("fast", "b"): np.full(3, 9.0)}, axes=axes)
    pooled = judge(over_schemes([None, 5.5], schemes=["fast"]), results).rulings[TEXT]
    assert str(pooled).startswith("no verdict: not the setting of the claim: network = a, b: ")
    assert not pooled.findings
    none_declared = {"x": results["x"]._replace(rows=results["x"].rows.iloc[:0], points=results["x"].points.iloc[:0])}
    text = verdict(over_schemes([None, 5], schemes=["fast"]), none_declared)
    assert text == "no verdict: not the setting of the claim: no point of x is as the experiment declares it"
    assert verdict(claim([response([0, 2], axes=["demand"])]), results) == "not run: x with the axis 'demand'"


def says(sentence, value, half_width=np.nan, **settings):
    """Return the sentence of a cell with a value."""
    sides = {"of": OF, "to": OF} if "compare" in settings else {"of": OF}
    entry = {"measures": "it", "says": sentence, "band": [None, 0], **sides, **settings}
    (test,) = claim([entry]).settings[TEXT].tests
    coordinates = {"load": 0.6, "scheme": "fast"} if test.axes else {}
    return sentence_of(Finding(test, [Cell(coordinates, value, half_width, True, 0.0)], []), LABELS)


def test_numbers_have_units_and_are_compared_in_words():
    fewer = "GCA needs {value:fewer|more|as many} job servers"
    assert says(fewer, 0.8571, compare="ratio") == "GCA needs 14.3 % fewer job servers"
    assert says(fewer, 1.2, 0.0123, compare="ratio") == "GCA needs 20.0 ± 1.2 % more job servers"
    assert says(fewer, 1 + 1e-12, compare="ratio") == "GCA needs as many job servers"
    assert says(fewer, -2.0, compare="difference") == "GCA needs 2 fewer job servers"
    shorter = "it is {value:shorter|longer}"
    assert says(shorter, 0.31, 0.082, compare="reduction", unit="%") == "it is 31.0 ± 8.2 % shorter"
    assert says(shorter, -0.31, compare="excess", unit="%") == "it is 31 % shorter"
    assert says(shorter, 1.147, 0.0791, compare="difference", unit="s") == "it is 1.147 ± 0.079 s longer"
    assert says("the mean is {value}", 2047.8, unit="tokens") == "the mean is 2,048 tokens"
    assert says("c is {value}", 7.0, 5.3e-17) == "c is 7"  # an interval of rounding
    assert says("it takes {value}", 161.7, 20.4, unit="s") == "it takes 162 ± 20 s"
    assert says("it takes {value}", 0.00006, 0.00017, unit="s") == "it takes 0.00006 ± 0.00017 s"


def test_coordinates_have_their_labels_or_per_cent():
    text = says("{value} at {load:%} with {scheme}", 1.0, axes=["demand.load", "scheme"], unit="s")
    assert text == "1 s at 60 % with the fast scheme"


def test_worst_of_several_cells_is_marked():
    results = evidence({("fast", load): np.full(3, float(load)) for load in ("1", "2", "3")})
    judgement = judge(claim([response([None, 5], says="{value} at {load}", axes=["load"])]), results)
    assert number_sentences(judgement.rulings[TEXT]) == "at worst, 3 s at 3"
    judgement = judge(claim([response([None, 2], says="{value} at {load}", axes=["load"])]), results)
    assert evidence_of(judgement, TEXT) == "2 of 3 hold; at worst, 3 s at 3."


def test_plain_words_follow_the_verdicts(results):
    quick, slow = (response([None, 2], of=OF | {"where": where}) for where in (FAST, SLOW))
    words = {"holds": "It is quick.", "fails": "It is slow."}
    assert in_plain_words(judge(claim([quick], **words), results)) == "No code was published. It is quick."
    assert in_plain_words(judge(claim([slow], **words), results)) == "No code was published. It is slow."
    rules = claim_rules()
    both = judge(claim([slow], published={"tests": [quick]}), results)
    assert in_plain_words(both) == f"{rules.words('published').holds} {rules.words('text').fails}"
    once = judge(claim([quick], published={"on": {}, **words}, **words), results)
    assert in_plain_words(once) == "It is quick."
    not_run = judge(claim([quick], published={"on": {"x": "y"}}), results)
    assert in_plain_words(not_run) == f"Not run: y. {rules.words('text').holds}"
    part = in_plain_words(judge(over_schemes([None, 2]), results))
    assert part.endswith("fair baselines, in part (with scheme = the fast scheme).")


def test_page_and_table_agree(results):
    judgements = [judge(over_schemes([None, 2]), results), judge(claim(none="It takes the hardware."), results)]
    table, text = ledger_table(judgements), page(judgements, ["x: 3 draws"])
    assert table["setting"].tolist() == 2 * list(SETTINGS)
    verdicts = ["no published set-up", "in part", "not judged yet"]
    assert table["verdict"].tolist() == [*verdicts, "no published set-up", "not testable here", "not testable here"]
    assert table["detail"][1] == "with scheme = the fast scheme"
    judged = table[table["setting"] != "slowing"]
    assert all(row["evidence"] in text and row["in_plain_words"] in text for _, row in judged.iterrows())
    assert "  - response: at most 2 s\n" in text
    assert "- x: 3 draws\n" in text


def test_counts_are_of_the_papers_claims(results):
    own = claim([response([None, 9])], of_paper=False)
    judgements = [judge(judged, results) for judged in (over_schemes([None, 2]), over_schemes([None, 5]), own)]
    assert counts(judgements)[0] == "2 claims of the paper"
    assert counts(judgements)[-1] == "(b) text, fair baselines: 1 reproduced, 1 in part"


def test_verdicts_fit_a_terminal(results, tmp_path):
    holds = "It holds " + " and".join([" it is quick"] * 20) + "."
    judgements = [judge(over_schemes([None, 5], holds=holds), results), judge(over_schemes([None, 2], id="C1"), {})]
    ledger_table(judgements).to_csv(tmp_path / "claims.csv", index=False)
    lines = verdict_lines(tmp_path / "claims.csv")
    assert max(map(len, lines)) <= WIDTH
    assert lines[0].split("  ")[0] == ""
    assert "no published set-up" in lines[1]
    assert "reproduced" in lines[1]
    start = lines[1].index("No code")
    assert " ".join(line[start:].strip() for line in lines[1:-1]) == f"No code was published. {holds}"
    assert lines[-1].split("  ")[0] == "C1"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"compare": "ratio"}, "compare = ratio: set `compare` if and only if `to` or `published` is set"),
        ({"band": [None, None]}, "band = response: give a band or a status"),
        ({"draws": "every", "to": OF, "compare": "ratio"}, "draws = every: takes `mean` for ratios, trends and means"),
        ({"trend": "load"}, "trend = load: choose one of the test's axes"),
        ({"says": "{value} at {load}"}, r"says = \['load'\]: fill in only value"),
        ({"says": "{value} at {load}", "axes": ["load"], "cells": "mean"}, r"says = \['load'\]: fill in only value"),
        ({"says": "{value"}, "says = {value: .*; correct its braces"),
    ],
)
def test_rules_that_decide_nothing_are_rejected(entry, message):
    with pytest.raises(InputError, match=message):
        claim([response([0, 1]) | entry])


def test_every_claim_of_the_paper_is_listed_in_order():
    ids = [claim.id for claim in claims()]
    assert list(dict.fromkeys(int(name[1:].rstrip("abcde")) for name in ids)) == list(range(1, 15))
    assert len(set(ids)) == len(ids)
    assert set(claim_rules().headline) <= set(ids)
    assert [judged.id for judged in claims() if judged.settings[TEXT].none] == ["C10a", "C12a"]
    assert [judged.id for judged in claims() if not judged.of_paper] == ["C7d", "C10e", "C14a", "C14b", "C14c"]


def axes_of(experiment):
    """Return all values of every axis of an experiment."""
    grids = yaml.safe_load((CONF / "experiment" / f"{experiment}.yaml").read_text())["experiment"]["axes"]
    values_by_axis = {}
    for grid in grids if isinstance(grids, list) else [grids]:
        for axis, values in grid.items():
            values_by_axis.setdefault(axis, set()).update(map(str, values if isinstance(values, list) else []))
    return values_by_axis


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("judged", claims(), ids=lambda claim: claim.id)
def test_rules_name_axes_and_values_that_the_experiments_have(judged, name):
    setting = judged.settings[name]
    for test in setting.tests:
        for selection in test.selections:
            axes = axes_of(selection.experiment)
            wanted = {axis: v if isinstance(v, list) else [v] for axis, v in selection.where.items()}
            for axis, values in (wanted | setting.conditions).items():
                assert {str(value) for value in values if value is not None} <= axes[axis], (axis, values)
            needed = [*(axis for axis in test.axes if axis != "at"), *filter(None, [selection.least_over])]
            assert axes.keys() >= {*needed, *selection.without}


def test_published_table_has_the_schemes_of_the_paper_in_every_line():
    for times_s in claim_rules().table1.values():
        assert list(times_s) == ["petals", "bprr", "jffc_only", "proposed"]
        assert set(times_s) <= set(choices("algorithm"))
    means = [claim_rules().table1[f"{time}_mean_s"] for time in ("response", "waiting", "service")]
    assert all(abs(means[0][scheme] - means[1][scheme] - means[2][scheme]) < 0.06 for scheme in means[0])


def test_ledger_is_written_from_a_store_and_lists_its_experiments(tmp_path):
    words = ("run.py", "-m", "experiment=fig2", "data=embedded", "draws=2", "hydra/launcher=basic")
    swept = script(*words, f"store={tmp_path / 's'}")
    assert swept.returncode == 0, swept.stderr
    done = script("plot.py", "claims", "--store", tmp_path / "s", "--to", tmp_path)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "claims.csv", keep_default_na=False).set_index(["id", "setting"])
    assert table.loc[("C3", "text"), ["verdict", "detail"]].tolist() == ["not run", "fig3a"]
    assert table.loc[("C2b", "published"), ["verdict", "detail"]].tolist() == ["not run", "published_fig2"]
    assert table.loc[("C2b", "text"), "verdict"] in ("reproduced", "not reproduced")
    assert table.loc[("C2b", "text"), "detail"] == "embedded data, 2 draws"
    assert set(table.loc[(slice(None), "slowing"), "verdict"]) == {
        "not judged yet",
        "not testable here",
        "not run",
    }
    assert table.loc[("C10b", "slowing"), "detail"] == "table1_steps"
    assert done.stdout.endswith("\n".join(["", *verdict_lines(tmp_path / "claims.csv"), ""]))
    text = (tmp_path / "claims.md").read_text()
    assert "- fig2_embedded: 2 draws; network European; workload SyntheticWorkload" in text
    assert set(gather(tmp_path / "s")) == {"fig2"}
    assert basis_of(tmp_path / "s", gather(tmp_path / "s")["fig2"]) in text
    again = script("plot.py", "claims", "--store", tmp_path / "s", "--to", tmp_path)
    assert again.stdout.count("(unchanged)") == 1
    assert again.stdout.replace(" (unchanged)", "") == done.stdout


def test_own_points_of_an_experiment_are_not_judged(tmp_path):
    words = ("run.py", "-m", "experiment=fig2", "data=embedded", "draws=1", "hydra/launcher=basic", "constants=paper")
    swept = script(*words, "tuning.capacity=6", f"store={tmp_path / 's'}")
    assert swept.returncode == 0, swept.stderr
    assert gather(tmp_path / "s")["fig2"].rows.empty
    script("plot.py", "claims", "--store", tmp_path / "s", "--to", tmp_path)
    table = pd.read_csv(tmp_path / "claims.csv").set_index(["id", "setting"])
    detail = "not the setting of the claim: no point of fig2 is as the experiment declares it"
    assert table.loc[("C2b", "text"), ["verdict", "detail"]].tolist() == ["no verdict", detail]


def test_basis_names_a_cluster_that_has_no_network(tmp_path):
    words = ("run.py", "-m", "experiment=optimality", "data=embedded", "draws=1", "hydra/launcher=basic")
    chosen = ("cluster=inventory", "demand.load=0.5", "algorithm=proposed", "evaluator=exact", "dispatch=jffc")
    swept = script(*words, *chosen, f"store={tmp_path}")
    assert swept.returncode == 0, swept.stderr
    line = basis_of(tmp_path, gather(tmp_path)["optimality"])
    assert line.startswith("optimality_embedded: 1 draw; network ListedCluster; workload SyntheticWorkload")
