"""A point's identity follows its configuration and the code that it reaches, and nothing else."""

import pytest

from store import identity
from tests.project import SMALL, case_of

CASE = {"algorithm": {"_target_": "shop.greedy.Greedy", "c": 7}, "seed": 1}
GREEDY = '''"""Docstring."""
from shop.tools import cut

class Greedy:
    def __call__(self):
        return cut(1)
'''
SAME_GREEDY = '''"""Another docstring."""
# why
from shop.tools import cut
class Greedy:
    def __call__(self):

        """New."""
        return (cut(1))
'''
FILES = {
    "shop/__init__.py": "from shop.lazy import lazy\n",
    "shop/greedy.py": GREEDY,
    "shop/tools.py": "def cut(x):\n    return x + 1\n",
    "shop/lazy.py": "def lazy():\n    return 0\n",
}


@pytest.fixture
def identify(tmp_path, monkeypatch):
    """`identify(case, file=text, ...)`: the identity with some files of a small project changed."""

    def _identify(case, **changes):
        for name, text in (FILES | {key.replace("__", "/") + ".py": text for key, text in changes.items()}).items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        for cached in ("_module_of", "_file_of", "_closure", "_imports", "_tree", "_code_hash"):
            getattr(identity, cached).cache_clear()
        return identity.identity_of(case).point

    monkeypatch.setattr(identity, "ROOT", tmp_path)
    yield _identify
    monkeypatch.undo()
    for cached in ("_module_of", "_file_of", "_closure", "_imports", "_tree", "_code_hash"):
        getattr(identity, cached).cache_clear()


def test_the_same_configuration_is_the_same_point_in_any_order(identify):
    assert identify(CASE) == identify(dict(reversed(CASE.items())))


@pytest.mark.parametrize("other", [CASE | {"seed": 2}, CASE | {"algorithm": CASE["algorithm"] | {"c": 8}}])
def test_another_value_is_another_point(identify, other):
    assert identify(CASE) != identify(other)


def test_an_edited_algorithm_is_another_point(identify):
    assert identify(CASE) != identify(CASE, shop__greedy=GREEDY.replace("cut(1)", "cut(2)"))


def test_so_is_an_edited_module_that_it_imports(identify):
    assert identify(CASE) != identify(CASE, shop__tools=FILES["shop/tools.py"].replace("+ 1", "+ 2"))


def test_a_module_that_it_does_not_import_changes_nothing(identify):
    assert identify(CASE) == identify(CASE, shop__lazy="def lazy():\n    return 1\n")


def test_comments_docstrings_and_layout_change_nothing(identify):
    assert identify(CASE) == identify(CASE, shop__greedy=SAME_GREEDY)


def test_of_this_project_a_policy_is_in_the_points_that_use_it_only():
    reached = {}
    for dispatch in ("jffc", "sed"):
        targets = frozenset(identity._first_party_targets(case_of(*SMALL, f"dispatch={dispatch}")))
        reached[dispatch] = identity._closure(targets)
    assert "algorithms.dispatch.sed" in reached["sed"] - reached["jffc"]
    assert {"evaluators.simulation.engine", "system.composition", "evaluators.case"} <= reached["jffc"]
    assert "evaluators.queueing.markov" not in reached["jffc"]
