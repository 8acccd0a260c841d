"""A copy of the project, to which the documentation's files are added and in which its commands are run."""

import shutil

import pytest

from tests.support.pages import write_files
from tests.support.project import ROOT

LEFT_OUT = ("outputs", "site", ".git", ".venv*", "*.egg-info", ".*_cache", ".hypothesis")
BEING_WRITTEN = ("*.tmp.*", "*.pyc.*")  # by compilers in the other tests' processes; gone before they are copied
IGNORED = shutil.ignore_patterns(*LEFT_OUT, *BEING_WRITTEN)


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """Return a copy with the files that the pages show, for all tests.

    What numba has compiled beside the source is copied, too, and counts there: its stamps know no path. A folder that
    NUMBA_CACHE_DIR names would not do, as numba keeps a subfolder there for each path of a source.
    """
    copy = tmp_path_factory.mktemp("docs") / "project"
    shutil.copytree(ROOT, copy, ignore=IGNORED)
    for page in ("README.md", *(f"docs/{name}.md" for name in ("metrics", "figures", "planning", "own_data", "links"))):
        write_files(copy, page)
    return copy
