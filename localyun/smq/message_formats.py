"""How a published message looks to a subscriber: XML or JSON documents, or the bare body. Pure."""

import json
from xml.sax.saxutils import escape

from localyun.smq.values import Published, Subscription, to_ms

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
            inner = "".join(f"<{name}>{xml_text(value)}</{name}>" for name, value in told.items())
            return f'<?xml version="1.0" encoding="utf-8"?>\n<Notification xmlns="{NAMESPACE}">{inner}</Notification>'
        case _:  # SIMPLIFIED and STREAM
            return published.body


def xml_text(value: object) -> str:
    """Return a value as XML character data; a carriage return survives as a reference."""
    return escape(str(value), {"\r": "&#13;"})
