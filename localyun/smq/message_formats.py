"""How a published message looks to a subscriber: XML or JSON documents, or the bare body. Pure."""

import json

from localyun.smq.values import Published, Subscription, to_ms
from localyun.xml import document as xml_document
from localyun.xml import leaf

NAMESPACE = "http://mns.aliyuncs.com/doc/v1/"


def fields(subscription: Subscription, published: Published, account_id: str) -> dict[str, str | int]:
    """Return what a notification tells, by the vendor's names ("HttpEndpoint", read 2026-11)."""
    known: dict[str, str | int] = {
        "TopicOwner": account_id,
        "TopicName": published.topic,
        "Subscriber": account_id,
        "SubscriptionName": subscription.name,
        "MessageId": published.message_id,
        "Message": published.body,
        "MessageMD5": published.body_md5,
        "PublishTime": to_ms(published.publish_time),
    }
    return known | ({"MessageTag": published.tag} if published.tag else {})


def document(subscription: Subscription, published: Published, account_id: str) -> str:
    """Return the notification in the subscription's own format."""
    told = fields(subscription, published, account_id)
    match subscription.content_format:
        case "JSON":
            return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        case "XML":
            return namespaced("Notification", *(leaf(name, value) for name, value in told.items())).decode()
        case _:  # SIMPLIFIED and STREAM
            return published.body


def namespaced(name: str, *content: str) -> bytes:
    """Return a document in the namespace of MNS."""
    return xml_document(name, *content, namespace=NAMESPACE, encoding="utf-8")
