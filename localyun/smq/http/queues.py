"""The MNS actions on queues and their messages: XML in, a call of the service, XML out."""

from xml.etree.ElementTree import Element

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.smq.http.request import MnsRequest, document
from localyun.smq.http.resources import ResourceActions
from localyun.smq.http.xml import Node, format_properties, parse_integer, parse_properties
from localyun.smq.values import MAX_BATCH, QUEUE_ELEMENTS, Message, OutgoingMessage, to_ms

COUNTS = {"ActiveMessages": "active", "InactiveMessages": "inactive", "DelayMessages": "delayed"}
QUEUE = ResourceActions("Queue", lambda service: service.queues, QUEUE_ELEMENTS, COUNTS)


def send_message(request: MnsRequest) -> HttpResponse:
    """SendMessage and BatchSendMessage, distinguished by the document's root."""
    root = request.xml("Message", "Messages")
    batch = root.tag == "Messages"
    messages = [_outgoing(item) for item in (root.findall("Message") if batch else [root])]
    sent = [_sent(message) for message in request.service.messages.send(request.names[0], *messages)]
    if batch:
        return document(201, "Messages", [("Message", receipt) for receipt in sent])
    return document(201, "Message", sent[0])


def receive_message(request: MnsRequest) -> HttpResponse:
    """ReceiveMessage and BatchReceiveMessage: 404 MessageNotExist if none arrives in time."""
    wait, count = request.number("waitseconds", 0, 30), request.number("numOfMessages", 1, MAX_BATCH)
    return _reply(request.service.messages.receive(request.names[0], wait, count or 1), count, received=True)


def peek_message(request: MnsRequest) -> HttpResponse:
    """PeekMessage and BatchPeekMessage: the next messages, without receiving them."""
    count = request.number("numOfMessages", 1, MAX_BATCH)
    return _reply(request.service.messages.peek(request.names[0], count or 1), count, received=False)


def delete_message(request: MnsRequest) -> HttpResponse:
    """DeleteMessage by the handle in the query, BatchDeleteMessage by the handles in the document."""
    if "ReceiptHandle" not in request.call.query and request.call.read():
        return _delete_batch(request)
    request.service.messages.delete(request.names[0], request.handle())
    return HttpResponse(204)


def change_visibility(request: MnsRequest) -> HttpResponse:
    """ChangeMessageVisibility: the reply has a new receipt handle."""
    handle, seconds = request.handle(), request.number("VisibilityTimeout", 1, 43_200)
    if seconds is None:
        raise ServiceError(400, "MissingVisibilityTimeout", "VisibilityTimeout is required, as a query parameter.")
    message = request.service.messages.change_visibility(request.names[0], handle, seconds)
    return document(200, "ChangeVisibility", _hold(message))


def _delete_batch(request: MnsRequest) -> HttpResponse:
    """Delete all messages that can be deleted; report the other handles as the SDK expects: a 4xx with a list."""
    handles = [item.text or "" for item in request.xml("ReceiptHandles").findall("ReceiptHandle")]
    if not 1 <= len(handles) <= MAX_BATCH:
        raise ServiceError(400, "InvalidArgument", f"A batch has 1 to {MAX_BATCH} handles, not {len(handles)}.")
    failed: dict[str, ServiceError] = {}
    for handle in handles:
        try:
            request.service.messages.delete(request.names[0], handle)
        except ServiceError as error:
            if error.code == "QueueNotExist":  # an error of the request as a whole
                raise
            failed[handle] = error
    if not failed:
        return HttpResponse(204)
    errors: list[Node] = [
        ("Error", [("ErrorCode", error.code), ("ErrorMessage", error.message), ("ReceiptHandle", handle)])
        for handle, error in failed.items()
    ]
    return document(next(iter(failed.values())).status, "Errors", errors)


def _outgoing(message: Element) -> OutgoingMessage:
    priority, delay = parse_integer(message, "Priority"), parse_integer(message, "DelaySeconds")
    body, properties = message.findtext("MessageBody", ""), parse_properties(message)
    return OutgoingMessage(body, delay, 8 if priority is None else priority, properties)


def _receipt(message: Message) -> list[Node]:
    return [("MessageId", message.message_id), ("MessageBodyMD5", message.body_md5)]


def _sent(message: Message) -> list[Node]:
    """Return the elements of a message that was sent; a delayed one has a receipt handle."""
    handle: list[Node] = [("ReceiptHandle", message.receipt_handle)] if message.receipt_handle else []
    return [*_receipt(message), *handle]


def _reply(messages: list[Message], count: int | None, *, received: bool) -> HttpResponse:
    """HttpResponse with a list of messages if the request has a number of messages, with a single one otherwise."""
    if not messages:
        raise ServiceError(404, "MessageNotExist", "Message not exist: no message is visible in this queue now.")
    if count is None:
        return document(200, "Message", _message(messages[0], received=received))
    return document(200, "Messages", [("Message", _message(message, received=received)) for message in messages])


def _message(message: Message, *, received: bool) -> list[Node]:
    """Return the elements of a message: nine if it was received, seven if it was peeked at. The SDK requires all."""
    first = message.first_dequeue_time
    return [
        *_receipt(message),
        ("MessageBody", message.body),
        ("EnqueueTime", to_ms(message.enqueue_time)),
        ("FirstDequeueTime", to_ms(first) if first else 0),
        ("DequeueCount", message.dequeue_count),
        ("Priority", message.priority),
        *format_properties(message.properties),
        *(_hold(message) if received else []),
    ]


def _hold(message: Message) -> list[Node]:
    return [("ReceiptHandle", message.receipt_handle), ("NextVisibleTime", to_ms(message.next_visible_time))]
