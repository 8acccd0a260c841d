"""An archive of experiments: the code at its commit, the rows, the figures, and a script that makes them again.

The same content gives the same bytes, on any machine and at any time.
"""

import gzip
import os
import shlex
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from shutil import copyfile
from string import Template
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from plots.drawing.appearance import Appearance
from plots.stamps import content_hash
from store.tables.reading import Results, load_results
from store.tables.reference import AND, how_made, write_reference
from store.tables.text import write_table
from system import InputError
from system.checks import require

PROJECT = "server-chains"
SUMS = "SHA256SUMS"
STYLE = "figures.mplstyle"
SHOWN = 5  # files of a message


class Commit(NamedTuple):
    """A commit that is checked out in the folder `root`, in which no file differs from it."""

    root: Path
    name: str
    time_s: int  # since 1970


def write_archive(
    store: Path, figures: Mapping[str, Sequence[Path]], appearance: Appearance, commit: Commit, folder: Path
) -> str:
    """Write an archive of experiments; return a line with its size and path.

    `figures` has the files of each experiment's figure, which was drawn with the appearance. Raises `InputError` if
    there is no experiment, or if other code computed all points of one.
    """
    require(bool(figures), "store", store, "holds no experiment to archive; run one first")
    results = {name: load_results(name, store) for name in figures}
    for experiment, (_, points) in results.items():
        remedy = "other code or data computed all of its points; run its sweep again first"
        require(not points.empty, "experiment", experiment, remedy)
    path = folder / f"{PROJECT}-{commit.name[:12]}.tar.gz"
    with TemporaryDirectory() as name:
        top = Path(name) / path.name.removesuffix(".tar.gz")
        _write_code(commit.root, top / "code")
        _write_results(store, results, figures, top)
        sources = {name: how_made(store, name, points) for name, (_, points) in results.items()}
        _write_guide(sources, appearance, commit.name, top)
        (top / SUMS).write_text("".join(_sums(top)), encoding="utf-8")
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_packed(top, commit.time_s))
    return f"{'archive':22} {len(figures):4} experiments, {path.stat().st_size / 1e6:.1f} MB; {path}"


def clean_commit(root: Path) -> Commit:
    """Return the commit of the code in a folder.

    Raises `InputError` if the folder is no clone, or if a file differs from the commit; new files count, too.
    """
    try:
        changed = [line[3:] for line in _git(root, "status", "--porcelain").decode().splitlines()]
        commit, time_s = _git(root, "log", "-1", "--format=%H %ct").decode().split()
    except (OSError, subprocess.CalledProcessError):
        raise InputError(f"code = {root}: has no commit to archive; work in a clone of the project") from None
    listed = ", ".join(changed[:SHOWN]) + (", ..." if len(changed) > SHOWN else "")
    require(not changed, "code", root, f"differs from its commit in {listed}; commit these files first")
    return Commit(root, commit, int(time_s))


def _git(root: Path, *words: str) -> bytes:
    return subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=True).stdout


def _write_code(root: Path, folder: Path) -> None:
    with tarfile.open(fileobj=BytesIO(_git(root, "archive", "--format=tar", "HEAD"))) as code:
        code.extractall(folder, filter="data")


def _write_results(
    store: Path, results: Mapping[str, Results], figures: Mapping[str, Sequence[Path]], top: Path
) -> None:
    """Write means with their provenance, the rows of all draws, and the figures."""
    write_reference(store, figures, top / "rows")
    (top / "figures").mkdir()
    for name, paths in figures.items():
        write_table(results[name].rows.drop(columns="point"), top / "draws" / f"{name}.csv")
        for path in paths:
            copyfile(path, top / "figures" / path.name)


def _write_guide(sources: Mapping[str, dict[str, Any]], appearance: Appearance, commit: str, top: Path) -> None:
    """Write the page and the script of the archive.

    `sources` says how the rows of each experiment were made.
    """
    commands = [command for source in sources.values() for command in source["command"].split(AND)]
    sweeps = [command.removeprefix("python ") for command in commands]
    if appearance.style:
        copyfile(appearance.style, top / STYLE)
    facts = {
        "commit": commit,
        "names": shlex.join(sources),
        "sweeps": "\n".join(f'"$PYTHON" {words} store=outputs/store' for words in sweeps),
        "commands": "\n".join(f"python {words} store=outputs/store" for words in sweeps),
        "look": shlex.join(_look(appearance)),
        "made": "\n".join(_made(name, source) for name, source in sources.items()),
    }
    for name in ("README.md", "reproduce.sh"):
        text = files("plots.archive").joinpath(f"{name}.txt").read_text(encoding="utf-8")
        (top / name).write_text(Template(text).substitute(facts), encoding="utf-8")
    os.chmod(top / "reproduce.sh", 0o755)


def _look(appearance: Appearance) -> Iterator[str]:
    """Yield the words of plot.py that give figures this appearance."""
    yield from ("--width", f"{appearance.width_in:g}") if appearance.width_in else ()
    yield from ("--style", f"../{STYLE}") if appearance.style else ()


def _made(name: str, source: dict[str, Any]) -> str:
    """Return how an experiment's rows were made, as a line of a table."""
    machines = {f"Python {platform['python']}, {platform['processor']}" for platform in source["platforms"]}
    return f"| {name} | {', '.join(source['commits'])} | {'; '.join(sorted(machines))} |"


def _files(top: Path) -> list[Path]:
    return sorted(path for path in top.rglob("*") if path.is_file())


def _sums(top: Path) -> Iterator[str]:
    """Yield the lines of `sha256sum` for all files."""
    for path in _files(top):
        yield f"{content_hash(path)}  {path.relative_to(top).as_posix()}\n"


def _packed(top: Path, time_s: int) -> bytes:
    """Return all files as a compressed tar archive, without anything of this machine."""
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path in _files(top):
            entry = tarfile.TarInfo(path.relative_to(top.parent).as_posix())
            entry.size, entry.mtime = path.stat().st_size, time_s
            entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            with path.open("rb") as file:
                archive.addfile(entry, file)
    return gzip.compress(content.getvalue(), compresslevel=6, mtime=0)
