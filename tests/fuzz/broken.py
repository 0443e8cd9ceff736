"""An entry point with a bug: it raises KeyError for inputs that start with one word."""

from tests.fuzz.entry_points import EntryPoint


def _call(data: bytes) -> None:
    if data[:4] == b"evil":
        raise KeyError(data)


ENTRY_POINTS = {"broken": EntryPoint(_call, lambda: [b"evik, nearly", b"live"])}
