"""Bring `results/` into the site: pages of `docs/` link to its figures and cards, which lie outside that folder."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

FOLDER = "results"
SHOWN = (".md", ".png")


def on_files(files: Files, config: Any) -> Files:
    """Add the figures and pages of the folder."""
    root = Path(config.config_file_path).parent
    for path in sorted((root / FOLDER).rglob("*")):
        if path.suffix in SHOWN:
            files.append(File.generated(config, str(path.relative_to(root)), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Return a page with its links to the folder as the site has it."""
    return markdown.replace(f"](../{FOLDER}/", f"]({FOLDER}/")
