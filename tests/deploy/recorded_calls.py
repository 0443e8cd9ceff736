"""The calls that Serverless Devs made when it deployed this project, and how they are sent again without the tool.

A recorded call has no time, nonce, key or signature; it is signed when it is sent again. What a run makes itself, such
as a stack's id, is a placeholder: `{StackId}`. Bodies that are files of this project are named, not copied.
`record_calls` writes the file.
"""

import hashlib
import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

import oss2
from alibabacloud_tea_openapi.utils import Utils
from fc2.auth import Auth as FcAuth

from localyun.clock import HostClock
from tests.deploy.tools import ROOT

FILE = Path(__file__).parent / "serverless_devs_calls.json"
OLD_FC = "/2016-08-15/"
TEMPLATE, PACKAGE = "@template.yml", "@package:"  # a form with the template; the zip file of a function
NAMES = ("StackId", "ossBucket", "objectName")  # the fields of answers that later calls repeat
KEPT_HEADERS = frozenset(
    {"content-type", "x-acs-action", "x-acs-version", "x-fc-account-id", "x-fc-invocation-type", "x-fc-log-type"}
    | {"x-fc-disable-list-remote-eb-triggers", "x-fc-disable-list-remote-alb-triggers", "transfer-encoding"}
)
CHUNK_BYTES = 64 << 10
POLL_S, TIMEOUT_S = 0.1, 60
CLOCK = HostClock()


class Call(NamedTuple):
    """One call. `target` is the path with the query; `status` is that of the answer.

    `headers` has a host for OSS only, whose client names the bucket there; for other services it is the endpoint's.
    `body` is text, or the name of a file. `final` is the stack's status that an answer to GetStack had.
    """

    service: str
    method: str
    target: str
    headers: dict[str, str]
    body: str
    status: int
    final: str = ""


class Answer(NamedTuple):
    """A status and a JSON object, which is empty for other content."""

    status: int
    document: Mapping[str, Any]


class Target(NamedTuple):
    """Where calls go: the host and port of each service, a key, and how a service is connected to."""

    hosts: Mapping[str, str]
    key_id: str
    key_secret: str
    connect: Callable[[str], http.client.HTTPConnection]


def load() -> dict[str, list[Call]]:
    """Return the recorded calls of each command, in their order."""
    recorded = json.loads(FILE.read_text("utf-8"))
    return {command: [Call(**call) for call in calls] for command, calls in recorded.items()}


def save(recorded: Mapping[str, Sequence[Call]]) -> None:
    """Write calls to the file, one on each line."""
    parts = []
    for command, calls in recorded.items():
        lines = ",\n".join(json.dumps(call._asdict(), ensure_ascii=False) for call in calls)
        parts.append(f"{json.dumps(command)}: [\n{lines}\n]")
    FILE.write_text("{" + ",\n".join(parts) + "}\n", "utf-8")


def json_object(content: bytes) -> dict[str, Any]:
    """Return a JSON object; it is empty for other content."""
    try:
        document = json.loads(content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def named_values(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the values of an answer that later calls repeat, by their names."""
    return ((name, document[name]) for name in NAMES if isinstance(document.get(name), str))


class Replay:
    """Sends recorded calls; `packages` has the zip file of each function."""

    def __init__(self, target: Target, packages: Mapping[str, bytes]) -> None:
        self._target, self._packages = target, packages
        self._values: dict[str, str] = {}
        self._upload_key: Mapping[str, str] = {}

    def send(self, calls: Sequence[Call]) -> list[Answer]:
        """Send calls in their order, each after the answer to the one before; return the answers."""
        return [self._answer(call) for call in calls]

    def _answer(self, call: Call) -> Answer:
        """Send a call, again and again if it waits for a status of the stack."""
        deadline = time.monotonic() + TIMEOUT_S
        answer = self._send(call)
        while call.final and answer.document.get("Status") != call.final:
            assert time.monotonic() < deadline, answer
            time.sleep(POLL_S)
            answer = self._send(call)
        self._values |= dict(named_values(answer.document))
        self._upload_key = answer.document.get("credentials", self._upload_key)
        return answer

    def _send(self, call: Call) -> Answer:
        target, body = self._filled(call.target), self._content(call.body)
        headers = {"host": self._target.hosts[call.service]}
        headers |= {name: self._filled(value) for name, value in call.headers.items()}
        self._sign(call, target, headers, body)
        connection = self._target.connect(call.service)
        if "transfer-encoding" in headers:
            chunks = (body[start : start + CHUNK_BYTES] for start in range(0, len(body), CHUNK_BYTES))
            connection.request(call.method, target, chunks, headers, encode_chunked=True)
        else:
            connection.request(call.method, target, body or None, headers)
        response = connection.getresponse()
        answer = Answer(response.status, json_object(response.read()))
        connection.close()
        return answer

    def _filled(self, text: str) -> str:
        for name, value in self._values.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def _content(self, body: str) -> bytes:
        if body == TEMPLATE:
            return urlencode({"TemplateBody": (ROOT / "template.yml").read_text("utf-8")}).encode()
        if body.startswith(PACKAGE):
            return self._packages[body.removeprefix(PACKAGE)]
        return self._filled(body).encode()

    def _sign(self, call: Call, target: str, headers: dict[str, str], body: bytes) -> None:
        """Add the headers of a signature, made by the vendor's library for the API."""
        url, key = urlsplit(target), (self._target.key_id, self._target.key_secret)
        if call.service == "oss":
            self._sign_for_oss(call.method, url.path, headers)
        elif target.startswith(OLD_FC):
            headers["date"] = format_datetime(CLOCK.now(), usegmt=True)
            headers["authorization"] = FcAuth(*key).sign_request(call.method, url.path, headers)
        else:
            headers["x-acs-date"] = CLOCK.now().strftime("%Y-%m-%dT%H:%M:%SZ")
            headers["x-acs-signature-nonce"] = CLOCK.token()
            headers["x-acs-content-sha256"] = payload = hashlib.sha256(body).hexdigest()
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            request = SimpleNamespace(method=call.method, pathname=url.path, query=query, headers=headers)
            headers["authorization"] = Utils.get_authorization(request, "ACS3-HMAC-SHA256", payload, *key)

    def _sign_for_oss(self, method: str, path: str, headers: dict[str, str]) -> None:
        """Sign an upload with the temporary key in the answer before it."""
        upload, request = self._upload_key, SimpleNamespace(method=method, headers=headers, params={})
        auth = oss2.StsAuth(upload["AccessKeyId"], upload["AccessKeySecret"], upload["SecurityToken"])
        auth._sign_request(request, headers["host"].partition(".")[0], path.removeprefix("/"))
