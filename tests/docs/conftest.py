"""A copy of the project, to which the documentation's files are added and in which its commands are run."""

import shutil

import pytest

from tests.support.pages import write_files
from tests.support.project import ROOT

LEFT_OUT = ("outputs", "site", ".git", ".venv*", "*.egg-info", ".*_cache", ".hypothesis", "__pycache__")
WITHOUT_CODE = ("conf", "docs", "results", "tests")


def share_compiled(copy):
    """Let the copy keep what it compiles where the project does.

    Nothing is compiled twice then: stamps know no path, and the pages change no Python file of the project. A folder
    that NUMBA_CACHE_DIR names would not do, as numba keeps a subfolder there for each path of a source.
    """
    folders = {source.parent.relative_to(copy) for source in copy.glob("*/**/*.py")}
    for folder in folders:
        if folder.parts[0] not in WITHOUT_CODE:
            shared = ROOT / folder / "__pycache__"
            shared.mkdir(exist_ok=True)
            (copy / folder / "__pycache__").symlink_to(shared)


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """Return a copy with the files that the pages show, for all tests."""
    copy = tmp_path_factory.mktemp("docs") / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    share_compiled(copy)
    for page in (
        "README.md",
        *(
            f"docs/{name}.md"
            for name in ("metrics", "figures", "planning", "own_data", "links", "planning_links", "planning_models")
        ),
    ):
        write_files(copy, page)
    write_files(copy, "docs/planning_devices.md")
    return copy
