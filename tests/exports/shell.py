"""Exported scripts as the shell reads them."""

import re
import subprocess

ASSIGNMENT = re.compile(r"[A-Z_0-9]+=\$\{")
SEPARATOR = "\x1f"


def command_lines(script):
    """Return the lines that start programs."""
    lines = [line for line in script.splitlines() if line and not line.startswith("#")]
    return [line for line in lines if not ASSIGNMENT.match(line)]


def variables(script):
    """Return the lines that take variables from the environment."""
    return [line for line in script.splitlines() if ASSIGNMENT.match(line)]


def values(script, **known):
    """Return a value for each variable that a script needs, unless it is known."""
    names = re.findall(r"^([A-Z_0-9]+)=\$\{\1:\?", script, flags=re.MULTILINE)
    addresses = {name: f"10.0.0.{name.split('_')[1]}" for name in names if name.startswith("ADDRESS_")}
    return dict.fromkeys(names, "some/value") | addresses | known


def run(lines, **environment):
    """Run lines of a script in a shell that has only these variables."""
    path = {"PATH": "/usr/bin:/bin"}
    return subprocess.run(["sh", "-c", "\n".join(lines)], env=path | environment, capture_output=True, text=True)


def words(script, **known):
    """Return the words of each command, as the shell passes them on.

    Variables that are set for one command only come first, as `NAME=value`.
    """
    printed = [f"printf '%s{SEPARATOR}' {line}; echo" for line in command_lines(script)]
    done = run([*variables(script), *printed], **values(script, **known))
    assert (done.returncode, done.stderr) == (0, "")
    return [line.rstrip(SEPARATOR).split(SEPARATOR) for line in done.stdout.splitlines()]


def option(command, name):
    """Return the word after an option."""
    return command[command.index(name) + 1]


def environment(command):
    """Return the variables that are set for one command."""
    return dict(word.split("=", 1) for word in command if re.match(r"[A-Z_]+=", word))


def is_valid(script, tmp_path):
    """Tell whether a shell can read the script."""
    file = tmp_path / "start.sh"
    file.write_text(script)
    return subprocess.run(["sh", "-n", file], check=False).returncode == 0
