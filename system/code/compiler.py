"""The decorators for every function that numba compiles.

Compiled code is cached on disk. numba's own cache checks only the text of the file that defines the function, so it
misses an edit of a function that lives in another file. The cache here also checks every module of the project that
the file imports, so compiled functions may call functions of other files.

numba counts references to arrays atomically, which costs more than the work of most small functions. Functions are
therefore compiled without reference counting: the caller keeps the arrays alive, and the function must not create any.
A function that creates arrays is decorated with `creates_arrays=True`. Functions that users write
(`system.code.signatures`) are compiled with checks of every index. A function that is called in every iteration of
a loop may be inlined into its caller with `inline=True`. Compile a function with one set of options only, because the
cache on disk distinguishes argument types but not these options.
"""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, Self, cast

from numba import config, njit
from numba.core import caching
from numba.core.caching import InTreeCacheLocator, UserProvidedCacheLocator, UserWideCacheLocator

from system.code.compiling import progress
from system.code.folders import home_cache, note_once, temporary_folder
from system.code.signatures import compile_error, is_for_users, refusal, require_suitable
from system.code.source import ROOT, import_closure, module_at, text_hash


class _ImportAware:
    """Cache locator whose stamp covers a function's module and the project modules that it imports."""

    _py_file: str

    def get_source_stamp(self) -> str:
        return text_hash(import_closure(frozenset([module_at(Path(self._py_file))])))

    @classmethod
    def from_function(cls, py_func: Callable[..., object], py_file: str) -> Self | None:
        if not Path(py_file).resolve().is_relative_to(ROOT):
            return None  # not part of this project: leave it to numba's own locators
        located: Self | None = super().from_function(py_func, py_file)  # type: ignore[misc]
        return located


class GivenFolder(_ImportAware, UserProvidedCacheLocator):
    """Locator of a cache in the folder that NUMBA_CACHE_DIR names."""


class BesideSource(_ImportAware, InTreeCacheLocator):
    """Locator of a cache in `__pycache__` beside the source."""


class UserFolder(_ImportAware, UserWideCacheLocator):
    """Locator of a cache in the user's own folder, for source folders that cannot be written."""

    @classmethod
    def from_function(cls, py_func: Callable[..., object], py_file: str) -> Self | None:
        """Return a locator, or None for a user without a home."""
        return super().from_function(py_func, py_file) if home_cache() else None


class TemporaryFolder:
    """Locator of a cache in a temporary folder, for when no other folder can be written.

    Processes that this one starts, and all functions that are compiled later, use that folder, too.
    """

    @classmethod
    def from_function(cls, py_func: Callable[..., object], py_file: str) -> Any:
        """Return the locator that NUMBA_CACHE_DIR would choose; raise `NoFolderError` if there is no folder."""
        folder = temporary_folder("compiled")
        if folder is None:
            raise NoFolderError
        note_once(f"compiled code is kept in {folder}, as neither the project nor a home folder can be written")
        os.environ["NUMBA_CACHE_DIR"] = cast(Any, config).CACHE_DIR = str(folder)
        return GivenFolder.from_function(py_func, py_file) or UserProvidedCacheLocator.from_function(py_func, py_file)


class NoFolderError(Exception):
    """Error for a machine on which no folder can be written, so that nothing can be cached."""


_OWN_LOCATORS = (GivenFolder, BesideSource, UserFolder)
_LOCATORS = ",".join(
    [
        *(f"{locator.__module__}.{locator.__name__}" for locator in _OWN_LOCATORS),
        *("UserProvidedCacheLocator", "InTreeCacheLocator", "UserWideCacheLocator", "IPythonCacheLocator"),
        f"{TemporaryFolder.__module__}.{TemporaryFolder.__name__}",
    ]
)


class _Index(caching.IndexDataCacheFile):
    """Index of a function's cached versions; an index that cannot be read counts as empty.

    numba reads the index before it compares stamps, and the index may name a class that has since been renamed.
    """

    def _load_index(self) -> dict[Any, Any]:
        try:
            loaded: dict[Any, Any] = super()._load_index()
        except Exception:  # whatever a torn or foreign file makes of itself
            return {}
        return loaded


class Entry:
    """A compiled function that Python calls and whose arguments may be functions."""

    def __init__(self, dispatcher: Any, signature: Any) -> None:
        self.dispatcher, self._signature = dispatcher, signature

    def __call__(self, *arguments: Any) -> Any:
        """Call the function; compile it before the first call."""
        if not self.dispatcher.overloads:
            self.dispatcher.compile(self._signature)
            self.dispatcher.disable_compile()
        return self.dispatcher(*arguments)


def compiled(first: Any = None, *, creates_arrays: bool = False, inline: bool = False) -> Any:
    """Compile the decorated function.

    `@compiled` compiles when the function is called, for the types of its arguments. `@compiled(signature)` compiles at
    once; such functions can be passed to compiled code as arguments. Raises `InputError` for a function of a user that
    writes into its arrays or cannot be compiled.
    """
    if isinstance(first, FunctionType):
        return _njit(first, None, creates_arrays, inline)
    return lambda function: _njit(function, first, creates_arrays, inline)


def entry(signature: Any, *, creates_arrays: bool = False) -> Callable[[Callable[..., Any]], Entry]:
    """Compile the decorated function for one signature when Python first calls it.

    The signature may contain function types.
    """
    return lambda function: Entry(_njit(function, None, creates_arrays), signature)


def suited(function: Any, signature: Any) -> Any:
    """Return a user's function, compiled unless `@compiled(signature)` did it.

    Raises `InputError` if it is no function, has other parameters, writes into its arrays or cannot be compiled.
    """
    options = getattr(function, "targetoptions", {})
    if options.get("boundscheck") and signature.args in function.overloads:
        return function
    plain = getattr(function, "py_func", function)
    if not isinstance(plain, FunctionType):
        raise refusal(function, signature, "must be a function")
    return _suited(plain, signature, options.get("_nrt", True))


@cache
def _suited(function: Callable[..., Any], signature: Any, creates_arrays: bool) -> Any:
    return _njit(function, signature, creates_arrays)


def _njit(function: Callable[..., Any], signature: Any, creates_arrays: bool, inline: bool = False) -> Any:
    options = {"forceinline": inline, "_nrt": creates_arrays}
    if not is_for_users(signature):
        return _cached_njit(function, signature, options)
    require_suitable(function, signature)
    try:
        return _cached_njit(function, signature, options | {"boundscheck": True})
    except Exception as error:  # `array += 1` for a read-only array is an AttributeError of numba
        raise compile_error(function, signature, error) from error


def _cached_njit(function: Callable[..., Any], signature: Any, options: dict[str, bool]) -> Any:
    # numba's type hints lack the options that are used here.
    compiler, settings, library = cast(Any, njit), cast(Any, config), cast(Any, caching)
    is_in_file = Path(function.__code__.co_filename).is_file()  # a function typed at a prompt cannot be cached
    before = settings.CACHE_LOCATOR_CLASSES, caching.IndexDataCacheFile
    settings.CACHE_LOCATOR_CLASSES, library.IndexDataCacheFile = _LOCATORS, _Index
    progress.dispatchers[function] = None
    try:
        dispatcher = compiler(signature, cache=is_in_file, **options)(function)
    except NoFolderError:
        dispatcher = compiler(signature, **options)(function)
    finally:
        settings.CACHE_LOCATOR_CLASSES, library.IndexDataCacheFile = before
    progress.dispatchers[function] = dispatcher
    return dispatcher
