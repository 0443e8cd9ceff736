"""A door that breaks on one word, to show that a hunt finds it."""

from tests.fuzz.doors import Door


def _enter(data: bytes) -> None:
    if data[:4] == b"evil":
        raise KeyError(data)


DOORS = {"a door that breaks": Door(_enter, lambda: [b"evik, nearly", b"live"])}
