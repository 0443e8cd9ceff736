"""Run Python programs in child processes with their own environment, and read what they write."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest


def wait_until(
    condition: Callable[[], Any],
    seconds: float = 60,
    describe: Callable[[], Any] = lambda: "",
    ignoring: tuple[type[Exception], ...] = (),
) -> Any:
    """Return the first truthy result of `condition`.

    Fails the test after `seconds`, with the result of `describe` in the message. An exception of a type in `ignoring`
    counts as a falsy result.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if result := condition():
                return result
        except ignoring:
            pass
        time.sleep(0.02)
    pytest.fail(f"condition not met within {seconds} s: {describe()}")


class Child:
    """A running Python program; leaving the block sends SIGTERM if the program still runs."""

    def __init__(self, script: Path, env: Mapping[str, str], folder: Path, arguments: Sequence[str] = ()) -> None:
        self._out, self._err = (folder / f"{script.stem}-{time.monotonic_ns()}.{kind}" for kind in ("out", "err"))
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        with self._out.open("wb") as out, self._err.open("wb") as err:
            command = [sys.executable, str(script), *arguments]
            self._process = subprocess.Popen(command, env={**inherited, **env}, stdout=out, stderr=err, cwd=folder)

    def __enter__(self) -> "Child":  # noqa: PYI034 - typing.Self needs Python 3.11
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.poll() is None:
            self.stop()

    @property
    def output_lines(self) -> list[str]:
        """Return the lines written to stdout so far."""
        return self._out.read_text("utf-8").splitlines()

    @property
    def log(self) -> str:
        """Return what was written to stderr so far."""
        return self._err.read_text("utf-8")

    def wait_for_log(self, text: str) -> str:
        """Wait until the log contains a text; return the rest of that line."""
        wait_until(lambda: text in self.log, describe=lambda: self.log)
        wait_until(lambda: "\n" in self.log.partition(text)[2])
        return self.log.partition(text)[2].partition("\n")[0]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the program to end, and return its exit code."""
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the program to end, and return its exit code."""
        return self._process.wait(60)
