"""The MNS actions on topics and subscriptions, one function each: XML in, core call, XML out."""

from localyun.http import HttpResponse
from localyun.smq.http.request import MnsRequest, document, listed, made, truth
from localyun.smq.http.xml import Element, Node, parse_properties
from localyun.smq.values import Subscription, Topic, to_ms

RETENTION_SECONDS = 86_400  # topics keep messages for a day, fixed ("Limits", 2026-11)
OPTIONS = {"NotifyStrategy": "strategy", "NotifyContentFormat": "content_format", "FilterTag": "filter_tag"}


def create_topic(request: MnsRequest) -> HttpResponse:
    """CreateTopic: 201 for a new topic, 204 for the same again, 409 for a differing one."""
    name = request.names[0]
    return made(request.service.topics.create(name, **_attributes(request)), request.url("topics", name))


def set_topic_attributes(request: MnsRequest) -> HttpResponse:
    """SetTopicAttributes: changes what the document names."""
    request.service.topics.change(request.names[0], **_attributes(request))
    return HttpResponse(204)


def get_topic_attributes(request: MnsRequest) -> HttpResponse:
    """GetTopicAttributes: all seven elements that the SDK requires."""
    return document(200, "Topic", _topic(request.service.topics.get(request.names[0])))


def delete_topic(request: MnsRequest) -> HttpResponse:
    """DeleteTopic: with its subscriptions."""
    request.service.topics.delete(request.names[0])
    return HttpResponse(204)


def list_topics(request: MnsRequest) -> HttpResponse:
    """ListTopic: addresses, and attributes on request."""
    page = request.service.topics.names(*request.paging())
    items: list[Node] = []
    for name in page.names:
        meta = _topic(request.service.topics.get(name)) if request.with_meta() else []
        items.append(("Topic", [("TopicURL", request.url("topics", name)), *meta]))
    return listed("Topics", items, page)


def publish_message(request: MnsRequest) -> HttpResponse:
    """PublishMessage: 201 once the message is durable, before anybody has received it."""
    root = request.xml("Message")
    extras = {child.name: child.text for item in root.children("MessageAttributes") for child in item.children()}
    published = request.service.publish(
        request.names[0],
        root.get("MessageBody"),
        tag=root.get("MessageTag"),
        attributes=extras,
        properties=parse_properties(root),
    )
    return document(201, "Message", [("MessageId", published.message_id), ("MessageBodyMD5", published.body_md5)])


def subscribe(request: MnsRequest) -> HttpResponse:
    """Subscribe: 201 for a new subscription, 204 for the same again, 409 for a differing one."""
    topic, name = request.names
    root = request.xml("Subscription")
    new = request.service.subscribe(topic, name, endpoint=root.get("Endpoint"), **_options(root))
    return made(new, request.url("topics", topic, "subscriptions", name))


def set_subscription_attributes(request: MnsRequest) -> HttpResponse:
    """SetSubscriptionAttributes: changes what the document names, but never the endpoint."""
    request.service.topics.change_subscription(*request.names, **_options(request.xml("Subscription")))
    return HttpResponse(204)


def get_subscription_attributes(request: MnsRequest) -> HttpResponse:
    """GetSubscriptionAttributes: all eight elements that the SDK requires, and the tag if there is one."""
    subscription = request.service.topics.subscription(*request.names)
    return document(200, "Subscription", _subscription(subscription, request.service.account_id))


def unsubscribe(request: MnsRequest) -> HttpResponse:
    """Unsubscribe: what was still owed is forgotten."""
    request.service.topics.unsubscribe(*request.names)
    return HttpResponse(204)


def list_subscriptions(request: MnsRequest) -> HttpResponse:
    """ListSubscriptionByTopic: addresses only, as the SDK expects."""
    topic = request.names[0]
    page = request.service.topics.subscriptions(topic, *request.paging())
    urls = [request.url("topics", topic, "subscriptions", name) for name in page.names]
    return listed("Subscriptions", [("Subscription", [("SubscriptionURL", url)]) for url in urls], page)


def _attributes(request: MnsRequest) -> dict[str, int | bool]:
    """Return the attributes that a Topic document names; a request without a body names none."""
    if not request.given():
        return {}
    root = request.xml("Topic")
    size, logging = root.number("MaximumMessageSize"), root.get("LoggingEnabled")
    attributes: dict[str, int | bool] = {} if size is None else {"maximum_message_size": size}
    return attributes | ({"logging_enabled": truth(logging)} if logging else {})


def _options(root: Element) -> dict[str, str]:
    given = root.texts()
    return {ours: given[theirs] for theirs, ours in OPTIONS.items() if given.get(theirs)}


def _topic(topic: Topic) -> list[Node]:
    return [
        ("TopicName", topic.name),
        ("CreateTime", to_ms(topic.create_time) // 1000),
        ("LastModifyTime", to_ms(topic.last_modify_time) // 1000),
        ("MaximumMessageSize", topic.attributes.maximum_message_size),
        ("MessageRetentionPeriod", RETENTION_SECONDS),
        ("MessageCount", topic.message_count),
        ("LoggingEnabled", str(topic.attributes.logging_enabled)),
    ]


def _subscription(subscription: Subscription, account_id: str) -> list[Node]:
    tag: list[Node] = [("FilterTag", subscription.filter_tag)] if subscription.filter_tag else []
    return [
        ("SubscriptionName", subscription.name),
        ("Subscriber", account_id),
        ("TopicOwner", account_id),
        ("TopicName", subscription.topic),
        ("Endpoint", subscription.endpoint),
        ("NotifyStrategy", subscription.strategy),
        ("NotifyContentFormat", subscription.content_format),
        *tag,
        ("CreateTime", to_ms(subscription.create_time) // 1000),
        ("LastModifyTime", to_ms(subscription.last_modify_time) // 1000),
    ]
