"""Compiled code: one decorator for every function that numba compiles.

What was compiled is kept on disk. numba's own cache looks at the text of the function's file only, so that an edit in a
function of another file, called from this one, goes unnoticed. This one also looks at every module of the project that
the file imports, so compiled functions may call those of other files.

numba counts references to arrays, atomically, and that costs more than most small functions do. So functions are
compiled without counting: whoever calls them keeps the arrays alive, and they may not create any. A function that
creates arrays says so. A function that is called in every turn of a loop may be put in where it is called (`inline`).
Compile a function in one way only: what is kept on disk goes by the types of its arguments, not by these settings.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from types import FunctionType
from typing import Any, Self, cast

from numba import config, njit
from numba.core import caching, event
from numba.core.caching import InTreeCacheLocator, UserProvidedCacheLocator, UserWideCacheLocator

from system.code.source import ROOT, import_closure, module_at, text_hash

PATIENCE_S = 0.7  # of compiling, before anything is said


class _SeesImports:
    """Stamps a cached function with the text of its module and of all that this imports from the project."""

    _py_file: str

    def get_source_stamp(self) -> str:
        return text_hash(import_closure(frozenset([module_at(Path(self._py_file))])))

    @classmethod
    def from_function(cls, py_func: Callable[..., object], py_file: str) -> Self | None:
        if not Path(py_file).resolve().is_relative_to(ROOT):
            return None  # not of this project: numba's own locators do
        located: Self | None = super().from_function(py_func, py_file)  # type: ignore[misc]
        return located


class GivenFolder(_SeesImports, UserProvidedCacheLocator):
    """Caches in the folder that NUMBA_CACHE_DIR names."""


class BesideSource(_SeesImports, InTreeCacheLocator):
    """Caches in `__pycache__` beside the source."""


class UserFolder(_SeesImports, UserWideCacheLocator):
    """Caches in the user's own folder, where that of the source cannot be written."""


_LOCATORS = ",".join(
    [
        *(f"{locator.__module__}.{locator.__name__}" for locator in (GivenFolder, BesideSource, UserFolder)),
        *("UserProvidedCacheLocator", "InTreeCacheLocator", "UserWideCacheLocator", "IPythonCacheLocator"),
    ]
)


class _Index(caching.IndexDataCacheFile):
    """The list of what is cached of a function; a list that cannot be read counts as empty.

    numba reads a list before it compares stamps, and a list may name a class that has been renamed since.
    """

    def _load_index(self) -> dict[Any, Any]:
        try:
            loaded: dict[Any, Any] = super()._load_index()
        except (AttributeError, EOFError, ImportError, UnpicklingError):
            return {}
        return loaded


class Entry:
    """A compiled function that Python calls with functions among its arguments."""

    def __init__(self, dispatcher: Any, signature: Any) -> None:
        self.dispatcher, self._signature = dispatcher, signature

    def __call__(self, *arguments: Any) -> Any:
        """Call it, and compile it at the first call."""
        if not self.dispatcher.signatures:
            self.dispatcher.compile(self._signature)
            self.dispatcher.disable_compile()
        return self.dispatcher(*arguments)


def compiled(first: Any = None, *, creates_arrays: bool = False, inline: bool = False) -> Any:
    """Compile a function: `@compiled` by the types of its arguments when it is called, `@compiled(signature)` at once.

    Functions with a signature can be handed to compiled code as arguments.
    """
    if isinstance(first, FunctionType):
        return _njit(first, None, creates_arrays, inline)
    return lambda function: _njit(function, first, creates_arrays, inline)


def entry(signature: Any, *, creates_arrays: bool = False) -> Callable[[Callable[..., Any]], Entry]:
    """Compile a function for one signature, which may hold functions, when Python first calls it."""
    return lambda function: Entry(_njit(function, None, creates_arrays), signature)


def _njit(function: Callable[..., Any], signature: Any, creates_arrays: bool, inline: bool = False) -> Any:
    compiler, settings, library = (
        cast(Any, njit),
        cast(Any, config),
        cast(Any, caching),
    )  # these options are not in their types
    is_in_file = Path(function.__code__.co_filename).is_file()  # else it was typed in, and has no place for a cache
    before = settings.CACHE_LOCATOR_CLASSES, caching.IndexDataCacheFile
    settings.CACHE_LOCATOR_CLASSES, library.IndexDataCacheFile = _LOCATORS, _Index
    try:
        return compiler(signature, cache=is_in_file, forceinline=inline, _nrt=creates_arrays)(function)
    finally:
        settings.CACHE_LOCATOR_CLASSES, library.IndexDataCacheFile = before


class _Notice(event.Listener):
    """Says once that code is being compiled, if that takes a while."""

    def __init__(self) -> None:
        self._depth, self._begin_s, self._spent_s = 0, 0.0, 0.0
        self._is_given = False

    def on_start(self, event: event.Event) -> None:
        if self._depth == 0:
            self._begin_s = time.perf_counter()
        self._depth += 1
        if not self._is_given and self._spent_s + time.perf_counter() - self._begin_s > PATIENCE_S:
            self._is_given = True
            sys.stderr.write("compiling, once after each change of the code: this takes some 10 s\n")

    def on_end(self, event: event.Event) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._spent_s += time.perf_counter() - self._begin_s


event.register("numba:compile", _Notice())
