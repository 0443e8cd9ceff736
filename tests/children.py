"""Programs of ours as their users run them: child processes with an environment of their own, and what they write."""

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


def until(true: Callable[[], Any], seconds: float = 60, what: Callable[[], Any] = lambda: "") -> Any:
    """Wait until something is so; `what` says how it stands if it never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.02)
    pytest.fail(f"not so within {seconds} s: {what()}")


class Child:
    """A Python program that runs; it hears SIGTERM at the end of the block, unless it has ended."""

    def __init__(self, script: Path, env: Mapping[str, str], folder: Path, arguments: Sequence[str] = ()) -> None:
        self._out, self._err = (folder / f"{script.stem}-{time.monotonic_ns()}.{kind}" for kind in ("out", "err"))
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        with self._out.open("wb") as out, self._err.open("wb") as err:
            command = [sys.executable, str(script), *arguments]
            self._process = subprocess.Popen(command, env={**kept, **env}, stdout=out, stderr=err, cwd=folder)

    def __enter__(self) -> "Child":  # noqa: PYI034 - Self came with Python 3.11
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.poll() is None:
            self.end()

    @property
    def lines(self) -> list[str]:
        """What it wrote for others so far."""
        return self._out.read_text("utf-8").splitlines()

    @property
    def log(self) -> str:
        """What it wrote about itself so far."""
        return self._err.read_text("utf-8")

    def logged(self, text: str) -> str:
        """Wait for a text in the log; return what follows it on its line."""
        until(lambda: text in self.log, what=lambda: self.log)
        until(lambda: "\n" in self.log.partition(text)[2])
        return self.log.partition(text)[2].partition("\n")[0]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return how it ended."""
        self._process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end and return how it ended."""
        return self._process.wait(60)
