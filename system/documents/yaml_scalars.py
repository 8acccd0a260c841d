"""Words of a YAML file as values, as people mean them.

A number is written in plain digits, perhaps with a point and an exponent, such as 1.0e3. Only `true` and `false` are
booleans. All else is text. YAML 1.1 takes some of it for numbers or booleans: 12:30, `no`, 007, 0x10 and 1_000.
"""

import re

WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
# Without a point, the exponent has a sign: 12e3456 is rather the hash of a commit.
FRACTION = re.compile(r"[-+]?([0-9]*\.[0-9]+|[0-9]+\.)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+][0-9]+")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
WORDS = {"": None, "~": None} | {
    form: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for form in (word, word.title(), word.upper())
}


def value_of(word: str) -> str | int | float | bool | None:
    """Return what a word without quotes stands for."""
    if word in WORDS:
        return WORDS[word]
    if WHOLE.fullmatch(word):
        return int(word)
    if NOT_FINITE.fullmatch(word):
        return float(word.replace(".", ""))
    return float(word) if FRACTION.fullmatch(word) else word
