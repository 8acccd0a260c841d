"""Plain English, kept by machine: summaries begin with a verb and are short, and names say what they name."""

import ast
from statistics import median

import pytest

from tests.support.project import ROOT
from tests.support.prose import FILLERS, MOST_WORDS, bindings, python_files, summaries

CODE = [path for path in python_files(ROOT) if "tests" not in path.parts]
TESTS = python_files(ROOT / "tests")
# In these rooms a file is one algorithm or one formula, and its function has the algorithm's name.
ONE_ALGORITHM_A_FILE = ("algorithms", "evaluators/queueing", "tests/support/oracles")
DATA_COLUMN = "at"  # the quantile or coordinate of a row, a column of every table


def test_summaries_of_functions_begin_with_a_verb_and_are_short():
    """Compare first words with tests/support/verbs.txt, to which verbs may be added."""
    spoken = [summary for path in [*CODE, *TESTS] for summary in summaries(path)]
    assert [summary for summary in spoken if not summary.begins_with_verb] == []
    assert [summary for summary in spoken if summary.word_count > MOST_WORDS] == []
    assert median(summary.word_count for summary in spoken) <= 10


@pytest.mark.parametrize("files", [CODE, TESTS], ids=["code", "tests"])
def test_no_name_is_a_filler(files):
    bound = [binding for path in files for binding in bindings(path)]
    fillers = [binding for binding in bound if binding.name.strip("_") in FILLERS]
    assert [binding for binding in fillers if binding.name != DATA_COLUMN] == []
    assert len(fillers) <= 0.005 * len(bound)


def test_no_module_has_the_name_of_a_function_in_it():
    shared = []
    for path in CODE:
        functions = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
        if path.stem in functions and not str(path.relative_to(ROOT)).startswith(ONE_ALGORITHM_A_FILE):
            shared.append(str(path.relative_to(ROOT)))
    assert shared == []


def test_the_readme_is_short():
    assert (ROOT / "README.md").stat().st_size <= 8000
