"""Receives completion notifications through a temporary queue that subscribes to the completion topic.

IMM's role may publish to no other topic.
"""

from datetime import timedelta

from clipstitch.common.clock import Clock
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import ClipstitchError
from clipstitch.usecases.settings import Settings
from clipstitch_cli.doctor.live.cleanup import CleanupStack
from clipstitch_cli.doctor.live.experiments import notification_in
from clipstitch_cli.doctor.live.temporary_queues import create_queue, subscribe_queue
from clipstitch_cli.smq_queue import SmqQueue, smq_account

POLL_S = 2


class CompletionListener:
    """Receives the notifications of tasks. `error` is the reason if it cannot; then it receives nothing."""

    def __init__(self, name: str, account_id: str, settings: Settings, key: AccessKey) -> None:
        self.error = ""
        self._name, self._topic = name, settings.completion_topic
        self._account = smq_account(settings.mns_endpoint, key)
        self._queue = SmqQueue(self._account, name)
        self._endpoint = f"acs:mns:{settings.oss_region}:{account_id}:queues/{name}"

    def open(self, cleanup: CleanupStack) -> None:
        """Create the queue, and subscribe it to the topic."""
        try:
            create_queue(self._account, self._name, cleanup)
            subscribe_queue(self._account, self._topic, self._name, self._endpoint, cleanup)
        except ClipstitchError as error:
            self.error = str(error)

    def receive(self, tasks: set[str], wait: timedelta, clock: Clock) -> dict[str, str]:
        """Return the notifications of these tasks, by task, as received; wait until all are there or time is up."""
        bodies: dict[str, str] = {}
        deadline = clock.now() + wait
        while not self.error and len(bodies) < len(tasks) and clock.now() < deadline:
            body = self._receive_one()
            if (notification := notification_in(body)) and notification.task_id in tasks:
                bodies[notification.task_id] = body
        return bodies

    def _receive_one(self) -> str:
        """Receive a notification, which may be about a task of another job."""
        try:
            if message := self._queue.receive(POLL_S):
                self._queue.delete(message.handle)
                return message.body
        except ClipstitchError as error:
            self.error = str(error)
        return ""
