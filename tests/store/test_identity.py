"""A point's identity depends on its configuration and the code that it reaches, and on nothing else."""

import ast

import pytest

from store.disk import identity
from system.code import source
from tests.support.project import SMALL, case_of

RESULTS = frozenset({"planner.results"})
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


def forget():
    """Empty the caches, so that files are read again."""
    for cached in ("module_of", "file_of", "import_closure", "_imports", "_tree", "code_hash"):
        getattr(source, cached).cache_clear()


@pytest.fixture
def identify(tmp_path, monkeypatch):
    """Return `identify(case, file=text, ...)`: the identity after some files of a small project changed."""

    def _identify(case, **changes):
        for name, text in (FILES | {key.replace("__", "/") + ".py": text for key, text in changes.items()}).items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        forget()
        return identity.identity_of(case).point

    monkeypatch.setattr(source, "ROOT", tmp_path)
    yield _identify
    monkeypatch.undo()
    forget()


def test_the_order_of_keys_does_not_change_the_point(identify):
    assert identify(CASE) == identify(dict(reversed(CASE.items())))


@pytest.mark.parametrize("other", [CASE | {"seed": 2}, CASE | {"algorithm": CASE["algorithm"] | {"c": 8}}])
def test_another_value_gives_another_point(identify, other):
    assert identify(CASE) != identify(other)


def test_an_edited_algorithm_gives_another_point(identify):
    assert identify(CASE) != identify(CASE, shop__greedy=GREEDY.replace("cut(1)", "cut(2)"))


def test_an_edited_import_of_an_algorithm_gives_another_point(identify):
    assert identify(CASE) != identify(CASE, shop__tools=FILES["shop/tools.py"].replace("+ 1", "+ 2"))


def test_a_module_that_is_not_imported_changes_nothing(identify):
    assert identify(CASE) == identify(CASE, shop__lazy="def lazy():\n    return 1\n")


def test_comments_docstrings_and_layout_change_nothing(identify):
    assert identify(CASE) == identify(CASE, shop__greedy=SAME_GREEDY)


@pytest.mark.parametrize(
    "text",
    [
        "import shop.tools as tools, shop.lazy  # both\n",
        "from shop.tools import (\n    cut as shorten,\n    fold,\n)\n",
        "if True:\n    from shop.tools import cut  # noqa: X1, Y2\n",
        "import shop.lazy; import shop.tools\n",
        "from shop.tools import (cut, # (why)\n fold)\n",
        "from  shop.tools import cut\nif True: import shop.lazy\n",
        "from shop.tools import cut\\\n, fold\n",
        "from . import shop\n",
        "from shop import *\n",
    ],
)
def test_lines_that_import_are_read_as_python_reads_them(text):
    plain = source._plain_names(text)
    assert plain in (None, source._parsed_names(ast.parse(text)))


def test_modules_of_the_project_import_in_plain_lines():
    parsed = {module: source._parsed_names(source._tree(module)) for module in source.import_closure(RESULTS)}
    plain = {module: source._plain_names(source.source_text(module)) for module in parsed}
    assert {module for module, names in plain.items() if names != parsed[module]} <= {"system.code.source"}


def reached_by(*words):
    targets = frozenset(identity._first_party_targets(case_of(*SMALL, *words)))
    return source.import_closure(targets)


def test_a_dispatch_policy_is_part_of_only_the_points_that_use_it():
    jffc, sed = reached_by("dispatch=jffc"), reached_by("dispatch=sed")
    assert "algorithms.dispatch.sed" in sed - jffc
    assert {"evaluators.simulation.jobs_loop", "system.composition", "evaluators.points.case"} <= jffc
    assert "evaluators.queueing.theorem4" not in jffc


def test_a_service_model_is_part_of_only_the_points_that_use_it():
    independent, steps = reached_by("service=independent"), reached_by("service=steps")
    assert "system.service.steps" in steps - independent
