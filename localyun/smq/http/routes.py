"""SMQ/MNS over HTTP, version 2015-06-06: selects the action, authenticates and authorizes, formats errors.

PUT GET DELETE   /queues/Q   /topics/T   /topics/T/subscriptions/S     (PUT ?metaoverride=true changes)
GET              /queues     /topics     /topics/T/subscriptions       (pages by x-mns-* headers)
POST GET PUT DELETE /queues/Q/messages   POST /topics/T/messages
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import unquote

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.http import HttpRequest, HttpResponse
from localyun.ram.credentials import Credential, Keyring
from localyun.smq.http import queues, topics
from localyun.smq.http.push import CERTIFICATE_PATH, Certificate, HttpPush
from localyun.smq.http.queues import QUEUE
from localyun.smq.http.request import MnsRequest
from localyun.smq.http.signatures import VERSION, authenticate, check_md5
from localyun.smq.http.topics import TOPIC
from localyun.smq.http.xml import CONTENT_TYPE, format_document
from localyun.smq.service import MessageService

Allow = Callable[[Credential, str, str], bool]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MnsRoute:
    """An action: its method, its path with * for names, its permission, and the query parameter that marks it."""

    method: str
    path: str
    action: str
    answer: Callable[[MnsRequest], HttpResponse]
    marker: str = ""

    def matches(self, call: HttpRequest, pattern: str) -> bool:
        """Return True if a call, whose path has the given pattern, requests this action."""
        same = (call.method, pattern) == (self.method, self.path)
        return same and (not self.marker or call.query.get(self.marker) == "true")


_SUBSCRIPTION = "topics/*/subscriptions/*"
# The first matching route counts: those with a marker precede those without.
ROUTES = (
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


class MnsEndpoint:
    """The HTTP endpoint of a `MessageService`; it also registers the pushes to http(s) endpoints.

    Create it before the service starts. `allow(credential, "mns:SendMessage", "/queues/q/messages")` returns True if
    the key may call it. `base_url` is where receivers of pushes fetch the certificate; if unset, the address that the
    latest caller used.
    """

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        messages: MessageService,
        keyring: Keyring,
        clock: CloudClock,
        account_id: str,
        allow: Allow = lambda *_: True,
        base_url: str = "",
        *,
        faults: FaultInjector = NO_FAULTS,
    ) -> None:
        self._faults = faults
        self._messages, self._keyring, self._clock, self._allow = messages, keyring, clock, allow
        self.base_url = base_url
        self._latest_host = "http://127.0.0.1"
        self._certificate = Certificate(clock)
        push = HttpPush(clock, account_id, self._certificate, lambda: self.base_url or self._latest_host)
        messages.deliver_to("http://", push)
        messages.deliver_to("https://", push)

    def answer(self, call: HttpRequest) -> HttpResponse:
        """Return the reply to a request; a rejected one gets the vendor's error document."""
        request_id = self._clock.token(12).upper()
        host = f"http://{call.headers.get('host', '127.0.0.1')}"
        try:
            reply = self._faults.run_request(lambda: self._dispatch(call, host))
        except ServiceError as error:
            reply = _error_response(error, request_id, host)
        except Exception:
            log.exception("MNS %s %s", call.method, call.raw_path)
            internal = ServiceError(500, "InternalError", "An internal error of the local cloud; see its log.")
            reply = _error_response(internal, request_id, host)
        headers = {**reply.headers, "x-mns-request-id": request_id, "x-mns-version": VERSION}
        return replace(reply, headers=headers)

    def _dispatch(self, call: HttpRequest, host: str) -> HttpResponse:
        if (call.method, call.raw_path) == ("GET", CERTIFICATE_PATH):
            return HttpResponse(200, self._certificate.pem(), {"Content-Type": "application/x-pem-file"})
        credential = authenticate(call, self._keyring, self._clock.now(), self._messages.region)
        self._latest_host = host
        check_md5(call)
        route, names = _find(call)
        resource = "/" + "/".join(_parts(call))  # normalized, so that an extra slash cannot evade a deny
        if not self._allow(credential, f"mns:{route.action}", resource):
            message = f"{credential.principal} may not mns:{route.action} on {resource}; grant it in the role's policy."
            raise ServiceError(403, "AccessDenied", message)
        return route.answer(MnsRequest(call, self._messages, host, names))


def _parts(call: HttpRequest) -> list[str]:
    """Return the decoded parts of the path."""
    return [unquote(part) for part in call.raw_path.strip("/").split("/")]


def _find(call: HttpRequest) -> tuple[MnsRoute, tuple[str, ...]]:
    """Return the requested action and the names in its path."""
    parts = _parts(call)
    pattern = "/".join("*" if index % 2 else part for index, part in enumerate(parts))
    for route in ROUTES:
        if route.matches(call, pattern):
            return route, tuple(parts[1::2])
    message = f"Http request URL format invalid: {call.method} {call.raw_path} is not supported."
    raise ServiceError(400, "InvalidRequestURL", message)


def _error_response(error: ServiceError, request_id: str, host: str) -> HttpResponse:
    """Return the error document. The SDK requires its first four elements; details follow them."""
    fixed = (("Code", error.code), ("Message", error.message), ("RequestId", request_id), ("HostId", host))
    body = format_document("Error", [*fixed, *error.details.items()])
    return HttpResponse(error.status, body, {"Content-Type": CONTENT_TYPE})
