"""Start commands on the page: for each engine its notes, its variables, and each command with a button to copy it.

A script of an export has comments, lines that take variables from the environment, and commands with comments above.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from exports.chains import Export
from system.pages.markup import Markup, folded, html_of, joined
from system.words import counted

VARIABLE = re.compile(r"([A-Z][A-Z0-9_]*)=\$\{\1:[?-].*\}")
UNFOLDED = 12  # commands that an engine shows at once


@dataclass(frozen=True)
class Command:
    """A command with the comment above it, such as its chain and server."""

    heading: str
    text: str


@dataclass
class Script:
    """The parts of a start script."""

    notes: list[str] = field(default_factory=list)  # comments before the first variable or command
    variables: dict[str, str] = field(default_factory=dict)  # the line of each
    commands: list[Command] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)  # comments without a command, of one or more lines


def parts_of(text: str) -> Script:
    """Return the parts of a script."""
    script, comments = Script(), list[str]()
    for line in [*text.splitlines()[1:], ""]:
        variable = VARIABLE.match(line)
        if line.startswith("#"):
            comments.append(line.removeprefix("#").removeprefix(" "))
            continue
        if variable or not line:
            _keep(script, comments)
        if variable:
            script.variables[variable[1]] = line
        elif line:
            script.commands.append(Command(" ".join(comments), line))
        comments = []
    return script


def _keep(script: Script, comments: list[str]) -> None:
    """Keep comments that belong to no command."""
    if comments and not (script.variables or script.commands or script.remarks or script.notes):
        script.notes += comments
    elif comments:
        script.remarks.append("\n".join(comments))


def to_copy(script: Script, command: Command) -> str:
    """Return a command below the lines of the variables that it uses."""
    names = re.findall(r"\$\{?([A-Z][A-Z0-9_]*)", command.text)
    used = [line for name, line in script.variables.items() if name in names]
    return "\n".join([*used, command.text])


def commands_of(exports: Iterable[Export]) -> Markup:
    """Return the commands of all engines."""
    return joined(map(_engine, exports))


def _engine(export: Export) -> Markup:
    """Return the commands of one engine; many are folded."""
    script = parts_of(export.script)
    items = joined(_command(script, command) for command in script.commands)
    listed = Markup(f'<ol class="commands">\n{items}</ol>\n') if script.commands else Markup("")
    number = len(script.commands)
    notes = joined(f"{line} " for line in script.notes)
    parts = [
        f'<div class="engine" data-engine="{html_of(export.name)}">\n<h3>{html_of(export.engine)}</h3>\n',
        f"<p>All of them as a script: <code>export_{html_of(export.name)}.sh</code></p>\n",
        folded("Notes", f"<p>{notes}</p>\n") if script.notes else "",
        listed if number <= UNFOLDED else folded(counted(number, "command"), _filter(export.engine) + listed),
        folded("Further remarks", _remarks(script)) if script.remarks else "",
        "</div>\n",
    ]
    return Markup("".join(parts))


def _command(script: Script, command: Command) -> Markup:
    """Return one command, with its machine or chain as its heading."""
    heading = html_of(command.heading or "command")
    button = f'<button type="button" class="copy" aria-label="Copy the command: {heading}">Copy</button>'
    text = html_of(to_copy(script, command))
    return Markup(
        f'<li><div class="head"><span>{heading}</span>{button}</div>'
        f'<pre tabindex="0" aria-label="{heading}"><code>{text}</code></pre></li>\n'
    )


def _filter(engine: str) -> Markup:
    label = f"Show only the commands of {engine} with"
    return Markup(
        f'<p class="filter"><label>{html_of(label)} <input type="search" placeholder="a server or chain"></label></p>\n'
    )


def _remarks(script: Script) -> Markup:
    """Return remarks of one line as a list, and longer ones as they are."""
    short = "".join(f"<li>{html_of(remark)}</li>\n" for remark in script.remarks if "\n" not in remark)
    long = (f'<pre tabindex="0"><code>{html_of(text)}</code></pre>\n' for text in script.remarks if "\n" in text)
    return Markup((f"<ul>\n{short}</ul>\n" if short else "") + "".join(long))
