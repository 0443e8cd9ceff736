"""A function instance: a child process that answers one request at a time.

Knows processes, sockets and time limits; knows no retries and no triggers. `localyun.fc.service` calls it.
"""

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from localyun.fc.logs import FunctionLog
from localyun.fc.memory import MemoryWatch, memory_watch
from localyun.fc.runtime import bootstrap
from localyun.fc.values import InvocationResult

LOAD_SECONDS = 60.0  # our choice: an import that takes longer hangs
GRACE_SECONDS = 1.0  # between SIGTERM and SIGKILL
LOG_SECONDS = 1.0  # how long a result waits for its log lines
# FC API "InvokeFunction", x-fc-log-type Tail (2026-11): the last 4 KB of the log.
LOG_TAIL_BYTES = 4096
MAX_LINE_BYTES = 128 << 10  # FC runtime: a write to the log is cut at 128 KiB
EXITED = "Process exited unexpectedly before completing request"
UNHANDLED = "UnhandledInvocationError"


@dataclass(frozen=True)
class InstanceSpec:
    """How to start an instance: interpreter (`bare`: without its packages), environment, set-up frame.

    `timeout` is that of a request, in seconds; `memory` is the limit in MB, 0 for none.
    """

    python: str
    code: Path
    environment: Mapping[str, str] = field(repr=False)
    setup: Mapping[str, Any] = field(repr=False)
    timeout: int
    memory: int = 0
    bare: bool = False


class Instance:
    """One process of a function. It imports the handler immediately, before the first request."""

    def __init__(self, spec: InstanceSpec, log: FunctionLog) -> None:
        self._spec = spec
        self._log = log
        self._ready = False
        self._usable = True
        self._tail = bytearray()
        self._tail_changed = threading.Condition()
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = _spawn(spec, theirs.fileno())
        bootstrap.write_frame(self._channel, spec.setup)
        self._log_thread = threading.Thread(target=self._copy_output, name="function-log", daemon=True)
        self._log_thread.start()

    @property
    def id(self) -> str:
        """The id that the function sees as FC_INSTANCE_ID."""
        return self._spec.environment.get("FC_INSTANCE_ID", "")

    def usable(self) -> bool:
        """Return True if another request may be sent: the process runs, and its code is loaded."""
        return self._usable and self._process.poll() is None

    def invoke(self, request_id: str, payload: bytes, retry_count: int = 0) -> InvocationResult:
        """Return the function's answer to a request; a timeout or the end of the process is a failed result."""
        started = time.monotonic()
        with self._tail_changed:
            self._tail.clear()
        with memory_watch(self._process.pid, self._spec.memory, self.kill) as memory:
            error_type, body = self._exchange(request_id, payload, retry_count, memory)
        if memory.exceeded:
            error_type, body = self._out_of_memory(memory)
        duration_ms = round((time.monotonic() - started) * 1000)
        tail = bytes(self._tail[-LOG_TAIL_BYTES:])
        return InvocationResult(request_id, body, error_type, tail, duration_ms, memory.peak_mb, self.id)

    def _exchange(self, request_id: str, payload: bytes, retry_count: int, memory: MemoryWatch) -> tuple[str, bytes]:
        """Send the request and return the answer: the error type, if any, and the body."""
        request = {"kind": "invoke", "request_id": request_id, "retry_count": retry_count}
        try:
            self._await_ready()
            self._channel.settimeout(self._spec.timeout)
            bootstrap.write_frame(self._channel, request, payload)
            answer, body = bootstrap.read_frame(self._channel)
        except TimeoutError:
            return self._timed_out()
        except (EOFError, OSError):
            return self._exited(memory)
        self._usable = answer["reusable"]
        self._await_log(request_id)
        return answer["error_type"], body

    def _await_ready(self) -> None:
        if not self._ready:
            self._channel.settimeout(LOAD_SECONDS)
            bootstrap.read_frame(self._channel)
            self._ready = True

    def _timed_out(self) -> tuple[str, bytes]:
        """End a process that exceeded its time limit; SIGTERM makes it log its stacks."""
        seconds = self._spec.timeout if self._ready else LOAD_SECONDS
        self.end(signal.SIGTERM)
        return UNHANDLED, bootstrap.error_document(f"Function timed out after {seconds:g} seconds", "FunctionTimeout")

    def _out_of_memory(self, memory: MemoryWatch) -> tuple[str, bytes]:
        """End a process that exceeded its memory; the type is that of FC's request metrics (read 2026-11)."""
        self.end(signal.SIGKILL)
        remedy = f"memorySize is {self._spec.memory} MB; use less, or raise it"
        return UNHANDLED, bootstrap.error_document(f"{EXITED} ({memory.usage}). {remedy}", "FunctionOOMError")

    def _exited(self, memory: MemoryWatch) -> tuple[str, bytes]:
        """Report a process that ended during a request, with its last output."""
        self.end(signal.SIGKILL)
        self._log_thread.join(LOG_SECONDS)
        with self._tail_changed:
            tail = self._tail[-LOG_TAIL_BYTES:].decode(errors="replace")
        reason = f"exit code {self._process.returncode}"
        message = f"{EXITED} ({memory.usage}), {reason}. Its last output: {tail}"
        return UNHANDLED, bootstrap.error_document(message, "ProcessExited")

    def _copy_output(self) -> None:
        """Copy the output of the process to the function's log, and keep the last part."""
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            for line in iter(partial(stdout.readline, MAX_LINE_BYTES), b""):
                self._log.write(line)
                with self._tail_changed:
                    self._tail += line
                    del self._tail[: -4 * LOG_TAIL_BYTES]
                    self._tail_changed.notify_all()

    def _await_log(self, request_id: str) -> None:
        """Wait until the log has the lines of this request, so that they are readable with the result."""
        mark = re.compile(rf"FC (Invoke|Initialize) End RequestId: {re.escape(request_id)}".encode())
        with self._tail_changed:
            self._tail_changed.wait_for(lambda: mark.search(self._tail), LOG_SECONDS)

    def pre_stop(self, request_id: str, timeout: float) -> None:
        """Run the function's preStop hook, at most `timeout` seconds, and end the process."""
        try:
            bootstrap.write_frame(self._channel, {"kind": "pre_stop", "request_id": request_id})
            self._process.wait(timeout)
        except (OSError, subprocess.TimeoutExpired):
            self._log.write(b"The preStop hook timed out\n")
        self.end(signal.SIGKILL)

    def kill(self) -> None:
        """Kill the process, as a failure of the machine would; a running `invoke` returns a failed result."""
        with suppress(ProcessLookupError):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self, first: signal.Signals = signal.SIGKILL) -> None:
        """End the process and its children; with SIGTERM it has a grace period first."""
        try:
            if first is not signal.SIGKILL and self._process.poll() is None:
                self._process.send_signal(first)
                self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._log.write(b"The function ignored SIGTERM and is killed\n")
        _kill_group(self._process)
        self._channel.close()


def _spawn(spec: InstanceSpec, descriptor: int) -> "subprocess.Popen[bytes]":
    """Start the bootstrap in a separate session, so that an interrupt from the terminal reaches the parent only."""
    return subprocess.Popen(  # noqa: S603 - the local cloud's interpreter and script
        [spec.python, "-sS" if spec.bare else "-s", bootstrap.__file__, str(descriptor)],
        pass_fds=(descriptor,),
        env=dict(spec.environment),
        cwd=spec.code,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill all processes of a session and reap the first."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()
