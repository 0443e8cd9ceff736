"""The doctor and ROS: the request over HTTP, signed by the vendor's client, and what the command says of each state."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO, StringIO
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from clipstitch_cli import exit_codes
from clipstitch_cli.main import main
from localyun.errors import ServiceError
from localyun.http import HttpRequest
from localyun.ram.credentials import Credential, Keyring
from localyun.ram.http.signatures import authenticate
from localyun.server import LocalCloud

ROOT = Path(__file__).parents[2]
Env = Mapping[str, str]


class Ros:
    """An endpoint of ROS with some stacks, which checks signatures; `requests` has action and parameters."""

    def __init__(self, env: Env, stacks: list[dict[str, str]], refusal: tuple[int, str] | None = None) -> None:
        key = Credential(env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
        self._keyring, self._stacks, self._refusal = Keyring(key), stacks, refusal
        self.requests: list[tuple[str, dict[str, str]]] = []

    def answer(self, request: HttpRequest) -> tuple[int, dict[str, Any]]:
        """Answer a request."""
        try:
            authenticate(request, self._keyring, datetime.now(timezone.utc))  # noqa: TID251 - the signature's real time
        except ServiceError as error:
            return error.status, {"Code": error.code, "Message": error.message, "RequestId": "1"}
        action = f"{request.headers['x-acs-action']} {request.headers['x-acs-version']}"
        self.requests.append((action, request.query))
        if self._refusal:
            return self._refusal[0], {"Code": self._refusal[1], "Message": "no", "RequestId": "1"}
        return 200, {"RequestId": "1", "TotalCount": len(self._stacks), "Stacks": self._stacks}


@contextmanager
def serving(ros: Ros) -> Iterator[str]:
    """Serve the endpoint on a free port; yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        """Answers one request."""

        def do_POST(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, document = ros.answer(HttpRequest("POST", path, query, headers, BytesIO(body)))
            text = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Write no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Env]:
    """Run a local cloud that no test changes."""
    with LocalCloud(ROOT) as endpoints:
        yield endpoints.environment()


def examined(env: Env, ros: Ros, **variables: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Run `clipstitch doctor --json`; return its exit code, and the last finding of each check."""
    out = StringIO()
    with serving(ros) as url:
        code = main(["doctor", "--json"], {**env, "ROS_ENDPOINT": url, **variables}, out, StringIO())
    return code, {found["name"]: found for found in json.loads(out.getvalue())}


def test_a_created_stack(shared: Env) -> None:
    """The request asks for one name; everything is OK."""
    ros = Ros(shared, [{"StackName": "clipstitch", "Status": "CREATE_COMPLETE", "StatusReason": ""}])
    code, findings = examined(shared, ros)

    assert (exit_codes.OK, {"ok"}) == (code, {found["state"] for found in findings.values()})
    assert "stack clipstitch is CREATE_COMPLETE" == findings["stack"]["message"]
    expected = {"RegionId": "cn-hangzhou", "StackName.1": "clipstitch", "PageSize": "50"}
    assert [("ListStacks 2019-09-10", expected)] == ros.requests


def test_a_failed_first_deployment(shared: Env) -> None:
    """The reason, what stays, and the commands to go on; nothing else is said to be broken."""
    stack = {"StackName": "staging", "Status": "CREATE_ROLLBACK_COMPLETE", "StatusReason": "Attach: 403\nNoPermission"}
    code, findings = examined(shared, Ros(shared, [stack]), CLIPSTITCH_PREFIX="staging")

    assert exit_codes.ERROR == code
    assert ["stack"] == [name for name, found in findings.items() if found["state"] == "bad"]
    assert (
        "stack staging is CREATE_ROLLBACK_COMPLETE (Attach: 403 NoPermission): ROS can only delete it; "
        "bucket clipstitch stays, attached to IMM project clipstitch"
    ) == findings["stack"]["message"]
    assert (
        "aliyun imm DetachOSSBucket --region cn-hangzhou --OSSBucket clipstitch && s infra remove && "
        "CLIPSTITCH_NEW_BUCKET=false s deploy"
    ) == findings["stack"]["remedy"]
    assert "not checked: the stack has to be deleted first" == findings["functions"]["message"]


@pytest.mark.parametrize(
    "stacks",
    [
        [],
        [{"StackName": "clipstitch-2", "Status": "CREATE_FAILED"}],
        [{"StackName": "clipstitch", "Status": "DELETE_COMPLETE"}],
    ],
)
def test_no_stack_of_that_name(shared: Env, stacks: list[dict[str, str]]) -> None:
    """Neither another stack nor a deleted one counts; that is no error."""
    code, findings = examined(shared, Ros(shared, stacks))

    assert (exit_codes.OK, "skipped") == (code, findings["stack"]["state"])
    assert "there is no stack clipstitch in cn-hangzhou" in findings["stack"]["message"]


def test_without_permission(shared: Env) -> None:
    """The finding names the permission; that is no error."""
    code, findings = examined(shared, Ros(shared, [], refusal=(403, "NoPermission")))

    assert (exit_codes.OK, "skipped") == (code, findings["stack"]["state"])
    assert "ros:ListStacks" in findings["stack"]["remedy"]


@pytest.mark.parametrize(
    "refusal", [(500, "InternalError"), (404, "InvalidAccessKeyId.NotFound"), (400, "NotSupported")]
)
def test_another_error_is_a_warning(shared: Env, refusal: tuple[int, str]) -> None:
    """Jobs do not depend on ROS."""
    code, findings = examined(shared, Ros(shared, [], refusal=refusal))

    assert (exit_codes.OK, "warning") == (code, findings["stack"]["state"])
    assert refusal[1] in findings["stack"]["message"]
    assert "ros-intl.aliyuncs.com" in findings["stack"]["remedy"]


def test_a_request_with_a_wrong_key_is_refused(shared: Env) -> None:
    """The signature is the real one, or the other tests would prove nothing."""
    ros = Ros({**shared, "OSS_ACCESS_KEY_SECRET": "another"}, [])
    _, findings = examined(shared, ros)

    assert [] == ros.requests
    assert "SignatureDoesNotMatch" in findings["stack"]["message"]


def test_without_an_endpoint_the_check_is_skipped(shared: Env) -> None:
    """The doctor asks the vendor's ROS only beside the vendor's OSS."""
    out = StringIO()
    code = main(["doctor", "--json"], {**shared, "ROS_ENDPOINT": ""}, out, StringIO())
    findings = {found["name"]: found for found in json.loads(out.getvalue())}

    assert (exit_codes.OK, "skipped") == (code, findings["stack"]["state"])
    assert "not checked: ROS_ENDPOINT is not set" == findings["stack"]["message"]
