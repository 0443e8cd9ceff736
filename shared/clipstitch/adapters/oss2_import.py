"""`oss2` without its client-side encryption, which nobody here uses and which costs about 40 % of the import.

`import oss2` always imports `oss2.crypto`, and with it pycryptodome, aliyun-python-sdk-core and -kms. While we import
it, those three packages are answered by placeholders; afterwards the placeholders are gone, so that whoever wants the
real packages gets them. Left out, and raising a clear error when touched: `CryptoBucket`, the encryption providers,
and `oss2.utils`' AES ciphers. bench/cold_start.py measures what it saves.
"""

import gc
import importlib
import importlib.machinery
import sys
from collections.abc import Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_LEFT_OUT = frozenset({"Crypto", "aliyunsdkcore", "aliyunsdkkms"})


class _LeftOut:
    """Stands for anything that was left out, and says so when it is used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *_args: object, **_kwargs: object) -> None:
        raise NotImplementedError(f"{self._name} is left out: clipstitch uses no client-side encryption")


class _Placeholder(ModuleType):
    """A module in which every name exists and nothing works."""

    __path__: MutableSequence[str] = []  # noqa: RUF012 - the import system wants it; nobody writes it

    def __getattr__(self, name: str) -> _LeftOut:
        if name.startswith("__"):
            raise AttributeError(name)
        return _LeftOut(f"{self.__name__}.{name}")


class _Finder:
    """Answers imports of what is left out: a finder and a loader by shape, as the bases would cost 8 ms to import."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Claim a module that is left out, and no other."""
        if fullname.partition(".")[0] not in _LEFT_OUT:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)  # type: ignore[arg-type] # a loader by shape

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Make the placeholder."""
        return _Placeholder(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the placeholder as it is."""


@contextmanager
def _left_out() -> Iterator[None]:
    """Answer for what is left out, then leave no trace. What was really imported before stays."""
    real = {name: module for name, module in sys.modules.items() if _is_left_out(name)}
    for name in real:
        del sys.modules[name]
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if _is_left_out(name)]:
            del sys.modules[name]
        sys.modules.update(real)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Keep the garbage collector from walking, again and again, over modules that stay (7 % of the time)."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # modules stay for good: later collections need not look at them either
        if running:
            gc.enable()


def _is_left_out(name: str) -> bool:
    return name.partition(".")[0] in _LEFT_OUT


def load() -> Any:
    """Import `oss2` cheaply; if somebody has imported it already, return that one."""
    if "oss2" in sys.modules:
        return sys.modules["oss2"]
    with _left_out(), _without_collecting():
        return importlib.import_module("oss2")


oss2 = load()
