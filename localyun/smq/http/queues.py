"""The MNS actions on queues and their messages, one function each: XML in, core call, XML out."""

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.smq.http.request import MnsRequest, document, listed, made, truth
from localyun.smq.http.xml import Element, Node, format_properties, parse_properties
from localyun.smq.values import MAX_BATCH, Message, Outgoing, Queue, to_ms

NUMBERS = {
    "DelaySeconds": "delay_seconds",
    "MaximumMessageSize": "maximum_message_size",
    "MessageRetentionPeriod": "message_retention_period",
    "VisibilityTimeout": "visibility_timeout",
    "PollingWaitSeconds": "polling_wait_seconds",
}


def create_queue(request: MnsRequest) -> HttpResponse:
    """CreateQueue: 201 for a new queue, 204 for the same again, 409 for a differing one."""
    name = request.names[0]
    new = request.service.queues.create(name, **_attributes(request))
    return made(new, request.url("queues", name))


def set_queue_attributes(request: MnsRequest) -> HttpResponse:
    """SetQueueAttributes: changes what the document names."""
    request.service.queues.change(request.names[0], **_attributes(request))
    return HttpResponse(204)


def get_queue_attributes(request: MnsRequest) -> HttpResponse:
    """GetQueueAttributes: all twelve elements that the SDK requires."""
    return document(200, "Queue", _queue(request.service.queues.get(request.names[0])))


def delete_queue(request: MnsRequest) -> HttpResponse:
    """DeleteQueue: with its messages."""
    request.service.queues.delete(request.names[0])
    request.service.mailbox.wake()
    return HttpResponse(204)


def list_queues(request: MnsRequest) -> HttpResponse:
    """ListQueue: addresses, and attributes on request."""
    page = request.service.queues.names(*request.paging())
    items: list[Node] = []
    for name in page.names:
        meta = _queue(request.service.queues.get(name)) if request.with_meta() else []
        items.append(("Queue", [("QueueURL", request.url("queues", name)), *meta]))
    return listed("Queues", items, page)


def send_message(request: MnsRequest) -> HttpResponse:
    """SendMessage and BatchSendMessage: the document's root tells which."""
    root = request.xml("Message", "Messages")
    batch = root.name == "Messages"
    messages = [_outgoing(item) for item in (root.children("Message") if batch else [root])]
    sent = [_receipt(message) for message in request.service.mailbox.send(request.names[0], *messages)]
    if batch:
        return document(201, "Messages", [("Message", receipt) for receipt in sent])
    return document(201, "Message", sent[0])


def receive_message(request: MnsRequest) -> HttpResponse:
    """ReceiveMessage and BatchReceiveMessage: 404 MessageNotExist when none came in time."""
    wait, count = request.number("waitseconds", 0, 30), request.number("numOfMessages", 1, MAX_BATCH)
    return _messages(request.service.mailbox.receive(request.names[0], wait, count or 1), count, held=True)


def peek_message(request: MnsRequest) -> HttpResponse:
    """PeekMessage and BatchPeekMessage: what a receiver would get, without taking it."""
    count = request.number("numOfMessages", 1, MAX_BATCH)
    return _messages(request.service.mailbox.peek(request.names[0], count or 1), count, held=False)


def delete_message(request: MnsRequest) -> HttpResponse:
    """DeleteMessage by the query's handle, BatchDeleteMessage by the document's."""
    if "ReceiptHandle" not in request.call.query and request.given():
        return _delete_many(request)
    request.service.mailbox.delete(request.names[0], request.handle())
    return HttpResponse(204)


def change_visibility(request: MnsRequest) -> HttpResponse:
    """ChangeMessageVisibility: the reply has a new handle."""
    handle, seconds = request.handle(), request.number("VisibilityTimeout", 1, 43_200)
    if seconds is None:
        raise ServiceError(400, "MissingVisibilityTimeout", "VisibilityTimeout is required, as a query parameter.")
    held = request.service.mailbox.change_visibility(request.names[0], handle, seconds)
    nodes: list[Node] = [("ReceiptHandle", held.receipt_handle), ("NextVisibleTime", to_ms(held.next_visible_time))]
    return document(200, "ChangeVisibility", nodes)


def _delete_many(request: MnsRequest) -> HttpResponse:
    """Delete what can be deleted; name the handles that cannot, as the SDK expects: a 4xx with a list."""
    handles = [item.text for item in request.xml("ReceiptHandles").children("ReceiptHandle")]
    if not 1 <= len(handles) <= MAX_BATCH:
        raise ServiceError(400, "InvalidArgument", f"A batch has 1 to {MAX_BATCH} handles, not {len(handles)}.")
    refusals = {handle: _deletion(request, handle) for handle in handles}
    problems = [(handle, refusal) for handle, refusal in refusals.items() if refusal]
    if not problems:
        return HttpResponse(204)
    return document(problems[0][1].status, "Errors", [_problem(*problem) for problem in problems])


def _deletion(request: MnsRequest, handle: str) -> ServiceError | None:
    """Delete one message; return why that was not possible. A missing queue is the whole request's fault."""
    try:
        request.service.mailbox.delete(request.names[0], handle)
    except ServiceError as refusal:
        if refusal.code == "QueueNotExist":
            raise
        return refusal
    return None


def _problem(handle: str, refusal: ServiceError) -> Node:
    texts = (("ErrorCode", refusal.code), ("ErrorMessage", refusal.message), ("ReceiptHandle", handle))
    return "Error", texts


def _attributes(request: MnsRequest) -> dict[str, int | bool]:
    """Return the attributes that a Queue document names; a request without a body names none."""
    if not request.given():
        return {}
    root = request.xml("Queue")
    numbers = {ours: root.number(theirs) for theirs, ours in NUMBERS.items()}
    attributes: dict[str, int | bool] = {name: value for name, value in numbers.items() if value is not None}
    if logging := root.get("LoggingEnabled"):
        attributes["logging_enabled"] = truth(logging)
    return attributes


def _queue(queue: Queue) -> list[Node]:
    settings: list[Node] = [(theirs, getattr(queue.attributes, ours)) for theirs, ours in NUMBERS.items()]
    return [
        ("QueueName", queue.name),
        ("CreateTime", to_ms(queue.create_time) // 1000),
        ("LastModifyTime", to_ms(queue.last_modify_time) // 1000),
        *settings,
        ("ActiveMessages", queue.active),
        ("InactiveMessages", queue.inactive),
        ("DelayMessages", queue.delayed),
        ("LoggingEnabled", str(queue.attributes.logging_enabled)),
    ]


def _outgoing(message: Element) -> Outgoing:
    priority = message.number("Priority")
    delay, properties = message.number("DelaySeconds"), parse_properties(message)
    return Outgoing(message.get("MessageBody"), delay, 8 if priority is None else priority, properties)


def _receipt(message: Message) -> list[Node]:
    return [("MessageId", message.message_id), ("MessageBodyMD5", message.body_md5)]


def _messages(messages: list[Message], count: int | None, *, held: bool) -> HttpResponse:
    """HttpResponse with messages: a list when the request gave a number, a single one otherwise."""
    if not messages:
        raise ServiceError(404, "MessageNotExist", "Message not exist: no message is visible in this queue now.")
    if count is None:
        return document(200, "Message", _message(messages[0], held=held))
    return document(200, "Messages", [("Message", _message(message, held=held)) for message in messages])


def _message(message: Message, *, held: bool) -> list[Node]:
    """Return the elements of a message: nine for its holder, seven for one who peeks. All are required."""
    first = message.first_dequeue_time
    nodes: list[Node] = [
        *_receipt(message),
        ("MessageBody", message.body),
        ("EnqueueTime", to_ms(message.enqueue_time)),
        ("FirstDequeueTime", to_ms(first) if first else 0),
        ("DequeueCount", message.dequeue_count),
        ("Priority", message.priority),
        *format_properties(message.properties),
    ]
    if held:
        next_visible = ("NextVisibleTime", to_ms(message.next_visible_time))
        nodes += [("ReceiptHandle", message.receipt_handle), next_visible]
    return nodes
