"""The actions that queues and topics have in common, as methods: create, change, get, delete, list."""

from collections.abc import Callable, Mapping
from typing import Any

from localyun.http import HttpResponse
from localyun.smq.http.request import MnsRequest, created, document, parse_boolean, reply_with_page
from localyun.smq.http.xml import Node
from localyun.smq.queues import Queues
from localyun.smq.service import MessageService
from localyun.smq.topics import Topics
from localyun.smq.values import QueueDescription, TopicDescription, to_ms


class ResourceActions:
    """The actions on queues or on topics.

    `root` is the document's element. `integers` maps the settable elements to attributes. `counts` returns the elements
    that only a description has.
    """

    def __init__(
        self,
        root: str,
        resources: Callable[[MessageService], Queues | Topics],
        integers: Mapping[str, str],
        counts: Callable[[Any], list[Node]],
    ) -> None:
        self._root, self._resources, self._integers, self._counts = root, resources, integers, counts
        self._collection = f"{root.lower()}s"

    def create(self, request: MnsRequest) -> HttpResponse:
        """CreateQueue, CreateTopic: 201 if it is new, 204 if an equal one exists, 409 if a different one exists."""
        name = request.names[0]
        new = self._resources(request.service).create(name, **self._attributes(request))
        return created(new, request.url(self._collection, name))

    def change(self, request: MnsRequest) -> HttpResponse:
        """SetQueueAttributes, SetTopicAttributes: change the attributes in the document."""
        self._resources(request.service).change(request.names[0], **self._attributes(request))
        return HttpResponse(204)

    def get(self, request: MnsRequest) -> HttpResponse:
        """GetQueueAttributes, GetTopicAttributes: all twelve or seven elements that the SDK requires."""
        return document(200, self._root, self._describe(self._resources(request.service).get(request.names[0])))

    def delete(self, request: MnsRequest) -> HttpResponse:
        """DeleteQueue, DeleteTopic: with its messages, with its subscriptions."""
        self._resources(request.service).delete(request.names[0])
        request.service.messages.wake()
        return HttpResponse(204)

    def list_names(self, request: MnsRequest) -> HttpResponse:
        """ListQueue, ListTopic: addresses, and attributes on request."""
        resources = self._resources(request.service)
        page = resources.names(*request.paging())
        items: list[Node] = []
        for name in page.names:
            attributes = self._describe(resources.get(name)) if request.with_meta() else []
            items.append((self._root, [(f"{self._root}URL", request.url(self._collection, name)), *attributes]))
        return reply_with_page(f"{self._root}s", items, page)

    def _attributes(self, request: MnsRequest) -> dict[str, int | bool]:
        """Return the attributes in the document; a request without a body has none."""
        if not request.call.read():
            return {}
        root = request.xml(self._root)
        values = {attribute: root.number(element) for element, attribute in self._integers.items()}
        attributes: dict[str, int | bool] = {name: value for name, value in values.items() if value is not None}
        if logging := root.get("LoggingEnabled"):
            attributes["logging_enabled"] = parse_boolean(logging)
        return attributes

    def _describe(self, resource: QueueDescription | TopicDescription) -> list[Node]:
        integers = [(name, getattr(resource.attributes, attribute)) for name, attribute in self._integers.items()]
        return [
            (f"{self._root}Name", resource.name),
            *times(resource),
            *integers,
            *self._counts(resource),
            ("LoggingEnabled", str(resource.attributes.logging_enabled)),
        ]


def times(resource: Any) -> list[Node]:
    """Return the elements of a resource's times, in seconds since 1970."""
    created_at, modified_at = resource.create_time, resource.last_modify_time
    return [("CreateTime", to_ms(created_at) // 1000), ("LastModifyTime", to_ms(modified_at) // 1000)]
