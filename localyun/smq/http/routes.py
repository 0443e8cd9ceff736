"""SMQ/MNS over HTTP, version 2015-06-06: selects the action, authenticates and authorizes, formats errors.

PUT GET DELETE   /queues/Q   /topics/T   /topics/T/subscriptions/S     (PUT ?metaoverride=true changes)
GET              /queues     /topics     /topics/T/subscriptions       (pages by x-mns-* headers)
POST GET PUT DELETE /queues/Q/messages   POST /topics/T/messages
GET PUT          /?accountmeta=true      POST PUT /commonbuy/openservice
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from localyun.endpoint import Endpoint
from localyun.errors import ServiceError
from localyun.http import HttpRequest, HttpResponse
from localyun.smq.http import account, queues, topics
from localyun.smq.http.push import CERTIFICATE_PATH, Certificate, HttpPush
from localyun.smq.http.queues import QUEUE
from localyun.smq.http.request import MnsRequest
from localyun.smq.http.signatures import VERSION, authenticate, check_md5
from localyun.smq.http.topics import TOPIC
from localyun.smq.http.xml import CONTENT_TYPE, format_document
from localyun.smq.service import MessageService


@dataclass(frozen=True)
class MnsRoute:
    """An action: its method, its path with * for names, its permission, and the query parameter that marks it."""

    method: str
    path: str
    action: str
    answer: Callable[[MnsRequest], HttpResponse]
    marker: str = ""

    def names(self, call: HttpRequest, parts: Sequence[str]) -> tuple[str, ...] | None:
        """Return the names in the path of a call that requests this action; None if it requests another one."""
        expected = self.path.split("/")
        marked = not self.marker or call.query.get(self.marker) == "true"
        if not marked or call.method != self.method or len(parts) != len(expected):
            return None
        if any(pattern not in ("*", part) for pattern, part in zip(expected, parts, strict=True)):
            return None
        return tuple(part for pattern, part in zip(expected, parts, strict=True) if pattern == "*")


_SUBSCRIPTION = "topics/*/subscriptions/*"
# The first matching route counts: those with a marker precede those without.
ROUTES = (
    MnsRoute("GET", "", "GetAccountAttributes", account.get_attributes, "accountmeta"),
    MnsRoute("PUT", "", "SetAccountAttributes", account.set_attributes, "accountmeta"),
    MnsRoute("POST", "commonbuy/openservice", "OpenService", account.open_service),
    MnsRoute("PUT", "commonbuy/openservice", "OpenService", account.open_service),
    MnsRoute("GET", "queues", "ListQueue", QUEUE.list_names),
    MnsRoute("PUT", "queues/*", "SetQueueAttributes", QUEUE.change, "metaoverride"),
    MnsRoute("PUT", "queues/*", "CreateQueue", QUEUE.create),
    MnsRoute("GET", "queues/*", "GetQueueAttributes", QUEUE.get),
    MnsRoute("DELETE", "queues/*", "DeleteQueue", QUEUE.delete),
    MnsRoute("POST", "queues/*/messages", "SendMessage", queues.send_message),
    MnsRoute("GET", "queues/*/messages", "PeekMessage", queues.peek_message, "peekonly"),
    MnsRoute("GET", "queues/*/messages", "ReceiveMessage", queues.receive_message),
    MnsRoute("DELETE", "queues/*/messages", "DeleteMessage", queues.delete_message),
    MnsRoute("PUT", "queues/*/messages", "ChangeMessageVisibility", queues.change_visibility),
    MnsRoute("GET", "topics", "ListTopic", TOPIC.list_names),
    MnsRoute("PUT", "topics/*", "SetTopicAttributes", TOPIC.change, "metaoverride"),
    MnsRoute("PUT", "topics/*", "CreateTopic", TOPIC.create),
    MnsRoute("GET", "topics/*", "GetTopicAttributes", TOPIC.get),
    MnsRoute("DELETE", "topics/*", "DeleteTopic", TOPIC.delete),
    MnsRoute("POST", "topics/*/messages", "PublishMessage", topics.publish_message),
    MnsRoute("GET", "topics/*/subscriptions", "ListSubscriptionByTopic", topics.list_subscriptions),
    MnsRoute("PUT", _SUBSCRIPTION, "SetSubscriptionAttributes", topics.set_subscription_attributes, "metaoverride"),
    MnsRoute("PUT", _SUBSCRIPTION, "Subscribe", topics.subscribe),
    MnsRoute("GET", _SUBSCRIPTION, "GetSubscriptionAttributes", topics.get_subscription_attributes),
    MnsRoute("DELETE", _SUBSCRIPTION, "Unsubscribe", topics.unsubscribe),
)


@dataclass(eq=False)
class MnsEndpoint(Endpoint):
    """The HTTP endpoint of a `MessageService`; it also registers the pushes to http(s) endpoints.

    Create it before the service starts. `allow(credential, "mns:SendMessage", queue)` returns True if the key
    may call it. `base_url` is where receivers of pushes fetch the certificate; if unset, the address that the
    latest caller used.
    """

    messages: MessageService
    account_id: str
    base_url: str = ""
    _latest_host: str = field(default="http://127.0.0.1", init=False)

    def __post_init__(self) -> None:
        self._certificate = Certificate(self.clock)
        push = HttpPush(self.clock, self.account_id, self._certificate, lambda: self.base_url or self._latest_host)
        self.messages.deliver_to("http://", push)
        self.messages.deliver_to("https://", push)

    def complete(self, response: HttpResponse, request_id: str, _seconds: float) -> HttpResponse:
        """Add the request id and the version."""
        return replace(response, headers={**response.headers, "x-mns-request-id": request_id, "x-mns-version": VERSION})

    def dispatch(self, call: HttpRequest, _request_id: str) -> HttpResponse:
        """Authenticate and authorize a request, then execute its action; the certificate is public."""
        if (call.method, call.raw_path) == ("GET", CERTIFICATE_PATH):
            return HttpResponse(200, self._certificate.pem(), {"Content-Type": "application/x-pem-file"})
        credential = authenticate(call, self.keyring, self.clock.now(), self.messages.region)
        self._latest_host = host = _host(call)
        check_md5(call)
        route, names = _find(call)
        resource = "/" + "/".join(_parts(call))
        if not self.permits(call, credential, f"mns:{route.action}", *names):
            message = f"{credential.principal} may not mns:{route.action} on {resource}; grant it in the role's policy."
            raise ServiceError(403, "AccessDenied", message)
        return route.answer(MnsRequest(call, self.messages, host, names))

    def error_response(self, call: HttpRequest, error: ServiceError, request_id: str) -> HttpResponse:
        """Return the error document. The SDK requires its first four elements; details follow them."""
        fixed = (("Code", error.code), ("Message", error.message), ("RequestId", request_id), ("HostId", _host(call)))
        body = format_document("Error", [*fixed, *error.details.items()])
        return HttpResponse(error.status, body, {"Content-Type": CONTENT_TYPE})


def _host(call: HttpRequest) -> str:
    """Return the URL at which the caller addresses this endpoint."""
    return f"http://{call.headers.get('host', '127.0.0.1')}"


def _parts(call: HttpRequest) -> list[str]:
    """Return the decoded parts of the path."""
    return [unquote(part) for part in call.raw_path.strip("/").split("/")]


def _find(call: HttpRequest) -> tuple[MnsRoute, tuple[str, ...]]:
    """Return the requested action and the names in its path."""
    parts = _parts(call)
    for route in ROUTES:
        if (names := route.names(call, parts)) is not None:
            return route, names
    message = f"Http request URL format invalid: {call.method} {call.raw_path} is not supported."
    raise ServiceError(400, "InvalidRequestURL", message)
