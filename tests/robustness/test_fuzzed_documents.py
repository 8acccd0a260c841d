"""Random documents end with a result or with one sentence: inventories, layouts and profiles, changed at random."""

from copy import deepcopy

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardware_profiles.profile import read_profile
from planner.inventory.reading import read_inventory
from planner.inventory.running import read_layout
from system import InputError
from system.limits import MESSAGE
from tests.robustness.inputs.files.inventories import INVENTORY, LAYOUT
from tests.robustness.inputs.files.profiles import PROFILE, ROW
from tests.robustness.test_bad_inputs import little_is_used

MEASURED = {"measured_block_s": {"tiny": [0.001, 0.0001, 0.001]}, "measured_points": {"tiny": {"prefill": [ROW]}}}
MEASURED |= {
    "fit_report": {"tiny": {"prefill_r2": 0.9}},
    "measured_on": {"device": "a GPU", "versions": {"cuda": None}},
}
READERS = {
    "inventory": (read_inventory, INVENTORY),
    "layout": (read_layout, LAYOUT),
    "profile": (lambda path: read_profile(path.stem, path.parent), PROFILE | MEASURED),
}
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.sampled_from([0, 1, 10**30, 10**310, 1e308, float("nan"), float("-inf"), 1e-300]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["", "0:32", "1e3", "Paris", "t4", "${oc.env:HOME}", "_target_", "x" * 5000, "steps", "p95"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
# Characters that YAML gives a meaning to.
MARKS = ("&a ", "*a", "<<: ", "!!set ", "? ", "---\n", "- ", "[", "{", "}", '"', "\t", "|\n", "#", "\0", "%")
SNIPPETS = st.sampled_from(MARKS)


def nodes(content):
    """Yield each container with each of its keys, at any depth."""
    for key in list(content) if isinstance(content, dict) else range(len(content)):
        yield content, key
        if isinstance(content[key], (dict, list)):
            yield from nodes(content[key])


@st.composite
def documents(draw, valid):
    """Return a valid document with changed values, keys and characters."""
    content = deepcopy(valid)
    for _ in range(draw(st.integers(0, 3))):
        parent, key = draw(st.sampled_from(list(nodes(content)) or [({"": 0}, "")]))
        change = draw(st.sampled_from(["delete", "replace", "nest", "rename", "repeat"]))
        if change == "delete":
            del parent[key]
        elif change == "replace":
            parent[key] = draw(VALUES)
        elif change == "nest":
            parent[key] = draw(st.sampled_from([[parent[key]], {"a": parent[key]}]))
        elif isinstance(parent, dict):
            parent[draw(SCALARS)] = parent.pop(key) if change == "rename" else deepcopy(parent[key])
        else:
            parent.append(deepcopy(parent[key]))
    text = yaml.safe_dump(content, allow_unicode=True)
    for _ in range(draw(st.integers(0, 2))):
        begin = draw(st.integers(0, len(text)))
        text = text[:begin] + draw(SNIPPETS | st.text(max_size=3)) + text[begin + draw(st.integers(0, 3)) :]
    return text


def require_result_or_sentence(read, path, text):
    """Raise `AssertionError` unless reading ends soon, with a result or with one sentence."""
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    message = ""
    with little_is_used():
        try:
            read(path)
        except InputError as error:
            message = str(error)
    assert "\n" not in message
    assert len(message) <= MESSAGE


def fuzz(name, folder, examples):
    """Read random changes of a document's valid form."""
    read, valid = READERS[name]

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(documents(valid))
    def read_one(text):
        require_result_or_sentence(read, folder / "mine.yaml", text)

    read_one()


@pytest.mark.parametrize("name", READERS)
def test_random_documents_end_with_a_result_or_one_sentence(name, tmp_path):
    fuzz(name, tmp_path, examples=60)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_many_random_documents_end_with_a_result_or_one_sentence(name, tmp_path):
    fuzz(name, tmp_path, examples=3_000)


@pytest.mark.parametrize("name", READERS)
def test_the_documents_that_are_changed_are_valid(name, tmp_path):
    read, valid = READERS[name]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(valid))
    read(tmp_path / "mine.yaml")
