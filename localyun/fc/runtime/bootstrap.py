"""The program inside a function's process: loads the handler once, then answers one request after another.

Knows the contract between Function Compute and Python code: `handler(event: bytes, context)`, the format of results and
errors, the content of the context. Knows no HTTP, retries or triggers. `localyun.fc.instances` runs it as a script and
exchanges frames with it over a socket; when the socket is closed, the process ends.

Sources: help.aliyun.com, FC 3.0 Python pages "Handler", "Context", "Error handling" (read 2026-11).
"""

import faulthandler
import importlib
import json
import logging
import os
import queue
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

HEADER = struct.Struct(">II")
TERMINATED = 128 + signal.SIGTERM


def write_frame(channel: socket.socket, header: Mapping[str, object], body: bytes = b"") -> None:
    """Send a header and a body to the other end."""
    head = json.dumps(header).encode()
    channel.sendall(HEADER.pack(len(head), len(body)) + head)
    channel.sendall(body)


def read_frame(channel: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Receive a header and a body; raise EOFError if the socket is closed."""
    head, body = HEADER.unpack(_exactly(channel, HEADER.size))
    return json.loads(_exactly(channel, head)), _exactly(channel, body)


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        if not (chunk := channel.recv(min(size - len(data), 1 << 20))):
            raise EOFError
        data += chunk
    return bytes(data)


def error_document(message: str, kind: str, stack: Sequence[object] = ()) -> bytes:
    """Return the vendor's error document as JSON."""
    return json.dumps({"errorMessage": message, "errorType": kind, "stackTrace": stack}).encode()


class LoadError(Exception):
    """The handler could not be loaded; `kind` is the vendor's errorType, `trace` its stackTrace as lines."""

    def __init__(self, kind: str, message: str, trace: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.trace = trace
        self.document = error_document(message, kind, trace)


def load(handler: str) -> Callable[..., object]:
    """Return the handler of a string such as `index.handler` or `pkg/index.handler`; raise `LoadError` if it fails."""
    module_name, dot, function_name = handler.rpartition(".")
    if not dot or not module_name or not function_name:
        raise LoadError("InvalidHandleName", f"Invalid handler '{handler}': write it as module.function")
    module = _module(module_name.replace("/", "."))
    found = getattr(module, function_name, None)
    if not callable(found):
        raise LoadError("HandlerNotFound", f"Handler '{function_name}' is missing in module '{module_name}'")
    return found  # type: ignore[no-any-return] # its parameters are unknown


def _load_or_error(handler: str) -> Callable[..., object] | LoadError:
    """Load a handler before the first request; an error is kept for the requests."""
    try:
        return load(handler)
    except LoadError as error:
        return error


def _module(name: str) -> object:
    """Import a module of the function's code; raise `LoadError` with the vendor's error type if it fails."""
    try:
        return importlib.import_module(name)
    except Exception as error:
        kind, message = "UserCodeError", "Module initialization error"
        if isinstance(error, ImportError):
            kind, message = "ImportModuleError", f"Unable to import module '{name}'"
        if isinstance(error, SyntaxError):
            kind, message = "UserCodeSyntaxError", f"Syntax error in module '{name}'"
        raise LoadError(kind, f"{message}: {error}", traceback.format_exc().splitlines()) from error


def encode(result: object) -> bytes:
    """Return the payload of a handler's result: strings and bytes unchanged, everything else as JSON."""
    if isinstance(result, bytes):
        return result
    if isinstance(result, str):
        return result.encode()
    return json.dumps(result, indent=4, sort_keys=True, default=_convert).encode()


def _convert(value: object) -> object:
    """Convert a value that JSON does not support."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if callable(to_json := getattr(value, "to_json", None)):
        return to_json()
    raise TypeError(f"{value!r} is not JSON serializable")


def failure(error: BaseException) -> bytes:
    """Return the error document of an exception of user code, without the bootstrap's own first frame."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    stack = [[f'File "{f.filename}"', f"line {f.lineno}", f"in {f.name}", f.line or ""] for f in frames]
    return error_document(str(error), type(error).__name__, stack)


def context_for(setup: Mapping[str, Any], request: Mapping[str, Any]) -> SimpleNamespace:
    """Return the handler's second argument. In the runtime python3.12 it has neither credentials nor service."""
    function, log = dict(setup["function"]), dict(setup["log"])
    context = SimpleNamespace(request_id=request["request_id"], retry_count=request.get("retry_count", 0))
    context.region, context.account_id = setup["region"], setup["account_id"]
    context.tracing, context.logger = None, logging.getLogger()
    if setup["runtime"] == "python3.12":
        function.update(setup["version"])
        context.log_project, context.log_store = log["project"], log["store"]
    else:
        context.credentials = SimpleNamespace(**setup["credentials"])
        context.service = SimpleNamespace(
            name="",
            log_project=log["project"],
            log_store=log["store"],
            **setup["version"],
        )
    context.function = SimpleNamespace(**function)
    return context


class LogFormatter(logging.Formatter):
    """Formats log lines as the runtime does: UTC time, request id, level, message."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(request_id)s [%(levelname)s] %(message)s", defaults={"request_id": "-"})
        self.request_id = "-"

    def format(self, record: logging.LogRecord) -> str:
        """Format a record with the id of the current request."""
        record.request_id = self.request_id
        return super().format(record)


class Runtime:
    """A function instance: its set-up, its handler, its connection to the service."""

    def __init__(self, channel: socket.socket, setup: Mapping[str, Any], formatter: LogFormatter) -> None:
        self._channel = channel
        self._setup = setup
        self._formatter = formatter
        self._handler = _load_or_error(setup["handler"])
        self._initialized = not setup.get("initializer")

    def serve(self) -> None:
        """Answer requests until the socket is closed."""
        write_frame(self._channel, {"kind": "ready"})
        requests: queue.SimpleQueue[tuple[dict[str, Any], bytes]] = queue.SimpleQueue()
        threading.Thread(target=_queue_requests, args=(self._channel, requests), daemon=True).start()
        while True:
            request, event = requests.get()
            self._formatter.request_id = request["request_id"]
            if request["kind"] == "pre_stop":
                return self._pre_stop(request)
            error_type, body = self._answer(request, event)
            sys.stdout.flush()
            sys.stderr.flush()
            reusable = self._initialized and not isinstance(self._handler, LoadError)
            write_frame(self._channel, {"error_type": error_type, "reusable": reusable}, body)

    def _answer(self, request: Mapping[str, Any], event: bytes) -> tuple[str, bytes]:
        """Run the initializer if it has not succeeded yet, then the handler; return the error type and the body."""
        if not self._initialized and (document := self._initialize(request)):
            return "InitializationError", document
        log_line(f"FC Invoke Start RequestId: {request['request_id']}")
        error_type, body = self._invoke(request, event)
        suffix = ", Error: Unhandled function error" if error_type else ""
        log_line(f"FC Invoke End RequestId: {request['request_id']}{suffix}")
        return error_type, body

    def _initialize(self, request: Mapping[str, Any]) -> bytes | None:
        """Run the initializer; return the error document if it fails."""
        log_line(f"FC Initialize Start RequestId: {request['request_id']}")
        try:
            load(self._setup["initializer"])(context_for(self._setup, request))
        except LoadError as error:
            return error.document
        except Exception as error:  # noqa: BLE001 - user code may raise anything
            traceback.print_exc()
            return failure(error)
        finally:
            log_line(f"FC Initialize End RequestId: {request['request_id']}")
        self._initialized = True
        return None

    def _invoke(self, request: Mapping[str, Any], event: bytes) -> tuple[str, bytes]:
        """Run the handler; return the error type and the body."""
        if isinstance(self._handler, LoadError):
            print(*self._handler.trace, str(self._handler), sep="\n", file=sys.stderr)  # noqa: T201
            return "UnhandledInvocationError", self._handler.document
        try:
            return "", encode(self._handler(event, context_for(self._setup, request)))
        except Exception as error:  # noqa: BLE001 - user code may raise anything
            traceback.print_exc()
            return "UnhandledInvocationError", failure(error)

    def _pre_stop(self, request: Mapping[str, Any]) -> None:
        """Run the preStop hook; its errors are only logged."""
        log_line(f"FC PreStop Start RequestId: {request['request_id']}")
        try:
            load(self._setup["pre_stop"])(context_for(self._setup, request))
        except Exception:  # noqa: BLE001 - user code may raise anything
            traceback.print_exc()
        log_line(f"FC PreStop End RequestId: {request['request_id']}")


def log_line(line: str) -> None:
    """Write a log line of the runtime itself, after all earlier output of user code."""
    sys.stderr.flush()
    print(line, flush=True)  # noqa: T201 - standard output is the function's log


def _queue_requests(channel: socket.socket, requests: "queue.SimpleQueue[tuple[dict[str, Any], bytes]]") -> None:
    """Queue requests; end the process when the socket is closed, even during a request."""
    try:
        while True:
            requests.put(read_frame(channel))
    except (EOFError, OSError):
        os._exit(0)


def _terminated(_signal: int, _frame: object) -> None:
    """Write the stacks of all threads to the log, and end the process."""
    faulthandler.dump_traceback(all_threads=True)
    os._exit(TERMINATED)


def _sibling(name: str) -> Any:
    """Import a module beside this script, and leave its name to the function's own modules."""
    module = importlib.import_module(name)
    del sys.modules[name]
    return module


def main(descriptor: int) -> None:
    """Serve one function over the inherited socket."""
    channel = socket.socket(fileno=descriptor)
    channel.set_inheritable(False)
    setup, _ = read_frame(channel)
    _sibling("read_only").protect(setup["paths"])
    sys.path[:] = [*setup["paths"], *sys.path[1:]]
    sys.argv[:] = [sys.argv[0]]
    signal.signal(signal.SIGTERM, _terminated)
    formatter, stream = LogFormatter(), logging.StreamHandler(sys.stdout)
    stream.setFormatter(formatter)
    logging.getLogger().addHandler(stream)
    logging.getLogger().setLevel(logging.INFO)
    Runtime(channel, setup, formatter).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]))
