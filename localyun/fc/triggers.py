"""Invokes functions for object events, topic messages and times. Triggers may come and go while the cloud runs.

Object and timer triggers invoke asynchronously. A topic trigger waits for the function, so that SMQ retries a message
whose function fails.
"""

import json
import logging
import threading
from collections.abc import Callable
from datetime import datetime

from localyun.clock import CloudClock
from localyun.disk import DISK_ERRORS
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.fc.configuration import BadConfiguration, check_bucket_triggers
from localyun.fc.schedule import Schedule
from localyun.fc.service import FunctionService
from localyun.fc.trigger_payloads import message_payload, object_payload, timer_payload
from localyun.fc.values import (
    InvocationResult,
    ObjectTrigger,
    TimerTrigger,
    TopicTrigger,
    Trigger,
    event_matches,
    function_arn,
    function_of,
    qualifier_of,
)
from localyun.oss.service import ObjectEvent, ObjectService
from localyun.smq.service import MessageService
from localyun.smq.values import Subscription, TopicMessage

logger = logging.getLogger(__name__)


class FunctionError(Exception):
    """A function failed to handle a message; SMQ must retry the delivery."""


class Triggers:
    """The triggers of all functions. One that is put works at once; timers tick from `start` on.

    `role_may("fc:InvokeFunction", role, function)` returns True if the role of a trigger, an ARN, has that permission.
    """

    def __init__(
        self,
        functions: FunctionService,
        objects: ObjectService,
        messages: MessageService,
        clock: CloudClock,
        faults: FaultInjector = NO_FAULTS,
        role_may: Callable[[str, str, str], bool] = lambda *_: True,
    ) -> None:
        self._functions, self._objects, self._messages = functions, objects, messages
        self._role_may = role_may
        self._clock, self._faults = clock, faults
        self._triggers: dict[tuple[str, str], Trigger] = {}
        self._timers: dict[tuple[str, str], _Timer] = {}
        self._started = False
        self._lock = threading.RLock()
        objects.listen(self.handle)
        messages.deliver_to("acs:fc:", self.deliver)

    def put(self, trigger: Trigger) -> None:
        """Create a trigger, or replace that of the same function and name.

        Raises `ServiceError` if its bucket or topic does not exist, or if OSS rejects it beside the others.
        """
        key = trigger.function, trigger.name
        with self._lock:
            self._check(trigger, [other for other_key, other in self._triggers.items() if other_key != key])
            old = self._triggers.get(key)
            if isinstance(old, TopicTrigger) and not isinstance(trigger, TopicTrigger):
                self._unsubscribe(old)
            if isinstance(trigger, TopicTrigger):
                self._subscribe(trigger)
            self._stop_timer(key)
            self._set(key, trigger)

    def restore(self, trigger: Trigger) -> None:
        """Put a trigger of an earlier run; it stays if its bucket or topic has been deleted meanwhile."""
        with self._lock:
            try:
                if isinstance(trigger, TopicTrigger):
                    self._subscribe(trigger)
            except ServiceError as error:
                logger.warning("Trigger %s of %s receives no messages: %s", trigger.name, trigger.function, error)
            self._set((trigger.function, trigger.name), trigger)

    def remove(self, function: str, name: str) -> None:
        """Delete a trigger; raise `ServiceError` if it does not exist."""
        with self._lock:
            trigger = self.get(function, name)
            del self._triggers[function, name]
            self._stop_timer((function, name))
            if isinstance(trigger, TopicTrigger):
                self._unsubscribe(trigger)

    def get(self, function: str, name: str) -> Trigger:
        """Return a trigger; raise `ServiceError` (404 TriggerNotFound) if it does not exist."""
        with self._lock:
            if found := self._triggers.get((function, name)):
                return found
        raise ServiceError(404, "TriggerNotFound", f"trigger '{name}' does not exist in function '{function}'")

    def of(self, function: str) -> list[Trigger]:
        """Return the triggers of a function, in the order of their creation."""
        with self._lock:
            return [trigger for trigger in self._triggers.values() if trigger.function == function]

    def start(self) -> None:
        """Start all timers; remove the subscriptions of triggers that existed in an earlier run only."""
        with self._lock:
            self._remove_unknown_subscriptions()
            self._started = True
            for key, trigger in self._triggers.items():
                if isinstance(trigger, TimerTrigger):
                    self._start_timer(key, trigger)

    def close(self) -> None:
        """Stop all timers."""
        with self._lock:
            timers, self._timers, self._started = list(self._timers.values()), {}, False
        for timer in timers:
            timer.stop()

    def handle(self, event: ObjectEvent) -> None:
        """Invoke the functions of all triggers that match an object event; the invocations are durable on return."""
        with self._lock:
            triggers = list(self._triggers.values())
        for trigger in triggers:
            if isinstance(trigger, ObjectTrigger) and matches(trigger, event):
                settings = self._functions.settings
                payload = object_payload(trigger, event, settings.region, settings.account_id)
                for delay in self._faults.delivery_delays("event"):
                    self._invoke(trigger, payload, delay)

    def deliver(self, subscription: Subscription, message: TopicMessage) -> None:
        """Invoke the function of a subscription with a message; raise `FunctionError` if it fails."""
        payload = message_payload(subscription, message, self._functions.settings.account_id)
        endpoint = subscription.endpoint
        for trigger in self.of(function_of(endpoint)):
            if isinstance(trigger, TopicTrigger) and _subscription_name(trigger) == subscription.name:
                self._check_role(trigger)
        result = self._functions.invoke(function_of(endpoint), payload, qualifier=qualifier_of(endpoint))
        if result.error_type:
            raise FunctionError(describe_error(result))

    def _invoke(self, trigger: ObjectTrigger, payload: bytes, delay: float) -> None:
        """Invoke a function; an event whose function or alias was deleted is dropped: its object is stored already."""
        try:
            self._check_role(trigger)
            self._functions.invoke_async(trigger.function, payload, qualifier=trigger.qualifier, delay=delay)
        except FunctionError as error:
            logger.warning("Dropped an event for trigger %s: %s", trigger.name, error)
        except ServiceError as error:
            if error.status != 404:
                raise
            logger.warning("Dropped an event for trigger %s: %s", trigger.name, error)

    def _check_role(self, trigger: ObjectTrigger | TopicTrigger) -> None:
        """Raise `FunctionError` if the role with which OSS or SMQ invokes may not. A trigger without one always may.

        What OSS does with such an event is not documented; here it is lost. SMQ repeats the delivery.
        """
        if trigger.role and not self._role_may("fc:InvokeFunction", trigger.role, trigger.function):
            raise FunctionError(f"the role {trigger.role} lacks fc:InvokeFunction on {trigger.function}; grant it")

    def _set(self, key: tuple[str, str], trigger: Trigger) -> None:
        self._triggers[key] = trigger
        if isinstance(trigger, TimerTrigger):
            self._start_timer(key, trigger)

    def _check(self, trigger: Trigger, others: list[Trigger]) -> None:
        if isinstance(trigger, ObjectTrigger):
            if not self._objects.has_bucket(trigger.bucket):
                raise _no_source(trigger, f"bucket '{trigger.bucket}'")
            try:
                check_bucket_triggers([*others, trigger])
            except BadConfiguration as error:
                raise ServiceError(400, "InvalidArgument", str(error)) from error

        if isinstance(trigger, TopicTrigger):
            try:
                self._messages.topics.get(trigger.topic)
            except ServiceError as error:
                raise _no_source(trigger, f"topic '{trigger.topic}'") from error

    def _subscribe(self, trigger: TopicTrigger) -> None:
        """Subscribe one function; change or replace a different subscription of the same trigger."""
        topics, topic, name = self._messages.topics, trigger.topic, _subscription_name(trigger)
        endpoint = function_arn(trigger.function, self._functions.settings, trigger.qualifier)
        options = {
            "strategy": trigger.strategy,
            "content_format": trigger.content_format,
            "filter_tag": trigger.filter_tag,
        }
        try:
            topics.subscribe(topic, name, endpoint=endpoint, **options)
        except ServiceError as error:
            if error.status != 409:
                raise
            if topics.subscription(topic, name).endpoint == endpoint:
                topics.change_subscription(topic, name, **options)  # keeps the messages that wait for a retry
            else:
                topics.unsubscribe(topic, name)
                topics.subscribe(topic, name, endpoint=endpoint, **options)

    def _unsubscribe(self, trigger: TopicTrigger) -> None:
        """Remove a trigger's subscription, which is gone already if its topic was deleted."""
        try:
            self._messages.topics.unsubscribe(trigger.topic, _subscription_name(trigger))
        except ServiceError as error:
            if error.status != 404:
                raise

    def _remove_unknown_subscriptions(self) -> None:
        topics = self._messages.topics
        known = {(t.topic, _subscription_name(t)) for t in self._triggers.values() if isinstance(t, TopicTrigger)}
        for topic in topics.names().names:
            for name in topics.subscriptions(topic).names:
                endpoint = topics.subscription(topic, name).endpoint
                if endpoint.startswith("acs:fc:") and (topic, name) not in known:
                    topics.unsubscribe(topic, name)

    def _start_timer(self, key: tuple[str, str], trigger: TimerTrigger) -> None:
        if self._started and trigger.enabled:
            self._timers[key] = _Timer(trigger, self._functions, self._clock)

    def _stop_timer(self, key: tuple[str, str]) -> None:
        if timer := self._timers.pop(key, None):
            timer.stop()


def matches(trigger: ObjectTrigger, event: ObjectEvent) -> bool:
    """Return True if a trigger matches an event."""
    return (
        event.bucket == trigger.bucket
        and event.key.startswith(trigger.prefix)
        and event.key.endswith(trigger.suffix)
        and any(event_matches(pattern, f"oss:{event.name}") for pattern in trigger.events)
    )


def _no_source(trigger: Trigger, source: str) -> ServiceError:
    text = f"trigger '{trigger.name}': {source} of sourceArn does not exist"
    return ServiceError(400, "InvalidArgument", text)


def _subscription_name(trigger: TopicTrigger) -> str:
    return f"{trigger.function}-{trigger.name}"


def describe_error(result: InvocationResult) -> str:
    """Return the error of a failed invocation for people: without its trace, or the first part of another payload."""
    try:
        error = json.loads(result.payload)
        return f"{error['errorType']}: {error['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return f"{result.error_type}: {result.payload[:300].decode(errors='replace')}"


class _Timer:
    """One running timer. `@every` intervals are divided by the time scale."""

    def __init__(self, trigger: TimerTrigger, functions: FunctionService, clock: CloudClock) -> None:
        self._trigger, self._functions, self._clock = trigger, functions, clock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"timer-{trigger.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the timer."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        schedule, time_scale = Schedule.parse(self._trigger.expression), self._functions.settings.time_scale
        due = schedule.after(self._clock.now(), time_scale)
        while not self._stopped.wait(max(0.0, (due - self._clock.now()).total_seconds())):
            if self._clock.now() >= due:
                self._fire(due)
                due = schedule.after(self._clock.now(), time_scale)

    def _fire(self, due: datetime) -> None:
        try:
            payload, qualifier = timer_payload(self._trigger, due), self._trigger.qualifier
            self._functions.invoke_async(self._trigger.function, payload, qualifier=qualifier)
        except (ServiceError, *DISK_ERRORS) as error:  # the next tick may succeed
            logger.warning("Timer %s could not invoke its function: %s", self._trigger.name, error)
