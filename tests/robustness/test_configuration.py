"""Any value in place of any value of a composed configuration makes a case, or one sentence that says why not."""

import random
from functools import cache

import pytest

from sweep.instantiate import require_valid
from system.errors import InputError
from system.limits import MESSAGE
from tests.support.changes import changed
from tests.support.project import case_of, choices

VALUES = (
    *(None, True, -1, 0, 1, 0.5, 1e15, 1e300, 1e-300, 2**53, 10**41, 10**400),
    *("", "abc", "x" * 10**6, "0.5", "${a}"),
    *([], [1], [[1]], [None], {}, {"a": 1}, {"_target_": None}, {"_target_": "no.thing"}, {"_target_": "pathlib.Path"}),
)
GROUPS = ("cluster", "workload", "demand", "tuning", "service", "algorithm", "evaluator", "network", "model")
OF_FILES = {"inventory", "trace"}  # choices that need a file
LISTED = ("typed", "helix_")  # clusters with networks of their own
OF_HELIX = "published_helix"  # schemes that read the layout of one of its clusters
MOST = 30  # places that are tried in one case; measured clusters have hundreds that are alike, so that these are drawn


def composed():
    """Return the words of a command for each choice of the groups."""
    for group in GROUPS:
        for choice in choices(group):
            if choice not in OF_FILES:
                network = () if group == "network" or choice.startswith(LISTED) else ("network=european",)
                needed = ("cluster=helix_single24", "model=llama1_30b") if choice.startswith(OF_HELIX) else ()
                yield (*network, *needed, f"{group}={choice}")


@cache
def case(words):
    return case_of(*words)


def places_below(node, path=()):
    """Yield the path to each value of plain containers, these included."""
    for name, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield (*path, name)
        yield from places_below(child, (*path, name))


def sentence_of(made):
    """Return why a case cannot be made; None if it can."""
    try:
        require_valid([made], [])
    except InputError as error:
        return str(error)
    return None


def check(words, path, value):
    sentence = sentence_of(changed(case(words), path, value))
    if sentence is not None:
        assert len(sentence) <= MESSAGE
        assert "\n" not in sentence
        assert "cannot be made as configured" not in sentence
        assert any(str(name) in sentence for name in path)


def test_any_value_in_any_place_is_a_case_or_a_sentence():
    rng = random.Random(2026)
    commands = rng.sample(sorted(composed()), 5)
    for _ in range(150):
        words = rng.choice(commands)
        check(words, rng.choice([path for path in places_below(case(words)) if len(path) < 5]), rng.choice(VALUES))


@pytest.mark.slow
@pytest.mark.parametrize("words", sorted(composed()), ids=" ".join)
def test_a_value_in_every_place_is_a_case_or_a_sentence(words):
    rng = random.Random(" ".join(words))
    paths = list(places_below(case(words)))
    for path in paths if len(paths) <= MOST or "helix_" not in " ".join(words) else rng.sample(paths, MOST):
        check(words, path, rng.choice(VALUES))
