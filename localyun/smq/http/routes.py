"""The HTTP face of SMQ/MNS, version 2015-06-06: finds the action, checks who calls, spells refusals as the vendor does.

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
from localyun.smq.http.request import MnsRequest
from localyun.smq.http.signatures import VERSION, authenticate, check_md5
from localyun.smq.http.xml import CONTENT_TYPE, format_document
from localyun.smq.service import MessageService

Allow = Callable[[Credential, str, str], bool]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Route:
    """An action: method, path with * for names, what permission it needs, and a query parameter that marks it."""

    method: str
    path: str
    action: str
    answer: Callable[[MnsRequest], HttpResponse]
    marker: str = ""

    def takes(self, call: HttpRequest, shape: str) -> bool:
        """Is this the action that a call asks for?"""
        fits = (call.method, shape) == (self.method, self.path)
        return fits and (not self.marker or call.query.get(self.marker) == "true")


# Of two routes that fit, the first counts: those with a marker stand before those without.
ROUTES = (
    Route("GET", "queues", "ListQueue", queues.list_queues),
    Route("PUT", "queues/*", "SetQueueAttributes", queues.set_queue_attributes, "metaoverride"),
    Route("PUT", "queues/*", "CreateQueue", queues.create_queue),
    Route("GET", "queues/*", "GetQueueAttributes", queues.get_queue_attributes),
    Route("DELETE", "queues/*", "DeleteQueue", queues.delete_queue),
    Route("POST", "queues/*/messages", "SendMessage", queues.send_message),
    Route("GET", "queues/*/messages", "PeekMessage", queues.peek_message, "peekonly"),
    Route("GET", "queues/*/messages", "ReceiveMessage", queues.receive_message),
    Route("DELETE", "queues/*/messages", "DeleteMessage", queues.delete_message),
    Route("PUT", "queues/*/messages", "ChangeMessageVisibility", queues.change_visibility),
    Route("GET", "topics", "ListTopic", topics.list_topics),
    Route("PUT", "topics/*", "SetTopicAttributes", topics.set_topic_attributes, "metaoverride"),
    Route("PUT", "topics/*", "CreateTopic", topics.create_topic),
    Route("GET", "topics/*", "GetTopicAttributes", topics.get_topic_attributes),
    Route("DELETE", "topics/*", "DeleteTopic", topics.delete_topic),
    Route("POST", "topics/*/messages", "PublishMessage", topics.publish_message),
    Route("GET", "topics/*/subscriptions", "ListSubscriptionByTopic", topics.list_subscriptions),
    Route(
        "PUT",
        "topics/*/subscriptions/*",
        "SetSubscriptionAttributes",
        topics.set_subscription_attributes,
        "metaoverride",
    ),
    Route("PUT", "topics/*/subscriptions/*", "Subscribe", topics.subscribe),
    Route("GET", "topics/*/subscriptions/*", "GetSubscriptionAttributes", topics.get_subscription_attributes),
    Route("DELETE", "topics/*/subscriptions/*", "Unsubscribe", topics.unsubscribe),
)


def everybody(credential: Credential, action: str, resource: str) -> bool:
    """Allow every action to every key."""
    del credential, action, resource
    return True


class MnsEndpoint:
    """Answers MNS requests from a `MessageService`, and makes that push to http(s) endpoints.

    Make it before the service starts. `allow(credential, "mns:SendMessage", "/queues/q/messages")` decides who
    may do what. `base_url` is where receivers of pushes fetch the certificate; unset, the address that the latest
    caller used.
    """

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        messages: MessageService,
        keyring: Keyring,
        clock: CloudClock,
        account_id: str,
        allow: Allow = everybody,
        base_url: str = "",
        *,
        faults: FaultInjector = NO_FAULTS,
    ) -> None:
        self._faults = faults
        self._messages, self._keyring, self._clock, self._allow = messages, keyring, clock, allow
        self.base_url = base_url
        self._seen = "http://127.0.0.1"
        self._certificate = Certificate(clock)
        push = HttpPush(clock, account_id, self._certificate, lambda: self.base_url or self._seen)
        messages.deliver_to("http://", push)
        messages.deliver_to("https://", push)

    def answer(self, call: HttpRequest) -> HttpResponse:
        """Answer one request, a refused one with the vendor's error document."""
        request_id = self._clock.token(12).upper()
        host = f"http://{call.headers.get('host', '127.0.0.1')}"
        try:
            reply = self._faults.run_request(lambda: self._act(call, host))
        except ServiceError as refusal:
            reply = _refused(refusal, request_id, host)
        except Exception:
            log.exception("MNS %s %s", call.method, call.raw_path)
            fault = ServiceError(500, "InternalError", "Internal error: a fault of the local cloud, see its log.")
            reply = _refused(fault, request_id, host)
        headers = {**reply.headers, "x-mns-request-id": request_id, "x-mns-version": VERSION}
        return replace(reply, headers=headers)

    def _act(self, call: HttpRequest, host: str) -> HttpResponse:
        if (call.method, call.raw_path) == ("GET", CERTIFICATE_PATH):
            return HttpResponse(200, self._certificate.pem(), {"Content-Type": "application/x-pem-file"})
        credential = authenticate(call, self._keyring, self._clock.now(), self._messages.region)
        self._seen = host
        check_md5(call)
        route, names = _find(call)
        resource = _resource(call)
        if not self._allow(credential, f"mns:{route.action}", resource):
            text = f"{credential.principal} may not mns:{route.action} on {resource}; grant it in the role's policy."
            raise ServiceError(403, "AccessDenied", text)
        return route.answer(MnsRequest(call, self._messages, host, names))


def _parts(call: HttpRequest) -> list[str]:
    """Return the parts of a path, decoded."""
    return [unquote(part) for part in call.raw_path.strip("/").split("/")]


def _resource(call: HttpRequest) -> str:
    """Name what a path means, in the one spelling that policies know: no deny is escaped by a slash more."""
    return "/" + "/".join(_parts(call))


def _find(call: HttpRequest) -> tuple[Route, tuple[str, ...]]:
    """Return the action that a request asks for and the names in its path."""
    parts = _parts(call)
    shape = "/".join("*" if place % 2 else part for place, part in enumerate(parts))
    for route in ROUTES:
        if route.takes(call, shape):
            return route, tuple(parts[1::2])[: shape.count("*")]
    text = f"Http request URL format invalid: nothing here answers {call.method} {call.raw_path}."
    raise ServiceError(400, "InvalidRequestURL", text)


def _refused(refusal: ServiceError, request_id: str, host: str) -> HttpResponse:
    """Return the error document. The SDK requires its first four elements; details follow them."""
    told = (("Code", refusal.code), ("Message", refusal.message), ("RequestId", request_id), ("HostId", host))
    body = format_document("Error", [*told, *refusal.details.items()])
    return HttpResponse(refusal.status, body, {"Content-Type": CONTENT_TYPE})
