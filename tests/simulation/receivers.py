"""Receivers of webhooks.

A receiver is *healthy* (accepts everything), *unreliable* (accepts everything after the fault phase), *slow* (the same,
and every response takes nine seconds), *down* (accepts
everything hours or days later), *dead* (never accepts anything) or *gone* (answers 410, after at most one delivery).
"""

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from clipstitch.common.errors import WebhookNoResponse
from clipstitch.common.ports import Webhook, WebhookResponse
from tests.simulation.setups import DEAD, DOWN, GONE, SLOW, UNRELIABLE

if TYPE_CHECKING:
    from tests.simulation.world import World

RESPONSE_TIMEOUT_S = 10  # of the adapter
_SLOW_S = 9.0
RETRY_AFTER_S = 900  # what a receiver that answers 429 asks for

OK_STATUS, GONE_STATUS, BUSY_STATUS, ERROR_STATUS, NO_STATUS = 204, 410, 429, 500, 0
_OK, _GONE, _BUSY, _ERROR, _NO_RESPONSE, _RESPONSE_LOST = "204", "410", "429", "500", "no response", "response lost"
_FAILURES = (_ERROR, _NO_RESPONSE, _BUSY, _RESPONSE_LOST)
_STATUS = {_OK: OK_STATUS, _GONE: GONE_STATUS, _BUSY: BUSY_STATUS, _ERROR: ERROR_STATUS}


class Attempt(NamedTuple):
    """An attempt to deliver an event to a webhook.

    `run` is the number of the run, `at` the time of its clock, `status` the HTTP status of the response (0: none).
    """

    run: int
    webhook: str
    event_id: str
    text: str
    at: datetime
    status: int

    @property
    def job(self) -> str:
        """The job of the event."""
        return self.event_id.rpartition(".")[0]

    @property
    def accepted(self) -> bool:
        """Whether the sender received a response that accepts the event."""
        return 200 <= self.status < 300


class SimulatedReceivers:
    """The `WebhookSender` port. `attempts` are all attempts, in order."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._behaviours = dict(world.setup.receivers)
        behaviours = self._behaviours.values()
        self._up_again_at = world.rng.uniform(3600, 200_000) if DOWN in behaviours else 0.0
        self._accepted_before_gone = world.rng.randrange(2) if GONE in behaviours else 0
        self.attempts: list[Attempt] = []

    def post(self, hook: Webhook, event_id: str, text: str, at: datetime) -> WebhookResponse:
        """Respond according to the behaviour of the receiver; raise `WebhookNoResponse` if it does not respond."""
        response = self._draw_response(hook.name)
        if response != _OK:
            self._world.injector.counts[f"webhook: {response}"] += 1
        status = _STATUS.get(response, NO_STATUS)
        self.attempts.append(Attempt(self._world.actor, hook.name, event_id, text, at, status))
        if status == NO_STATUS:
            raise WebhookNoResponse(f"{hook.name} did not respond")
        return WebhookResponse(status, str(RETRY_AFTER_S) if status == BUSY_STATUS else "")

    def response_s(self, hook: Webhook) -> float:
        """Return how many seconds a response takes, besides the latency of the call."""
        return _SLOW_S if self._behaviours[hook.name] == SLOW else 0.0

    def _draw_response(self, name: str) -> str:
        behaviour, rng = self._behaviours[name], self._world.rng
        if behaviour == DEAD or (behaviour == DOWN and self._world.scheduler.now < self._up_again_at):
            return rng.choice(_FAILURES)
        if behaviour == UNRELIABLE and self._world.injector.active:
            return rng.choice((*_FAILURES, _OK))
        if behaviour == SLOW and self._world.injector.active:
            return rng.choice((_ERROR, _OK))
        attempts = sum(attempt.webhook == name for attempt in self.attempts)
        return _GONE if behaviour == GONE and attempts >= self._accepted_before_gone else _OK
