"""The task lookup of IMM: what its answers and errors mean, and what a request carries."""

import hashlib
import hmac
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import clipstitch
from clipstitch.adapters.imm import ImmTaskLookup
from clipstitch.adapters.system_clock import SystemClock
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import CloudBusy, Throttled
from clipstitch.common.ports import TaskOutcome, TaskRunning
from tests.unit.usecases.harness import log_lines

KEY = AccessKey("LTAI-test", "secret-test", "the token")


class ImmServer:
    """An HTTP server that answers every request with the same status and body."""

    def __init__(self) -> None:
        self.status, self.body, self.cut = 200, b"{}", False
        self.requests: list[tuple[str, dict[str, str]]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                fake.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                self.send_response(fake.status)
                self.send_header("Content-Length", str(len(fake.body)))
                self.end_headers()
                self.wfile.write(fake.body[: len(fake.body) // 2] if fake.cut else fake.body)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Suppress the access log."""

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.http.server_address[1]}"

    def answer(self, document: object, status: int = 200) -> None:
        """Set the answer to a JSON document."""
        self.status, self.body = status, json.dumps(document).encode()

    def look_up(self, key: AccessKey = KEY) -> TaskOutcome | TaskRunning | None:
        """Look up a task."""
        return ImmTaskLookup(self.endpoint, "project", key)("MediaConvert-1")


@pytest.fixture
def imm() -> Iterator[ImmServer]:
    """Run a server in a thread."""
    server = ImmServer()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def test_a_task_that_succeeded(imm: ImmServer) -> None:
    """It has neither code nor message."""
    imm.answer({"Status": "Succeeded"})

    assert TaskOutcome(succeeded=True) == imm.look_up()


def test_a_task_that_failed(imm: ImmServer) -> None:
    """With the code and the message of IMM; null counts as empty."""
    imm.answer({"Status": "Failed", "Code": "InvalidArgument", "Message": "no such codec"})
    assert TaskOutcome(succeeded=False, code="InvalidArgument", message="no such codec") == imm.look_up()

    imm.answer({"Status": "Failed", "Code": None, "Message": None})
    assert TaskOutcome(succeeded=False) == imm.look_up()


@pytest.mark.parametrize("document", [{"Status": "Running"}, {"Status": "Queued"}, {}])
def test_any_other_status_is_running(document: dict[str, Any], imm: ImmServer) -> None:
    """A status that is not documented does not fail a job."""
    imm.answer(document)

    assert isinstance(imm.look_up(), TaskRunning)


@pytest.mark.parametrize(("body", "code"), [(b'{"Code": "ResourceNotFound"}', "ResourceNotFound"), (b"<html>", "404")])
def test_a_task_that_imm_does_not_know_has_no_outcome(
    body: bytes, code: str, imm: ImmServer, caplog: pytest.LogCaptureFixture
) -> None:
    """IMM keeps tasks for some days; the code of the answer is logged."""
    imm.status, imm.body = 404, body
    with caplog.at_level("INFO", "clipstitch"):
        assert imm.look_up() is None
    (line,) = log_lines(caplog)

    assert ("task-unknown", "MediaConvert-1", code) == (line["event"], line["task"], line["code"])


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "NoPermission", "ACCESS_DENIED"),
        (403, "Forbidden.RAM", "ACCESS_DENIED"),
        (404, "InvalidAccessKeyId.NotFound", "ACCESS_DENIED"),
        (400, "SignatureDoesNotMatch", "ACCESS_DENIED"),
        (400, "InvalidSecurityToken.Expired", "ACCESS_DENIED"),
        (400, "InvalidArgument", "CLOUD_REFUSED"),
    ],
)
def test_a_refusal_is_logged_and_is_no_unknown_task(
    status: int, code: str, expected: str, imm: ImmServer, caplog: pytest.LogCaptureFixture
) -> None:
    """As an error, which raises the alarm; a missing right is named."""
    imm.answer({"Code": code, "Message": "not you"}, status)
    with caplog.at_level("INFO", "clipstitch"):
        assert imm.look_up() is None
    (line,) = log_lines(caplog)

    assert ("task-lookup-refused", "ERROR", expected) == (line["event"], line["level"], line["code"])
    assert f"asking IMM about MediaConvert-1: {code} ({status}): not you" == line["message"]
    grant = "imm:GetTask on IMM project project" if expected == "ACCESS_DENIED" else None
    assert ("MediaConvert-1", grant) == (line["task"], line.get("grant"))


def test_a_throttled_lookup_is_repeated_later(imm: ImmServer) -> None:
    """IMM throttles with status 400."""
    imm.answer({"Code": "Throttling.User", "Message": "Request was denied."}, 400)

    with pytest.raises(Throttled, match="MediaConvert-1"):
        imm.look_up()


@pytest.mark.parametrize(("status", "body"), [(500, b"{}"), (503, b""), (200, b"<html>"), (200, b""), (200, b"[]")])
def test_an_answer_without_a_task_is_a_busy_cloud(status: int, body: bytes, imm: ImmServer) -> None:
    """Server errors, and what is not a JSON object."""
    imm.status, imm.body = status, body

    with pytest.raises(CloudBusy, match="MediaConvert-1"):
        imm.look_up()


def test_a_cloud_that_does_not_answer_is_busy(imm: ImmServer) -> None:
    """The connection is refused."""
    with pytest.raises(CloudBusy, match="MediaConvert-1"):
        ImmTaskLookup("http://127.0.0.1:1", "project", KEY)("MediaConvert-1")


def test_a_request_names_the_task_and_is_signed(imm: ImmServer) -> None:
    """With the token of a role among the signed headers; the secret is not sent."""
    imm.look_up()
    ((path, headers),) = imm.requests

    expected = {"ProjectName": ["project"], "TaskId": ["MediaConvert-1"], "TaskType": ["MediaConvert"]}
    assert expected == parse_qs(urlsplit(path).query)
    assert "GetTask" == headers["x-acs-action"]
    assert "the token" == headers["x-acs-security-token"]
    assert headers["authorization"].startswith("ACS3-HMAC-SHA256 Credential=LTAI-test,SignedHeaders=host;")
    assert "x-acs-security-token" in headers["authorization"]
    assert "secret-test" not in f"{path} {headers}"


def test_a_key_without_a_token_sends_none(imm: ImmServer) -> None:
    """The key of a user."""
    imm.look_up(AccessKey("LTAI-test", "secret-test"))
    ((_, headers),) = imm.requests

    assert "x-acs-security-token" not in headers


def test_every_request_has_a_nonce_of_its_own(imm: ImmServer) -> None:
    """Or IMM would refuse the second one as a replay."""
    imm.look_up()
    imm.look_up()

    assert 2 == len({headers["x-acs-signature-nonce"] for _, headers in imm.requests})


def test_the_signature_is_that_of_the_sorted_headers(imm: ImmServer) -> None:
    """OpenAPI, "Request syntax and signature method V3", 2026: computed here from the request that arrived."""
    imm.look_up()
    ((path, headers),) = imm.requests
    scheme, _, rest = headers["authorization"].partition(" ")
    fields = dict(field.split("=", 1) for field in rest.split(","))
    names = fields["SignedHeaders"].split(";")
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    content = (path.partition("?")[2], lines, fields["SignedHeaders"], hashlib.sha256(b"").hexdigest())
    digest = hashlib.sha256("\n".join(("POST", "/", *content)).encode()).hexdigest()
    signature = hmac.new(KEY.secret.encode(), f"{scheme}\n{digest}".encode(), hashlib.sha256).hexdigest()

    assert sorted(names) == names
    assert {"host", "x-acs-action", "x-acs-date", "x-acs-security-token"} <= set(names)
    assert signature == fields["Signature"]


def test_the_time_of_a_request_is_utc_in_every_zone(imm: ImmServer) -> None:
    """IMM refuses requests that are signed more than 15 minutes before or after its time."""
    code = (
        "from clipstitch.adapters.imm import ImmTaskLookup; from clipstitch.common.credentials import AccessKey; "
        f"ImmTaskLookup({imm.endpoint!r}, 'project', AccessKey('a', 'b'))('MediaConvert-1')"
    )
    environment = {**os.environ, "TZ": "Asia/Shanghai", "PYTHONPATH": str(Path(clipstitch.__file__).parent.parent)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    ((_, headers),) = imm.requests
    sent = datetime.strptime(headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)

    assert abs((SystemClock().now() - sent).total_seconds()) < 60


@pytest.mark.parametrize(("status", "means"), [(200, CloudBusy), (400, None), (503, CloudBusy)])
def test_an_answer_that_is_cut_short_never_raises_an_error_of_a_library(
    imm: ImmServer, status: int, means: type[CloudBusy] | None
) -> None:
    """A refusal keeps its status, which is enough to know what it means."""
    imm.answer({"Status": "Succeeded", "Code": "InvalidArgument"}, status)
    imm.cut = True

    if means is None:
        assert imm.look_up() is None
    else:
        with pytest.raises(means):
            imm.look_up()
