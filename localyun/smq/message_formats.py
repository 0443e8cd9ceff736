"""The notification that a subscriber receives: an XML or JSON document, or the message body alone. Pure."""

import json

from localyun.smq.values import Subscription, TopicMessage, to_ms
from localyun.xml import document as xml_document
from localyun.xml import leaf

# Pushed notifications end their namespace with a slash; answers do not ("HttpEndpoint", and recorded pushes, 2026-11).
NAMESPACE = "http://mns.aliyuncs.com/doc/v1/"


def fields(subscription: Subscription, message: TopicMessage, account_id: str) -> dict[str, str | int]:
    """Return the fields of a notification by the vendor's names ("HttpEndpoint", read 2026-11)."""
    named: dict[str, str | int] = {
        "TopicOwner": account_id,
        "TopicName": message.topic,
        "Subscriber": account_id,
        "SubscriptionName": subscription.name,
        "MessageId": message.message_id,
        "Message": message.body,
        "MessageMD5": message.body_md5,
        "PublishTime": to_ms(message.publish_time),
    }
    return named | ({"MessageTag": message.tag} if message.tag else {})


def document(subscription: Subscription, message: TopicMessage, account_id: str) -> str:
    """Return the notification in the subscription's content format."""
    named = fields(subscription, message, account_id)
    match subscription.content_format:
        case "JSON":
            return json.dumps(named, ensure_ascii=False, separators=(",", ":"))
        case "XML":
            leaves = (leaf(name, value) for name, value in named.items())
            return xml_document("Notification", *leaves, namespace=NAMESPACE, encoding="utf-8").decode()
        case _:  # SIMPLIFIED and STREAM
            return message.body
