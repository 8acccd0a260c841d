"""Instructions to Hydra and OmegaConf, which data must not have.

Data becomes part of configurations. There, a key such as `_target_` names a function to call, and `${...}` a value to
look up, perhaps in the environment.
"""

import re
from collections.abc import Collection
from typing import Any

from system.checks import require

KEY = re.compile(r"_\w+_")  # such as _target_, _args_ and _partial_
CLASS = "_target_"
INTERPOLATION, MISSING = "${", "???"
REMEDY = "is an instruction to Hydra, and data must not have any; remove it"


def is_instruction(value: Any, is_key: bool = False) -> bool:
    """Return whether a value instructs Hydra or OmegaConf."""
    if not isinstance(value, str):
        return False
    return INTERPOLATION in value or value == MISSING or (is_key and KEY.fullmatch(value) is not None)


def require_data(field: str, content: Any, classes: Collection[str] = ()) -> None:
    """Raise `InputError` if content has an instruction at any depth.

    Only those to make objects of the given classes are allowed.
    """
    require(not is_instruction(content), field, content, REMEDY)
    if isinstance(content, dict):
        for key, value in content.items():
            is_allowed = key == CLASS and value in classes
            require(is_allowed or not is_instruction(key, is_key=True), f"key of {field}", key, REMEDY)
            require_data(f"{field}.{key}", value, classes)
    elif isinstance(content, (list, tuple)):
        for number, value in enumerate(content):
            require_data(f"{field}[{number}]", value, classes)
