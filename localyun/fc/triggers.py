"""Invokes functions for object events, topic messages and times. `localyun.services` connects the triggers.

Object and timer triggers invoke asynchronously. A topic trigger waits for the function, so that SMQ retries a message
whose function fails.
"""

import json
import logging
import threading
from collections.abc import Sequence
from datetime import datetime

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.fc.schedule import Schedule
from localyun.fc.service import FunctionService
from localyun.fc.trigger_payloads import message_payload, object_payload, timer_payload
from localyun.fc.values import (
    InvocationResult,
    ObjectTrigger,
    TimerTrigger,
    TopicTrigger,
    event_matches,
    function_of,
)
from localyun.oss.service import ObjectEvent, ObjectService
from localyun.smq.service import MessageService
from localyun.smq.values import Subscription, TopicMessage

logger = logging.getLogger(__name__)


class FunctionError(Exception):
    """A function failed to handle a message; SMQ must retry the delivery."""


class ObjectTriggers:
    """Invokes every function whose trigger matches an object event."""

    def __init__(
        self, triggers: Sequence[ObjectTrigger], functions: FunctionService, faults: FaultInjector = NO_FAULTS
    ) -> None:
        self._triggers, self._functions, self._faults = triggers, functions, faults

    def connect(self, objects: ObjectService) -> None:
        """Start to receive the events of an object store."""
        if self._triggers:
            objects.listen(self.handle)

    def handle(self, event: ObjectEvent) -> None:
        """Invoke the functions of all matching triggers; the invocations are durable on return."""
        for trigger in self._triggers:
            if matches(trigger, event):
                settings = self._functions.settings
                payload = object_payload(trigger, event, settings.region, settings.account_id)
                for delay in self._faults.delivery_delays("event"):
                    self._functions.invoke_async(trigger.function, payload, delay=delay)


def matches(trigger: ObjectTrigger, event: ObjectEvent) -> bool:
    """Return True if a trigger matches an event."""
    return (
        event.bucket == trigger.bucket
        and event.key.startswith(trigger.prefix)
        and event.key.endswith(trigger.suffix)
        and any(event_matches(pattern, f"oss:{event.name}") for pattern in trigger.events)
    )


class TopicTriggers:
    """Invokes a function for every message of a topic."""

    def __init__(self, triggers: Sequence[TopicTrigger], functions: FunctionService) -> None:
        self._triggers, self._functions = triggers, functions

    def connect(self, messages: MessageService) -> None:
        """Subscribe the functions as declared, and start to receive their messages."""
        messages.deliver_to("acs:fc:", self.deliver)
        for trigger in self._triggers:
            self._subscribe(messages, trigger)
        self._remove_undeclared(messages)

    def _remove_undeclared(self, messages: MessageService) -> None:
        """Remove subscriptions of triggers that an earlier s.yaml declared; their functions may not exist any more."""
        declared = {(trigger.topic, _subscription_name(trigger)) for trigger in self._triggers}
        for topic in messages.topics.names().names:
            for name in messages.topics.subscriptions(topic).names:
                endpoint = messages.topics.subscription(topic, name).endpoint
                if endpoint.startswith("acs:fc:") and (topic, name) not in declared:
                    messages.topics.unsubscribe(topic, name)

    def _subscribe(self, messages: MessageService, trigger: TopicTrigger) -> None:
        """Subscribe one function; replace a different subscription that an earlier s.yaml declared."""
        settings, name = self._functions.settings, _subscription_name(trigger)
        options = {
            "endpoint": f"acs:fc:{settings.region}:{settings.account_id}:functions/{trigger.function}",
            "strategy": trigger.strategy,
            "content_format": trigger.content_format,
            "filter_tag": trigger.filter_tag,
        }
        try:
            messages.topics.subscribe(trigger.topic, name, **options)
        except ServiceError as error:
            if error.status != 409:
                raise
            messages.topics.unsubscribe(trigger.topic, name)
            messages.topics.subscribe(trigger.topic, name, **options)

    def deliver(self, subscription: Subscription, message: TopicMessage) -> None:
        """Invoke the function of a subscription with a message; raise `FunctionError` if it fails."""
        payload = message_payload(subscription, message, self._functions.settings.account_id)
        result = self._functions.invoke(function_of(subscription.endpoint), payload)
        if result.error_type:
            raise FunctionError(describe_error(result))


def _subscription_name(trigger: TopicTrigger) -> str:
    return f"{trigger.function}-{trigger.name}"


def describe_error(result: InvocationResult) -> str:
    """Return the error of a failed invocation for people: without its trace, or the first part of another payload."""
    try:
        error = json.loads(result.payload)
        return f"{error['errorType']}: {error['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return f"{result.error_type}: {result.payload[:300].decode(errors='replace')}"


class Timers:
    """Invokes functions at the declared times. `@every` intervals are divided by `time_scale`."""

    def __init__(self, triggers: Sequence[TimerTrigger], functions: FunctionService, clock: CloudClock) -> None:
        self._functions, self._clock = functions, clock
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(trigger,), name=f"timer-{trigger.name}", daemon=True)
            for trigger in triggers
            if trigger.enabled
        ]

    def start(self) -> None:
        """Start all timers."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop all timers."""
        self._stopped.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _run(self, trigger: TimerTrigger) -> None:
        schedule, time_scale = Schedule.parse(trigger.expression), self._functions.settings.time_scale
        due = schedule.after(self._clock.now(), time_scale)
        while not self._stopped.wait(max(0.0, (due - self._clock.now()).total_seconds())):
            if self._clock.now() >= due:
                self._fire(trigger, due)
                due = schedule.after(self._clock.now(), time_scale)

    def _fire(self, trigger: TimerTrigger, due: datetime) -> None:
        try:
            self._functions.invoke_async(trigger.function, timer_payload(trigger, due))
        except ServiceError as error:
            logger.warning("Timer %s could not invoke its function: %s", trigger.name, error)
