"""The Dockerfile without Docker: its instructions are known, its files are there, and it installs constraints.txt."""

import re

import pytest

from tests.support.project import ROOT

INSTRUCTIONS = {
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "LABEL",
    "RUN",
    "USER",
    "VOLUME",
    "WORKDIR",
}


def instructions(text):
    """Return the instructions of a Dockerfile with their arguments."""
    joined = re.sub(r"\\\n\s*", "", text)
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in lines]


@pytest.fixture(scope="module")
def lines():
    return instructions((ROOT / "Dockerfile").read_text())


def test_every_instruction_is_known_and_has_an_argument(lines):
    assert [line for line in lines if len(line) != 2 or line[0] not in INSTRUCTIONS] == []
    assert next(name for name, _ in lines if name != "ARG") == "FROM"


def test_every_variable_is_declared_before_it_is_used(lines):
    declared = {"PATH"}
    for name, text in lines:
        assert set(re.findall(r"\$\{(\w+)\}", text)) <= declared, text
        if name == "FROM":
            declared = {"PATH"}  # arguments from before it hold only in it
        if name in ("ARG", "ENV"):
            declared.add(text.partition("=")[0])


def test_copied_files_are_there_and_nothing_tracked_is_ignored(lines):
    sources = [word for name, text in lines if name == "COPY" for word in text.split()[:-1] if word[:2] != "--"]
    assert sources
    assert all((ROOT / source).exists() for source in sources)
    ignored = {line.removeprefix("**/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] != "#"}
    assert ignored == set((ROOT / ".gitignore").read_text().split())


def test_installation_is_that_of_make_by_a_user_without_privileges(lines):
    users = [number for number, (name, text) in enumerate(lines) if name == "USER" and text not in ("root", "0")]
    (made,) = [(number, text) for number, (_, text) in enumerate(lines) if ".venv/installed" in text]
    assert max(users) < made[0]
    target = (ROOT / "Makefile").read_text().partition("\n$(INSTALLED):")[2].partition("\n\n")[0]
    assert "-c constraints.txt" in target
    assert "EXTRAS=${EXTRAS}" in made[1]
    assert "INSTALLED := $(VENV)/installed" in (ROOT / "Makefile").read_text()


def test_unknown_instruction_would_be_noticed():
    assert instructions("FROM a\nRUM b \\\n  && c\n") == [("FROM", "a"), ("RUM", "b && c")]
