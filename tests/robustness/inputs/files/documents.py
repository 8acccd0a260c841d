"""Bad YAML and JSON files, given to their readers."""

import os
from functools import partial

from system.documents.json_files import read_json
from system.documents.yaml_files import read_yaml
from tests.robustness.bad_input import BadInput

FILE = "given"


def read_content(read, content, folder):
    """Read a file with this content, a text or bytes."""
    path = folder / FILE
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path)


def read_made(read, make, folder):
    """Read what `make` puts at a path."""
    make(folder / FILE)
    return read(folder / FILE)


def bomb(levels):
    """Return YAML in which each list names the one before ten times."""
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels))]
    return "\n".join(lines)


# Name, content, value and remedy for both readers.
BYTES = (
    ("Latin-1", "name: Zürich".encode("latin-1"), FILE, "is not in UTF-8 (byte 0xfc in line 1); save it in UTF-8"),
    ("UTF-16", "name: a".encode("utf-16"), FILE, "is in UTF-16; save it in UTF-8"),
    ("UTF-16 of the other order", b"\xfe\xff\0n\0a", FILE, "is in UTF-16; save it in UTF-8"),
    ("gzip", b"\x1f\x8b\x08\0\0\0", FILE, "is compressed (gzip); unpack it"),
    ("zip", b"PK\x03\x04\0\0", FILE, "is an archive (zip); unpack it"),
    ("NUL bytes", b"name: a\0b", FILE, "bytes of value 0"),
    ("binary", bytes(range(128, 256)), FILE, "is not in UTF-8"),
    ("larger than the limit", b" " * (2**24 + 1), FILE, "has more than 16,777,216 bytes"),
)
# Name, what is at the path, and remedy for both readers.
MADE = (
    ("a folder", os.mkdir, "is a folder; give the path of a file"),
    ("a pipe", os.mkfifo, "is not a regular file"),
    ("a device without end", lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
    ("a loop of links", lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    ("a link to nothing", lambda path: path.symlink_to(path.with_name("none")), "there is no such file"),
    ("nothing", lambda path: None, "there is no such file"),
)
# Kind, name, text, field, value and remedy.
YAML = (
    ("no upper bound", "alias bomb", bomb(12), "a", "value ", "with each alias counted as what it names"),
    ("no upper bound", "lists 5,000 deep", "a: " + "[" * 5000, "a in line 1", "65 levels", "more than 64 deep"),
    ("no upper bound", "mappings 5,000 deep", "{a: " * 5000, "a.a", "65 levels", "more than 64 deep"),
    ("no upper bound", "blocks 5,000 deep", "- " * 5000, "the file in line 1", "65 levels", "more than 64 deep"),
    (
        "no upper bound",
        "a million values",
        f"- &a [{'x,' * 1000}]\n" + "- *a\n" * 999,
        "the file",
        "value 1,00",
        "at most",
    ),
    ("no upper bound", "a number of 401 digits", f"a: 1{'0' * 400}", "a in line 1", "1000", "is too large"),
    ("no upper bound", "a number of 5,000 digits", f"a: {'9' * 5000}", "a in line 1", "9999", "is too large"),
    ("null or wrong type", "an alias of itself", "a: &a [*a]", "a in line 1", "*a", "must name a value that ends"),
    ("null or wrong type", "a mapping in itself", "a: &a {b: *a}", "a.b in line 1", "*a", "must name a value"),
    ("null or wrong type", "an unknown alias", "a: *b", "a in line 1", "*b", "must name a value that ends before it"),
    ("unchecked shape", "a repeated key", "a: 1\nb: 2\na: 3", "key of the file in line 3", "a: ", "keep one"),
    ("unchecked shape", "a repeated key inside", "a:\n  b: 1\n  b: 1", "key of a in line 3", "b: ", "keep one"),
    ("unchecked shape", "a repeated number", "{1: a, 1.0: b}", "key of the file", "1.0: ", "appears twice"),
    ("unchecked shape", "a repeated truth", "{true: a, True: b}", "key of the file", "True: ", "appears twice"),
    ("unchecked shape", "a list as key", "? [a]\n: b", "key of the file", "a list", "must be one word or one text"),
    ("unchecked shape", "a mapping as key", "{a: 1}: b", "key of the file", "mapping", "must be one word or one text"),
    ("unchecked shape", "an alias as key", "&a b: 1\n*a : 2", "key of the file", "alias", "must be one word"),
    ("unchecked shape", "two documents", "a: 1\n---\na: 2", "the file in line 2", "---", "starts a second document"),
    ("unchecked shape", "a document after an end", "a: 1\n...\nb: 2", "file", FILE, "is not YAML in line 3"),
    ("unchecked shape", "an open list", "a: [1, 2", "file", FILE, "is not YAML in line 2"),
    ("unchecked shape", "a tab as indent", "a:\n\tb: 1", "file", FILE, "is not YAML in line 2"),
    ("unchecked shape", "a control character", "a: \x01", "file", FILE, "control characters are not allowed"),
    ("unchecked shape", "a merge with a number", "a: {<<: 5}", "a.<<", "5", "must be a mapping whose keys"),
    *(
        ("data as code", f"a tag {tag}", f"a: {tag} {content}", "a in line 1", value, "is a tag")
        for tag, content, value in (
            ("!!python/object/apply:os.system", "[ls]", "python/object/apply:os.system"),
            ("!!python/name:os.system", "''", "python/name:os.system"),
            ("!!binary", "aGk=", "binary"),
            ("!!set", "{a}", "set"),
            ("!!int", "'5'", "int"),
            ("!mine", "5", "!mine"),
        )
    ),
    *(
        ("data as code", f"an instruction {key}", f"a: {{b: {{{key}: x}}}}", "key of a.b in line 1", key, "remove it")
        for key in ("_target_", "_args_", "_partial_", "_recursive_", "_convert_", "'_target_'")
    ),
    *(
        ("data as code", f"an interpolation {text}", f"a: ['{text}']", "a in line 1", text, "instruction to Hydra")
        for text in ("${oc.env:HOME}", "${oc.decode:5}", "x${a}y", "${", "???")
    ),
    ("data as code", "an interpolation as key", "{'${a}': 1}", "key of the file", "${a}", "instruction to Hydra"),
)
JSON = (
    ("unchecked shape", "an empty file", "", "Expecting value: line 1 column 1"),
    ("unchecked shape", "a comma at the end", '{"a": 1,}', "Expecting property name"),
    ("unchecked shape", "YAML", "a: 1", "Expecting value"),
    ("unchecked shape", "a repeated key", '{"a": 1, "b": {"c": 1, "c": 2}}', "c appears twice in one object; keep one"),
    ("null or wrong type", "NaN", '{"a": NaN}', "NaN is no number of JSON"),
    ("null or wrong type", "Infinity", "[-Infinity]", "-Infinity is no number of JSON"),
    ("null or wrong type", "half a character", r'{"a": ["\ud800"]}', r"'\ud800' is half a character"),
    ("null or wrong type", "half a character as key", r'{"a\udfff": 1}', r"'\udfff' is half a character"),
    ("no upper bound", "a number of 5,000 digits", "9" * 5000, "has 5000 digits"),
    ("no upper bound", "lists 100 deep", "[" * 100 + "]" * 100, "its nesting is above 64"),
    ("no upper bound", "lists 5,000 deep", "[" * 5000 + "]" * 5000, "is nested more than 64 deep"),
    ("no upper bound", "a million texts", "[" + '"",' * 10**6 + '""]', "more than 1,000,000 values"),
)
READERS = {"YAML": read_yaml, "JSON": read_json}
BAD = (
    *(
        BadInput("null or wrong type", f"{form}: {name}", partial(read_content, read, content), "file", value, remedy)
        for form, read in READERS.items()
        for name, content, value, remedy in BYTES
    ),
    *(
        BadInput("null or wrong type", f"{form}: {name}", partial(read_made, read, make), "file", FILE, remedy)
        for form, read in READERS.items()
        for name, make, remedy in MADE
    ),
    *(
        BadInput(kind, f"YAML: {name}", partial(read_content, read_yaml, text), field, value.strip("'"), remedy)
        for kind, name, text, field, value, remedy in YAML
    ),
    *(
        BadInput(kind, f"JSON: {name}", partial(read_content, read_json, text), "file", FILE, remedy)
        for kind, name, text, remedy in JSON
    ),
)
