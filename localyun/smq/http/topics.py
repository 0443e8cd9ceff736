"""The MNS actions on topics and subscriptions: XML in, a call of the service, XML out."""

from xml.etree.ElementTree import Element

from localyun.http import HttpResponse
from localyun.smq.http.request import MnsRequest, created, document, reply_with_page
from localyun.smq.http.resources import ResourceActions, times
from localyun.smq.http.xml import Node, parse_properties
from localyun.smq.values import SUBSCRIPTION_ELEMENTS

INTEGERS = {"MaximumMessageSize": "maximum_message_size"}
COUNTS = {"MessageRetentionPeriod": "message_retention_period", "MessageCount": "message_count"}
TOPIC = ResourceActions("Topic", lambda service: service.topics, INTEGERS, COUNTS)


def publish_message(request: MnsRequest) -> HttpResponse:
    """PublishMessage: 201 when the message is durable, before it is delivered."""
    root = request.xml("Message")
    published = request.service.publish(
        request.names[0],
        root.findtext("MessageBody", ""),
        tag=root.findtext("MessageTag", ""),
        attributes={child.tag: child.text or "" for child in root.findall("MessageAttributes/*")},
        properties=parse_properties(root),
    )
    return document(201, "Message", [("MessageId", published.message_id), ("MessageBodyMD5", published.body_md5)])


def subscribe(request: MnsRequest) -> HttpResponse:
    """Subscribe: 201 if it is new, 204 if an equal one exists, 409 if a different one exists.

    GenerateQueueEndpoint of the Go and Java SDKs takes the account from the first label of the host, which is an
    account only in the vendor's host names (topic.go, CloudTopic.java, 2026-11). Here that label is another name of it.
    """
    topic, name = request.names
    root = request.xml("Subscription")
    values = {"endpoint": root.findtext("Endpoint", ""), "alias": request.host_label}
    new = request.service.topics.subscribe(topic, name, **values, **_options(root))
    return created(new, request.url("topics", topic, "subscriptions", name))


def set_subscription_attributes(request: MnsRequest) -> HttpResponse:
    """SetSubscriptionAttributes: change the attributes in the document, but never the endpoint."""
    request.service.topics.change_subscription(*request.names, **_options(request.xml("Subscription")))
    return HttpResponse(204)


def get_subscription_attributes(request: MnsRequest) -> HttpResponse:
    """GetSubscriptionAttributes: all eight elements that the SDK requires, and the filter tag if there is one."""
    subscription, owner = request.service.topics.subscription(*request.names), request.service.account_id
    options = ((element, getattr(subscription, option)) for element, option in SUBSCRIPTION_ELEMENTS.items())
    nodes: list[Node] = [
        ("SubscriptionName", subscription.name),
        ("Subscriber", owner),
        ("TopicOwner", owner),
        ("TopicName", subscription.topic),
        ("Endpoint", subscription.endpoint),
        *((element, value) for element, value in options if value),
        *times(subscription),
    ]
    return document(200, "Subscription", nodes)


def unsubscribe(request: MnsRequest) -> HttpResponse:
    """Unsubscribe: undelivered messages are dropped."""
    request.service.topics.unsubscribe(*request.names)
    return HttpResponse(204)


def list_subscriptions(request: MnsRequest) -> HttpResponse:
    """ListSubscriptionByTopic: addresses only, as the SDK expects."""
    topic = request.names[0]
    page = request.service.topics.subscriptions(topic, *request.paging())
    urls = [request.url("topics", topic, "subscriptions", name) for name in page.names]
    return reply_with_page("Subscriptions", [("Subscription", [("SubscriptionURL", url)]) for url in urls], page)


def _options(root: Element) -> dict[str, str]:
    values = ((option, root.findtext(element)) for element, option in SUBSCRIPTION_ELEMENTS.items())
    return {option: value for option, value in values if value}
