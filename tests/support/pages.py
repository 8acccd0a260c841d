"""The documentation as tests see it: pages with fenced blocks, some to be run, some to be written to a file.

- `sh` and `python` blocks are run as they stand, in the order of their page. An HTML comment directly before a block
  says that it is not run here: `<!-- run by: WHO -->`, or `<!-- needs: WHAT -->`.
- A `python`, `yaml`, `toml` or `csv` block is a file if the paragraph before it names one and ends in a colon. Text for
  a file that the project has goes to its end.
- A `text` block directly after an `sh` block shows lines of its output.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.project import ROOT

FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
MARKER = re.compile(r"<!-- (run by|needs): (.+) -->")
FILE = re.compile(r"`([\w./]+\.(?:py|yaml|toml|csv))`")
FILE_LANGUAGES = ("python", "yaml", "toml", "csv")
LIMIT_S = 600


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    language: str
    text: str
    marker: re.Match[str] | None
    file: str | None  # to which it is written
    shown: tuple[str, ...]  # lines of the output

    @property
    def name(self) -> str:
        """Return what tests call the block: its page and its first line."""
        return f"{self.page}: {self.text.splitlines()[0][:70]}"

    @property
    def is_run(self) -> bool:
        """Tell whether the block is a command or a program, wherever it is run."""
        return self.language in ("sh", "python") and self.file is None


def pages() -> list[str]:
    """Return the README and the pages of `docs/`, without the API reference."""
    return ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page in order, without the output that it shows."""
    text = (ROOT / page).read_text()
    matches = list(FENCED.finditer(text))
    ends = [0, *(match.end() for match in matches)]
    before = [text[end : match.start()].strip() for end, match in zip(ends, matches, strict=False)]
    outputs = [match[2] if match[1] == "text" and not gap else "" for match, gap in zip(matches, before, strict=True)]
    following = [*outputs, ""][1:]
    made = [
        _block(page, match, gap.split("\n\n")[-1], output)
        for match, gap, output in zip(matches, before, following, strict=True)
    ]
    return [block for block in made if block.language != "text"]


def _block(page: str, match: re.Match[str], paragraph: str, output: str) -> Block:
    """Return a block, given the paragraph before it and the output after it."""
    language, text = match.groups()
    marker = MARKER.fullmatch(paragraph.splitlines()[-1]) if paragraph else None
    files = FILE.findall(paragraph) if language in FILE_LANGUAGES and paragraph.endswith(":") else []
    return Block(page, language, text, marker, files[-1] if files else None, tuple(output.splitlines()))


def runnable(*names: str) -> Iterator[Block]:
    """Yield the blocks of pages that are commands or programs."""
    for page in names:
        yield from (block for block in blocks(page) if block.is_run)


def write_files(project: Path, page: str) -> list[str]:
    """Write the files that a page shows into a copy; return their names."""
    named = [block for block in blocks(page) if block.file]
    for block in named:
        path = project / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if (ROOT / block.file).exists() else "w") as file:
            file.write(block.text)
    return [block.file for block in named]


def run_block(project: Path, block: Block) -> str:
    """Run a block in a copy of the project and return its output.

    Assert that it succeeds and that its output has the lines that the page shows.
    """
    words = ["bash", "-euo", "pipefail", "-c", block.text]
    if block.language == "python":
        words = [sys.executable, "-c", block.text]
    paths = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(project)}
    environment = {name: text for name, text in os.environ.items() if name != "NUMBA_CACHE_DIR"} | paths
    done = subprocess.run(
        words, cwd=project, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    spaced = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert [line for line in block.shown if " ".join(line.split()) not in spaced] == []
    return done.stdout
