"""`typing.assert_never`, which Python 3.10 lacks."""

from typing import NoReturn


def assert_never(value: NoReturn) -> NoReturn:
    """Raise AssertionError: a case of a union is not handled. mypy reports the same without running the code."""
    raise AssertionError(f"unhandled case: {value!r}")
