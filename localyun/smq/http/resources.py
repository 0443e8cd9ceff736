"""The actions that queues and topics have in common, as methods: create, change, get, delete, list."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localyun.http import HttpResponse
from localyun.smq.http.request import MnsRequest, created, document, parse_boolean, reply_with_page
from localyun.smq.http.xml import Node, parse_integer
from localyun.smq.queues import Queues
from localyun.smq.service import MessageService
from localyun.smq.topics import Topics
from localyun.smq.values import QueueDescription, TopicDescription, to_ms


@dataclass(frozen=True)
class ResourceActions:
    """The actions on queues or on topics.

    `root` is the document's element. `integers` maps the settable elements to attributes, `counts` those that only a
    description has to its fields.
    """

    root: str
    resources: Callable[[MessageService], Queues | Topics]
    integers: Mapping[str, str]
    counts: Mapping[str, str]

    def create(self, request: MnsRequest) -> HttpResponse:
        """CreateQueue, CreateTopic: 201 if it is new, 204 if an equal one exists, 409 if a different one exists."""
        new = self.resources(request.service).create(request.names[0], **self._attributes(request))
        return created(new, self._url(request, request.names[0]))

    def change(self, request: MnsRequest) -> HttpResponse:
        """SetQueueAttributes, SetTopicAttributes: change the attributes in the document."""
        self.resources(request.service).change(request.names[0], **self._attributes(request))
        return HttpResponse(204)

    def get(self, request: MnsRequest) -> HttpResponse:
        """GetQueueAttributes, GetTopicAttributes: all twelve or seven elements that the SDK requires."""
        return document(200, self.root, self._describe(self.resources(request.service).get(request.names[0])))

    def delete(self, request: MnsRequest) -> HttpResponse:
        """DeleteQueue, DeleteTopic: with its messages, with its subscriptions."""
        self.resources(request.service).delete(request.names[0])
        request.service.messages.wake()
        return HttpResponse(204)

    def list_names(self, request: MnsRequest) -> HttpResponse:
        """ListQueue, ListTopic: addresses, and attributes on request."""
        resources = self.resources(request.service)
        page = resources.names(*request.paging())
        with_meta = request.call.headers.get("x-mns-with-meta", "").lower() == "true"
        items: list[Node] = []
        for name in page.names:
            attributes = self._describe(resources.get(name)) if with_meta else []
            items.append((self.root, [(f"{self.root}URL", self._url(request, name)), *attributes]))
        return reply_with_page(f"{self.root}s", items, page)

    def _attributes(self, request: MnsRequest) -> dict[str, int | bool]:
        """Return the attributes in the document; a request without a body has none."""
        if not request.call.read():
            return {}
        root = request.xml(self.root)
        values = {attribute: parse_integer(root, element) for element, attribute in self.integers.items()}
        attributes: dict[str, int | bool] = {name: value for name, value in values.items() if value is not None}
        if logging := root.findtext("LoggingEnabled"):
            attributes["logging_enabled"] = parse_boolean(logging)
        return attributes

    def _url(self, request: MnsRequest, name: str) -> str:
        return request.url(f"{self.root.lower()}s", name)

    def _describe(self, resource: QueueDescription | TopicDescription) -> list[Node]:
        integers = [(name, getattr(resource.attributes, attribute)) for name, attribute in self.integers.items()]
        counts = [(name, getattr(resource, field)) for name, field in self.counts.items()]
        return [
            (f"{self.root}Name", resource.name),
            *times(resource),
            *integers,
            *counts,
            ("LoggingEnabled", str(resource.attributes.logging_enabled)),
        ]


def times(resource: Any) -> list[Node]:
    """Return the elements of a resource's times, in seconds since 1970."""
    created_at, modified_at = resource.create_time, resource.last_modify_time
    return [("CreateTime", to_ms(created_at) // 1000), ("LastModifyTime", to_ms(modified_at) // 1000)]
