"""The render service of Function Compute: what its answers and errors mean, and what a request carries."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from clipstitch.adapters.fc import FcRenderService
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import AccessDenied, CloudBusy, CloudRefused, Throttled
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import TaskOutcome, TaskRunning
from clipstitch.common.render_task import RenderTask

TASK = RenderTask("20260102T030405Z-0123456789ab", 0, 1, ObjectRef("acme", "_clipstitch/work/x/step-000.mp3"))


class FcServer:
    """An HTTP server that answers every request with the same status and body."""

    def __init__(self) -> None:
        self.status, self.body = 200, b"{}"
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0)))
                fake.requests.append((self.command, self.path, headers, body))
                self.send_response(fake.status)
                self.send_header("Content-Length", str(len(fake.body)))
                self.end_headers()
                self.wfile.write(fake.body)

            do_POST = do_GET = answer  # noqa: N815 - the names of http.server

            def log_message(self, *_: object) -> None:
                """Suppress the access log."""

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.service = FcRenderService(
            f"http://127.0.0.1:{self.http.server_address[1]}", "f", AccessKey("id", "secret", "token")
        )

    def answer(self, document: object, status: int = 200) -> None:
        """Set the answer to a JSON document."""
        self.status, self.body = status, json.dumps(document).encode()


@pytest.fixture
def fc() -> Iterator[FcServer]:
    """Run a server in a thread."""
    server = FcServer()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()


def test_a_start_is_asynchronous_and_has_its_task_id(fc: FcServer) -> None:
    """The empty answer of an accepted invocation is fine."""
    fc.status, fc.body = 202, b""
    fc.service.start(TASK)
    ((method, path, headers, body),) = fc.requests

    assert ("POST", "/2023-03-30/functions/f/invocations", TASK.payload()) == (method, path, body)
    assert ("Async", TASK.id) == (headers["x-fc-invocation-type"], headers["x-fc-async-task-id"])
    assert "token" == headers["x-acs-security-token"]


def test_a_task_that_was_started_before_counts_as_started(fc: FcServer) -> None:
    """409 is success."""
    fc.answer({"Code": "AsyncTaskAlreadyExists", "Message": "exists"}, 409)
    fc.service.start(TASK)

    assert 1 == len(fc.requests)


@pytest.mark.parametrize(
    ("status", "error"), [(429, Throttled), (503, CloudBusy), (403, AccessDenied), (404, CloudRefused)]
)
def test_a_refused_start_is_an_error(fc: FcServer, status: int, error: type[Exception]) -> None:
    """A retry may help, or not."""
    fc.answer({"Code": "SomeCode", "Message": "why"}, status)
    with pytest.raises(error, match=r"starting render-.*SomeCode.*why"):
        fc.service.start(TASK)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("Succeeded", TaskOutcome(succeeded=True)),
        ("Failed", TaskOutcome(False, "RenderFailed", "why")),
        ("Stopped", TaskOutcome(False, "RenderStopped", "why")),
    ],
)
def test_a_finished_task_has_an_outcome(fc: FcServer, status: str, outcome: TaskOutcome) -> None:
    """With the message of the function."""
    fc.answer({"status": status, "taskErrorMessage": "" if outcome.succeeded else "why"})

    assert outcome == fc.service.outcome(TASK.id)
    assert f"/2023-03-30/functions/f/async-tasks/{TASK.id}" == fc.requests[0][1]


@pytest.mark.parametrize("document", [{"status": "Running"}, {"status": "Enqueued"}, {}, []])
def test_any_other_task_is_running(fc: FcServer, document: object) -> None:
    """States that are not final."""
    fc.answer(document)

    assert isinstance(fc.service.outcome(TASK.id), TaskRunning)


def test_an_unknown_task_is_none_and_a_refusal_an_error(fc: FcServer) -> None:
    """Function Compute forgets tasks."""
    fc.answer({"Code": "AsyncTaskNotFound", "Message": "gone"}, 404)
    assert fc.service.outcome(TASK.id) is None
    fc.answer({"Code": "AccessDenied", "Message": "no"}, 403)
    with pytest.raises(AccessDenied):
        fc.service.outcome(TASK.id)


def test_a_service_that_cannot_be_reached_is_busy() -> None:
    """The call is repeated later."""
    service = FcRenderService("http://127.0.0.1:1", "f", AccessKey("id", "secret"))
    with pytest.raises(CloudBusy):
        service.start(TASK)
