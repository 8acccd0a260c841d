"""Bad claims, presets, plans of a report and provenance of reference rows."""

import json
from functools import partial

from evaluators.points import metrics
from plots.claims.rules import Rules, claim_of
from plots.report.plans import plans_of
from store.tables.reference import provenance_in
from system.documents.records import record_of
from system.models.decoder import Decoder
from tests.robustness.bad_input import BadInput
from tests.support.changes import NOTHING, changed

SELECTION = {"experiment": "fig1", "metric": "job_servers", "where": {"placement": "gbp_cr"}}
TEST = {"measures": "m", "says": "{value}", "of": SELECTION, "to": SELECTION, "compare": "ratio"}
TEST |= {"axes": ["demand.per_s"], "band": [0, 1]}
SETTINGS = {"published": {"on": {"fig1": "fig2"}}, "text": {"tests": [TEST]}}
CLAIM = {"id": "C9", "claim": "c", "source": "s", "published": "p", "settings": SETTINGS}
RULES = {"rule": "r", "draws": 20, "headline": ["C9"], "settings": {}, "table1": {}, "claims": [CLAIM]}
DECODER = {"name": "own", "family": "llama", "block_count": 32, "hidden_size": 4096, "head_count": 32}
DECODER |= {"kv_head_count": 8, "intermediate_size": 14336}
PREDICTION = {"rate_per_s": 1, "total_rate_per_s": 2, "mean_s": 1, "quantiles_s": {}, "first_token_mean_s": 1}
PLAN = {"format": 1, "plan": {"prediction": PREDICTION}, "alternatives": [], "bottleneck": "b", "warnings": []}
PLAN["plan"]["prediction"]["waiting_probability"] = 0.5


def made(kind, content, path, value, folder):
    """Make an object of the changed content."""
    return record_of(kind, "mine.yaml", changed(content, path, value))


def claim(path, value, folder):
    """Make a claim of the changed content."""
    return claim_of(changed(CLAIM, path, value))


def plan(path, value, folder):
    """Show the plan with the changed content in a report."""
    (folder / "plan.json").write_text(json.dumps(changed(PLAN, path, value)))
    return plans_of(folder)


def provenance(text, folder):
    """Read the provenance of reference rows."""
    (folder / "provenance.yaml").write_text(text)
    return provenance_in(folder)


def reports(text, folder):
    """Read the meanings of a metric's file."""
    (folder / "mine.yaml").write_text(text)
    return metrics._reports_in(folder / "mine.yaml")


CLAIMS = (
    ("id", 5, "id in claim 5", "5", "must be text"),
    ("id", NOTHING, "claim None", "['id']", "missing keys"),
    ("colour", "red", "claim C9", "['colour']", "unknown keys"),
    ("settings", 5, "settings of claim C9", "5", "must be a mapping of settings"),
    ("settings", NOTHING, "settings of claim C9", "['published', 'text']", "missing settings"),
    ("settings.code", {}, "settings of claim C9", "['code']", "choose from published, text, slowing"),
    ("settings.published", NOTHING, "settings of claim C9", "['published']", "missing settings"),
    ("settings.published", "all", "published of claim C9", "all", "must be a mapping"),
    ("settings.published.on", ["fig1"], "on of published of claim C9", "['fig1']", "must give another experiment"),
    (
        "settings.published.on",
        {"fig1": 2},
        "on of published of claim C9",
        "{'fig1': 2}",
        "must give another experiment",
    ),
    ("settings.slowing", {}, "slowing of claim C9", "0", "give either tests or `none`"),
    ("settings.slowing", {"none": 5}, "none in slowing of claim C9", "5", "must be text"),
    ("settings.text.tests", 5, "tests of text of claim C9", "5", "must be a list of tests"),
    ("settings.text.tests", {}, "text of claim C9", "0", "give either tests or `none`"),
    ("settings.text.none", "why", "text of claim C9", "1", "give either tests or `none`"),
    ("settings.text.tests.0", "all", "test 1 of text of claim C9", "all", "must be a mapping"),
    *(
        (f"settings.text.tests.0.{path}", value, field, echoed, remedy)
        for path, value, field, echoed, remedy in (
            ("band", 5, "band in test 1 of text of claim C9", "5", "must be [a number or null"),
            ("band", [0], "band in test 1 of text of claim C9", "[0]", "must be [a number or null"),
            ("band", ["0", "1"], "band in test 1 of text of claim C9", "['0', '1']", "must be [a number or null"),
            ("axes", "at", "axes in test 1", "'at'", "must be a list, each text"),
            ("axes", [1], "axes in test 1", "[1]", "must be a list, each text"),
            ("compare", "quotient", "compare in test 1", "'quotient'", "must be one of ratio, difference"),
            ("draws", 5, "draws in test 1", "5", "must be one of mean, every"),
            ("draws", "every", "draws", "every", "takes `mean` for ratios"),
            ("trend", "at", "trend", "at", "choose one of the test's axes"),
            ("steps", "at", "steps", "at", "choose one of the test's axes"),
            ("says", NOTHING, "test 1 of text of claim C9", "['says']", "missing keys"),
            ("says", "{0}", "says", "['0']", "fill in only per_s, value"),
            ("says", "{value", "says", "{value", "correct its braces"),
            ("of", 5, "of of test 1", "int", "must be a mapping of keys"),
            ("of", NOTHING, "test 1 of text of claim C9", "['of']", "missing keys"),
            ("of.where", ["x"], "where in of of test 1", "['x']", "must be a mapping"),
            ("of.without", ["x"], "without in of of test 1", "['x']", "must be a mapping"),
            ("of.at", 0.5, "at in of of test 1", "0.5", "must be a list, each a number"),
            ("of.at", [True], "at in of of test 1", "[True]", "must be a list, each a number"),
        )
    ),
)
RULE = (
    ("draws", "many", "draws in mine.yaml", "'many'", "must be a whole number"),
    ("draws", True, "draws in mine.yaml", "True", "must be a whole number"),
    ("claims", {}, "claims in mine.yaml", "{}", "must be a list, each a mapping"),
    ("claims", [5], "claims in mine.yaml", "[5]", "must be a list, each a mapping"),
    ("table1", None, "table1 in mine.yaml", "None", "must be a mapping"),
    ("headline", "C9", "headline in mine.yaml", "'C9'", "must be a list, each text"),
    ("settings", [], "settings in mine.yaml", "[]", "must be a mapping"),
)
DECODERS = (
    ("heads", 5, "mine.yaml", "['heads']", "unknown keys"),
    ("family", NOTHING, "mine.yaml", "['family']", "missing keys"),
    ("family", 5, "family in mine.yaml", "5", "must be text"),
    ("hidden_size", "4096", "hidden_size in mine.yaml", "'4096'", "must be a whole number"),
    ("hidden_size", 4096.5, "hidden_size in mine.yaml", "4096.5", "must be a whole number"),
    ("kv_head_count", None, "kv_head_count in mine.yaml", "None", "must be a whole number"),
)
PLANS = (
    ("format", 2),
    ("plan", 5),
    ("plan.prediction", None),
    ("plan.prediction.rate_per_s", "fast"),
    ("alternatives", 5),
    ("alternatives", [5]),
    ("warnings", None),
    ("bottleneck", NOTHING),
)
BAD = (
    *(
        BadInput("null or wrong type", f"claim: {path} {value}", partial(claim, path, value), field, shown, remedy)
        for path, value, field, shown, remedy in CLAIMS
    ),
    *(
        BadInput("null or wrong type", f"{kind.__name__}: {path} {shown}", run, field, shown, remedy)
        for kind, content, table in ((Rules, RULES, RULE), (Decoder, DECODER, DECODERS))
        for path, value, field, shown, remedy in table
        for run in [partial(made, kind, content, path, value)]
    ),
    *(
        BadInput(
            "null or wrong type",
            f"plan: {number}. {path}",
            partial(plan, path, value),
            "plans",
            "plan.json",
            "format 1",
        )
        for number, (path, value) in enumerate(PLANS, 1)
    ),
    *(
        BadInput(
            "null or wrong type",
            f"provenance: {text}",
            partial(provenance, text),
            "provenance",
            "yaml",
            "must be a mapping",
        )
        for text in ("", "5", "[1]", "fig1: 5", "fig1: {platforms: 5}")
    ),
    *(
        BadInput("null or wrong type", f"reports: {text}", partial(reports, text), "metric", "mine.yaml", "must have")
        for text in ("", "5", "[1]", "cost: 5", "cost: {}", "cost: {reports: [1]}")
    ),
)
