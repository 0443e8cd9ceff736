"""`oss2` without its client-side encryption, which is not used and takes about 40 % of the import time.

`import oss2` always imports `oss2.crypto`, and with it pycryptodome, aliyun-python-sdk-core and -kms. Meanwhile
placeholders replace these packages; afterwards they are removed, so that other code can import the real ones.
`CryptoBucket`, the encryption providers and the AES ciphers of `oss2.utils` are left out; using one raises
NotImplementedError. Other modules are deferred: their placeholders import them when something of theirs is used, which
no request needs. bench/cold_start.py measures what this saves.
"""

import gc
import importlib
import importlib.machinery
import sys
from collections.abc import Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

_LEFT_OUT = frozenset({"Crypto", "aliyunsdkcore", "aliyunsdkkms"})
# HTTP/2, archives of certificates, downloads to files, encoded words in headers, the encoding of texts without one.
_DEFERRED = frozenset({"importlib.metadata", "zipfile", "shutil", "email.header", "charset_normalizer", "idna"})
_ACCEPTED_VERSION = "3.0.0"  # of charset_normalizer: requests asks for 2.0.0 or newer, before 4.0.0


class _LeftOut:
    """A name of a package that is left out; calling it raises NotImplementedError."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *_args: object, **_kwargs: object) -> None:
        raise NotImplementedError(f"{self._name} is left out: clipstitch uses no client-side encryption")

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(f"{self._name}.{name} is left out: clipstitch uses no client-side encryption")


class _Placeholder(ModuleType):
    """A module that has every name, each of which raises NotImplementedError when it is called."""

    __path__: MutableSequence[str] = []  # noqa: RUF012 - the import system reads it; it is never changed

    def __getattr__(self, name: str) -> _LeftOut:
        if name.startswith("__"):
            raise AttributeError(name)
        return _LeftOut(f"{self.__name__}.{name}")


class _DeferredModule(ModuleType):
    """A module that is imported when one of its names is used.

    While `oss2` is being imported, a name is a function that calls the one of the real module.
    """

    __path__: MutableSequence[str] = []  # noqa: RUF012 - as above

    def __getattr__(self, name: str) -> Any:
        is_installed = sys.modules.get(self.__name__) is self
        if name.startswith("__"):
            if is_installed and name == "__version__":
                return _ACCEPTED_VERSION
            raise AttributeError(name)

        def call(*arguments: Any, **named: Any) -> Any:
            return getattr(importlib.import_module(self.__name__), name)(*arguments, **named)

        return call if is_installed else getattr(importlib.import_module(self.__name__), name)


class _Finder:
    """Finds and loads placeholders. It has no base class, since importing importlib.abc would cost 8 ms."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return a spec for a module that is left out or deferred; None for any other."""
        if not (_is_left_out(fullname) or fullname in _DEFERRED):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)  # type: ignore[arg-type] # a loader by shape

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Return a placeholder."""
        return _Placeholder(spec.name) if _is_left_out(spec.name) else _DeferredModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: a placeholder has no code."""


@contextmanager
def _placeholders() -> Iterator[None]:
    """Install the placeholders, then remove them. Real modules that were imported before are kept."""
    real = {name: module for name, module in sys.modules.items() if _is_left_out(name)}
    for name in real:
        del sys.modules[name]
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name, module in list(sys.modules.items()):
            if isinstance(module, _Placeholder) or (isinstance(module, _DeferredModule) and name in _DEFERRED):
                del sys.modules[name]
        sys.modules.update(real)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Switch garbage collection off: it would scan the new modules again and again (a tenth of the import time).

    Afterwards, no collection scans what has been imported so far.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def _is_left_out(name: str) -> bool:
    return name.partition(".")[0] in _LEFT_OUT


def load() -> Any:
    """Return `oss2`, imported without the left-out packages unless it was imported before."""
    if "oss2" in sys.modules:
        return sys.modules["oss2"]
    with _placeholders(), _without_garbage_collection():
        return importlib.import_module("oss2")


oss2 = load()
# It makes the table of CRC-64 for every request, in Python: 0.3 ms each time.
oss2.utils.crcmod.mkCrcFun = cache(oss2.utils.crcmod.mkCrcFun)

# Not imported before: it would import what is deferred.
from http.client import HTTPException as HTTPException  # noqa: E402, PLC0414 - for `adapters.oss`
