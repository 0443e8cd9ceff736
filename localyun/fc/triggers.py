"""Wires what happens to functions: objects, topic messages, the clock. And their ends to queues and topics.

Knows the payload of each trigger and how it calls: objects and timers leave an event, a topic waits for the
function, so that a failing one makes SMQ try again. Called by `localyun.server`.

Payloads: FC "Formats of event for different triggers" (2026-04); devsapp/fc3 event templates (2026-05).
"""

import hashlib
import json
import logging
import re
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from localyun.clock import CloudClock
from localyun.deploy.declared import ObjectTrigger, TimerTrigger, TopicTrigger
from localyun.deploy.triggers import covers
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.fc.instances import Result
from localyun.fc.schedule import Schedule
from localyun.fc.service import FunctionService, function_of
from localyun.oss.service import ObjectEvent, ObjectService
from localyun.smq.service import MessageService, Published, Subscription
from localyun.smq.values import to_ms

logger = logging.getLogger(__name__)
# Official pages write destinations with and without the account: acs:mns:REGION:[ACCOUNT]:/queues/Q/messages
_DESTINATION = re.compile(r"acs:mns:[^:]*:[^:]*:/?(queues|topics)/([^/]+)(?:/messages)?")


class FunctionFailed(Exception):
    """A function answered a message with an error; SMQ shall deliver it again."""


class ObjectTriggers:
    """Leaves an event for every function that wants to know what happened to an object."""

    def __init__(
        self, triggers: Sequence[ObjectTrigger], functions: FunctionService, faults: FaultInjector = NO_FAULTS
    ) -> None:
        self._triggers = triggers
        self._functions = functions
        self._faults = faults

    def connect(self, objects: ObjectService) -> None:
        """Begin to listen."""
        if self._triggers:
            objects.listen(self.happened)

    def happened(self, event: ObjectEvent) -> None:
        """Leave one event for each trigger that matches; the events are durable when this returns."""
        for trigger in self._triggers:
            if matches(trigger, event):
                payload = object_payload(trigger, event, self._functions.site.region, self._functions.site.account_id)
                for delay in self._faults.delivery_delays("event"):
                    self._functions.invoke_async(trigger.function, payload, delay=delay)


def matches(trigger: ObjectTrigger, event: ObjectEvent) -> bool:
    """Tell whether an event is what a trigger waits for."""
    return (
        event.bucket == trigger.bucket
        and event.key.startswith(trigger.prefix)
        and event.key.endswith(trigger.suffix)
        and any(covers(name, f"oss:{event.name}") for name in trigger.events)
    )


def object_payload(trigger: ObjectTrigger, event: ObjectEvent, region: str, account: str) -> bytes:
    """Write what OSS tells a function. The key is raw: no official sample decodes it."""
    about = {
        "bucket": {
            "arn": f"acs:oss:{region}:{account}:{event.bucket}",
            "name": event.bucket,
            "ownerIdentity": account,
        },
        "object": {"deltaSize": event.delta, "eTag": event.etag, "key": event.key, "size": event.size},
        "ossSchemaVersion": "1.0",
        "ruleId": hashlib.sha1(f"{trigger.function}/{trigger.name}".encode(), usedforsecurity=False).hexdigest(),
    }
    one = {
        "eventName": event.name,
        "eventSource": "acs:oss",
        "eventTime": event.time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "eventVersion": "1.0",
        "oss": about,
        "region": region,
        "requestParameters": {"sourceIPAddress": event.source_ip},
        "responseElements": {"requestId": event.request_id},
        "userIdentity": {"principalId": account},
    }
    return _compact({"events": [one]})


class TopicTriggers:
    """Invokes a function for every message of a topic."""

    def __init__(self, triggers: Sequence[TopicTrigger], functions: FunctionService) -> None:
        self._triggers = triggers
        self._functions = functions

    def connect(self, messages: MessageService) -> None:
        """Subscribe the functions, exactly as declared, and take their messages."""
        messages.deliver_to("acs:fc:", self.deliver)
        for trigger in self._triggers:
            self._subscribe(messages, trigger)
        self._forget(messages)

    def _forget(self, messages: MessageService) -> None:
        """Remove subscriptions of triggers that an earlier s.yaml had; their functions may be gone."""
        declared = {(trigger.topic, _subscription_name(trigger)) for trigger in self._triggers}
        for topic in messages.topics.names().names:
            for name in messages.topics.subscriptions(topic).names:
                endpoint = messages.topics.subscription(topic, name).endpoint
                if endpoint.startswith("acs:fc:") and (topic, name) not in declared:
                    messages.topics.unsubscribe(topic, name)

    def _subscribe(self, messages: MessageService, trigger: TopicTrigger) -> None:
        """Subscribe one function; a subscription that an earlier s.yaml made otherwise is made anew."""
        site, name = self._functions.site, _subscription_name(trigger)
        wanted = {
            "endpoint": f"acs:fc:{site.region}:{site.account_id}:functions/{trigger.function}",
            "strategy": trigger.strategy,
            "content_format": trigger.content_format,
            "filter_tag": trigger.filter_tag,
        }
        try:
            messages.subscribe(trigger.topic, name, **wanted)
        except ServiceError as refusal:
            if refusal.status != 409:
                raise
            messages.topics.unsubscribe(trigger.topic, name)
            messages.subscribe(trigger.topic, name, **wanted)

    def deliver(self, subscription: Subscription, published: Published) -> None:
        """Let the function have a message; FunctionFailed when it fails, so that it gets it again."""
        payload = message_payload(subscription, published, self._functions.site.account_id)
        result = self._functions.invoke(function_of(subscription.endpoint), payload)
        if result.error_type:
            raise FunctionFailed(reason_of(result))


def _subscription_name(trigger: TopicTrigger) -> str:
    """Return what the subscription of a trigger is called."""
    return f"{trigger.function}-{trigger.name}"


def reason_of(result: Result) -> str:
    """Say what a function ended with, for people: the error without its trace, or the beginning of what else it is."""
    try:
        told = json.loads(result.payload)
        return f"{told['errorType']}: {told['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return f"{result.error_type}: {result.payload[:300].decode(errors='replace')}"


def message_payload(subscription: Subscription, published: Published, account: str) -> bytes:
    """Write what a topic trigger tells a function, in the format that the trigger chose."""
    if subscription.content_format != "JSON":
        body = {"body": published.body, "attrs": dict(published.attributes)}
        return _compact(body) if published.attributes else published.body.encode()
    told: dict[str, object] = {
        "TopicOwner": account,
        "Message": published.body,
        "Subscriber": account,
        "PublishTime": to_ms(published.publish_time),
        "SubscriptionName": subscription.name,
        "MessageMD5": published.body_md5,
        "TopicName": published.topic,
        "MessageId": published.message_id,
    }
    tag = {"MessageTag": published.tag} if published.tag else {}
    return _compact(told | tag | _spread(published))


def _spread(published: Published) -> dict[str, object]:
    """Spread attributes over the top level; those of the free `Extend` attribute one by one."""
    spread: dict[str, object] = dict(published.attributes)
    try:
        extended = json.loads(published.attributes.get("Extend", "null"))
    except ValueError:
        extended = None
    if isinstance(extended, dict):
        del spread["Extend"]
        spread.update(extended)
    return spread


class Timers:
    """Leaves functions an event at the declared times. `@every` intervals are divided by `time_scale`."""

    def __init__(self, triggers: Sequence[TimerTrigger], functions: FunctionService, clock: CloudClock) -> None:
        self._functions = functions
        self._clock = clock
        self._stopped = threading.Event()
        enabled = [trigger for trigger in triggers if trigger.enabled]
        self._threads = [
            threading.Thread(target=self._run, args=(trigger,), name=f"timer-{trigger.name}", daemon=True)
            for trigger in enabled
        ]

    def start(self) -> None:
        """Begin to count."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Fire no more."""
        self._stopped.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _run(self, trigger: TimerTrigger) -> None:
        """Wait for one time after another."""
        schedule = Schedule.parse(trigger.expression)
        due = self._next(schedule, self._clock.now())
        while not self._stopped.wait(max(0.0, (due - self._clock.now()).total_seconds())):
            if self._clock.now() >= due:
                self._fire(trigger, due)
                due = self._next(schedule, self._clock.now())

    def _next(self, schedule: Schedule, moment: datetime) -> datetime:
        """Return when to fire after `moment`."""
        if schedule.every:
            return moment + timedelta(seconds=schedule.every / self._functions.site.time_scale)
        return schedule.after(moment)

    def _fire(self, trigger: TimerTrigger, due: datetime) -> None:
        """Leave one event."""
        time = due.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = {"triggerTime": time, "triggerName": trigger.name, "payload": trigger.payload}
        try:
            self._functions.invoke_async(trigger.function, _compact(told))
        except ServiceError as refusal:
            logger.warning("Timer %s missed: %s", trigger.name, refusal)


def deliver_record(messages: MessageService, arn: str, record: str) -> None:
    """Bring the record of an asynchronous invocation to the queue or topic that an ARN names."""
    if not (match := _DESTINATION.fullmatch(arn)):
        known = "acs:mns:REGION:ACCOUNT:/queues/Q/messages, acs:mns:REGION:ACCOUNT:/topics/T/messages, acs:fc:..."
        raise ServiceError(400, "InvalidArgument", f"{arn} is no destination known here; known: {known}")
    if match[1] == "queues":
        messages.send(match[2], record)
    else:
        messages.publish(match[2], record)


def _compact(document: object) -> bytes:
    """Write JSON without blanks, text as UTF-8."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
