"""Function instances: child processes that answer one request at a time, kept and reused.

Knows processes, sockets and time limits. Knows nothing of retries, triggers or HTTP. Called by
`localyun.fc.service`.
"""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from localyun.errors import ServiceError
from localyun.fc.logs import FunctionLog
from localyun.fc.runtime import bootstrap

LOAD_SECONDS = 60.0  # ours: a handler module that takes longer to import is stuck
GRACE_SECONDS = 1.0  # between SIGTERM and SIGKILL
LOG_SECONDS = 1.0  # how long a result waits for the log lines that belong to it
# FC API "InvokeFunction", x-fc-log-type Tail (2026-11): the last 4 KB of the log.
LOG_TAIL_BYTES = 4096
MAX_LINE_BYTES = 128 << 10  # FC runtime: a write to the log is cut at 128 KiB
UNHANDLED = "UnhandledInvocationError"


@dataclass(frozen=True)
class Result:
    """What an invocation came to. `error_type` is empty when the function returned normally."""

    request_id: str
    payload: bytes
    error_type: str = ""
    log_tail: bytes = b""
    duration_ms: int = 0


@dataclass(frozen=True)
class Blueprint:
    """What it takes to start an instance: interpreter (`bare`: without its packages), environment, set-up frame."""

    python: str
    code: Path
    environment: Mapping[str, str] = field(repr=False)
    setup: Mapping[str, Any] = field(repr=False)
    timeout: int
    bare: bool = False


class Instance:
    """One process of a function. A new one imports the handler at once, while nobody waits for it."""

    def __init__(self, blueprint: Blueprint, log: FunctionLog) -> None:
        self._blueprint = blueprint
        self._log = log
        self._ready = False
        self._usable = True
        self._tail = bytearray()
        self._heard = threading.Condition()
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = _spawn(blueprint, theirs.fileno())
        bootstrap.write_frame(self._channel, blueprint.setup)
        self._listener = threading.Thread(target=self._listen, name="function-log", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def usable(self) -> bool:
        """Tell whether another request may be sent: the process runs, and its code could be loaded."""
        return self._usable and self._process.poll() is None

    def invoke(self, request_id: str, payload: bytes, retry_count: int = 0) -> Result:
        """Let the function answer one request; time limits and a dead process become failed results."""
        started = time.monotonic()
        with self._heard:
            self._tail.clear()
        error_type, body = self._ask(request_id, payload, retry_count)
        taken = round((time.monotonic() - started) * 1000)
        return Result(request_id, body, error_type, bytes(self._tail[-LOG_TAIL_BYTES:]), taken)

    def _ask(self, request_id: str, payload: bytes, retry_count: int) -> tuple[str, bytes]:
        """Send the request and wait for the answer: error type, if any, and body."""
        request = {"kind": "invoke", "request_id": request_id, "retry_count": retry_count}
        try:
            self._await_ready()
            self._channel.settimeout(self._blueprint.timeout)
            bootstrap.write_frame(self._channel, request, payload)
            answer, body = bootstrap.read_frame(self._channel)
        except TimeoutError:
            return self._overdue()
        except (EOFError, OSError):
            return self._dead()
        self._usable = answer["reusable"]
        self._await_log(request_id)
        return answer["error_type"], body

    def _await_ready(self) -> None:
        """Wait until the handler has been imported."""
        if not self._ready:
            self._channel.settimeout(LOAD_SECONDS)
            bootstrap.read_frame(self._channel)
            self._ready = True

    def _overdue(self) -> tuple[str, bytes]:
        """End a process that took too long: it may say where it was, then it is killed."""
        seconds = self._blueprint.timeout if self._ready else LOAD_SECONDS
        self.end(signal.SIGTERM)
        return UNHANDLED, _document(f"Function timed out after {seconds:g} seconds", "FunctionTimeout")

    def _dead(self) -> tuple[str, bytes]:
        """Report a process that ended in the middle of a request, with the last of what it printed."""
        self.end(signal.SIGKILL)
        self._listener.join(LOG_SECONDS)
        with self._heard:
            tail = self._tail[-LOG_TAIL_BYTES:].decode(errors="replace")
        why = f"exit code {self._process.returncode}"
        message = f"Process exited unexpectedly before completing request ({why}). Its last output: {tail}"
        return UNHANDLED, _document(message, "ProcessExited")

    def _listen(self) -> None:
        """Copy what the process prints to the function's log, and remember the end of it."""
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in iter(partial(output.readline, MAX_LINE_BYTES), b""):
                self._log.write(line)
                with self._heard:
                    self._tail += line
                    del self._tail[: -4 * LOG_TAIL_BYTES]
                    self._heard.notify_all()

    def _await_log(self, request_id: str) -> None:
        """Wait until the log has the lines of this request, so that whoever has the result can read them."""
        mark = re.compile(rf"FC (Invoke|Initialize) End RequestId: {re.escape(request_id)}".encode())
        with self._heard:
            self._heard.wait_for(lambda: mark.search(self._tail), LOG_SECONDS)

    def pre_stop(self, request_id: str, timeout: float) -> None:
        """Run the function's preStop hook and let the process end."""
        try:
            bootstrap.write_frame(self._channel, {"kind": "pre_stop", "request_id": request_id})
            self._process.wait(timeout)
        except (OSError, subprocess.TimeoutExpired):
            self._log.write(b"preStop was cut short\n")
        self.end(signal.SIGKILL)

    def kill(self) -> None:
        """Kill the process, as a machine's end would; whoever waits for its answer learns of it."""
        with suppress(ProcessLookupError):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self, first: signal.Signals = signal.SIGKILL) -> None:
        """End the process and whatever it started; with SIGTERM it gets a moment to say something."""
        try:
            if first is not signal.SIGKILL and self._process.poll() is None:
                self._process.send_signal(first)
                self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._log.write(b"The function ignored SIGTERM and is killed\n")
        _kill_group(self._process)
        self._channel.close()


def _spawn(blueprint: Blueprint, descriptor: int) -> "subprocess.Popen[bytes]":
    """Start the bootstrap in a session of its own, so that an interrupt from the terminal is ours alone."""
    return subprocess.Popen(  # noqa: S603 - our interpreter, our script
        [blueprint.python, "-sS" if blueprint.bare else "-s", bootstrap.__file__, str(descriptor)],
        pass_fds=(descriptor,),
        env=dict(blueprint.environment),
        cwd=blueprint.code,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process with its session and reap it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


def _document(message: str, kind: str) -> bytes:
    """Write an error document that the bootstrap can no longer write itself."""
    return json.dumps({"errorMessage": message, "errorType": kind, "stackTrace": []}).encode()


class Pool:
    """The instances of one function: idle ones are reused, new ones start while fewer than `limit` exist."""

    def __init__(self, start: Callable[[], Instance], limit: int) -> None:
        self._start = start
        self._limit = limit
        self._idle: list[Instance] = []
        self._busy: set[Instance] = set()
        self._closed = False
        self._changed = threading.Condition()

    def warm(self) -> None:
        """Have one idle instance."""
        with self._changed:
            if not self._idle and not self._closed:
                self._idle.append(self._start())

    def borrow(self) -> Instance:
        """Return an instance for one request; waits while all are busy."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._idle or len(self._busy) < self._limit)
            if self._closed:
                raise ServiceError(503, "ServiceUnavailable", "The local Function Compute is shutting down.")
            self._idle = [instance for instance in self._idle if instance.usable()]
            instance = self._idle.pop() if self._idle else self._start()
            self._busy.add(instance)
            return instance

    def give_back(self, instance: Instance) -> None:
        """Return a borrowed instance; one that is no longer usable is ended."""
        with self._changed:
            self._busy.discard(instance)
            keep = not self._closed and instance.usable()
            if keep:
                self._idle.append(instance)
            self._changed.notify()
        if not keep:
            instance.end()

    def close(self, before: Callable[[Instance], None]) -> None:
        """End all instances; `before` is called with each idle one, which may say good-bye."""
        with self._changed:
            self._closed = True
            idle, busy, self._idle = self._idle, list(self._busy), []
            self._changed.notify_all()
        for instance in idle:
            before(instance)
        for instance in [*idle, *busy]:
            instance.end()
