"""Arguments of commands, refused in one sentence like all other input."""

import argparse
import re
from pathlib import Path
from typing import NoReturn

from system.checks import echo
from system.errors import InputError
from system.limits import ECHO

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "path": "the path of a file or folder",
    "name_list": "names, separated by commas",
}
ARGUMENT = re.compile(r"argument (?:-\w/)?-{0,2}([^\s:/]+): (.*)", re.DOTALL)
UNFIT = re.compile(r"invalid (\w+) value: '(.*)'", re.DOTALL)
LONG = re.compile(rf"\S{{{ECHO + 1},}}")


class Parser(argparse.ArgumentParser):
    """Parser of a command's arguments that raises `InputError` for those it cannot read."""

    def error(self, message: str) -> NoReturn:
        """Raise `InputError` with the argument and what it must be."""
        refuse(message, self.prog)


def refuse(message: str, program: str) -> NoReturn:
    """Raise `InputError` for a message of argparse."""
    argument = ARGUMENT.fullmatch(message)
    unfit = UNFIT.fullmatch(argument[2]) if argument else None
    if argument and unfit and unfit[1] in KINDS:
        value = echo(unfit[2]) if unfit[2].strip() else repr(unfit[2])
        raise InputError(f"{argument[1]} = {value}: must be {KINDS[unfit[1]]}")
    text = f"{argument[1]}: {argument[2]}" if argument else message
    short = LONG.sub(lambda word: echo(word[0]), text)
    raise InputError(f"{short}; `{program} --help` explains all arguments")


def path(text: str) -> Path:
    """Return the path of a file or folder that an argument names.

    An empty text is none: Python would take it for the working folder.
    """
    if not text.strip() or "\0" in text:
        raise ValueError(text)
    return Path(text)


def name_list(text: str) -> tuple[str, ...]:
    """Return the different names of an argument such as `name,name`."""
    listed = tuple(dict.fromkeys(text.split(",")))
    if "" in listed:
        raise ValueError(text)
    return listed
