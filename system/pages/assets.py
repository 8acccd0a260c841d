"""Styles and scripts that a page carries within itself."""

from importlib.resources import files


def asset(package: str, name: str) -> str:
    """Return the text of a file that lies in a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def common_style() -> str:
    """Return the style of text, tables and regions of all pages."""
    return asset(__package__, "common.css")


def sorting_script() -> str:
    """Return the script that sorts tables by a clicked column."""
    return asset(__package__, "sorting.js")
