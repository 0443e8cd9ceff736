"""The event payload that each trigger passes to its function. Pure.

Payloads: FC "Formats of event for different triggers" (2026-04); devsapp/fc3 event templates (2026-05).
"""

import hashlib
import json
from datetime import datetime, timezone

from localyun.fc.values import ObjectTrigger, TimerTrigger
from localyun.oss.service import ObjectEvent
from localyun.smq.message_formats import fields
from localyun.smq.values import Subscription, TopicMessage

# In the order of the vendor's template.
_MESSAGE_FIELDS = (
    "TopicOwner", "Message", "Subscriber", "PublishTime", "SubscriptionName", "MessageMD5", "TopicName", "MessageId",
    "MessageTag",
)  # fmt: skip


def object_payload(trigger: ObjectTrigger, event: ObjectEvent, region: str, account: str) -> bytes:
    """Return the payload of an object trigger. The key is not encoded: no official sample decodes it."""
    oss = {
        "bucket": {
            "arn": f"acs:oss:{region}:{account}:{event.bucket}",
            "name": event.bucket,
            "ownerIdentity": account,
        },
        "object": {"deltaSize": event.delta, "eTag": event.etag, "key": event.key, "size": event.size},
        "ossSchemaVersion": "1.0",
        "ruleId": hashlib.sha1(f"{trigger.function}/{trigger.name}".encode(), usedforsecurity=False).hexdigest(),
    }
    record = {
        "eventName": event.name,
        "eventSource": "acs:oss",
        "eventTime": event.time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "eventVersion": "1.0",
        "oss": oss,
        "region": region,
        "requestParameters": {"sourceIPAddress": event.source_ip},
        "responseElements": {"requestId": event.request_id},
        "userIdentity": {"principalId": account},
    }
    return _to_json({"events": [record]})


def message_payload(subscription: Subscription, message: TopicMessage, account: str) -> bytes:
    """Return the payload of a topic trigger, in the format that the trigger declares."""
    if subscription.content_format != "JSON":
        body = {"body": message.body, "attrs": dict(message.attributes)}
        return _to_json(body) if message.attributes else message.body.encode()
    named = fields(subscription, message, account)
    return _to_json({name: named[name] for name in _MESSAGE_FIELDS if name in named} | _flattened(message))


def _flattened(message: TopicMessage) -> dict[str, object]:
    """Return the attributes for the top level; those in the `Extend` attribute, a JSON object, one by one."""
    attributes: dict[str, object] = dict(message.attributes)
    try:
        extended = json.loads(message.attributes.get("Extend", "null"))
    except ValueError:
        extended = None
    if isinstance(extended, dict):
        del attributes["Extend"]
        attributes.update(extended)
    return attributes


def timer_payload(trigger: TimerTrigger, due: datetime) -> bytes:
    """Return the payload of a timer trigger."""
    time = due.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _to_json({"triggerTime": time, "triggerName": trigger.name, "payload": trigger.payload})


def _to_json(document: object) -> bytes:
    """Return a document as JSON without spaces, in UTF-8."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
