"""Receivers of webhooks, each in a mood of its own, and whether they were told as promised.

Moods: *well* takes everything; *moody* does when the storm is over; *asleep* hours or days later; *dead* never does;
*gone* answers 410 from some delivery on.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from clipstitch.common.errors import WebhookNoResponse
from clipstitch.common.ports import Webhook, WebhookResponse
from tests.simulation.setups import ASLEEP, DEAD, GONE, MOODY

if TYPE_CHECKING:
    from tests.simulation.invariants import Judge
    from tests.simulation.world import World

NO_ANSWER_S = 10  # how long the adapter waits
ASKED_S = 900  # what a receiver that is busy asks for
RESTS_S = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)  # Standard Webhooks 1.0.0
_SILENT, _LOST, _FAULT, _BUSY, _GONE, _TAKEN = "no answer", "answer lost", "500", "429", "410", "204"
_STATUS = {_FAULT: 500, _BUSY: 429, _GONE: 410, _TAKEN: 204}


class Posted(NamedTuple):
    """An attempt at a delivery: by which run, when by that run's clock, and what that run was answered (0: nothing)."""

    by: int
    hook: str
    event_id: str
    text: str
    at: datetime
    status: int

    @property
    def job(self) -> str:
        """The job that the event is about."""
        return self.event_id.rpartition(".")[0]


class Receivers:
    """The `WebhookSender` port."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._moods = dict(world.scenario.setup.receivers)
        self._wakes_s = world.rng.uniform(3600, 200_000) if ASLEEP in self._moods.values() else 0.0
        self._last = world.rng.randrange(2) if GONE in self._moods.values() else 0
        self.posted: list[Posted] = []

    def post(self, hook: Webhook, event_id: str, text: str, at: datetime) -> WebhookResponse:
        """Answer as the mood is."""
        says = self._says(hook.name)
        if says != _TAKEN:
            self._world.faults[f"webhook: {says}"] += 1
        status = _STATUS.get(says, 0)
        self.posted.append(Posted(self._world.acting, hook.name, event_id, text, at, status))
        if not status:
            raise WebhookNoResponse(f"{hook.name} gave no answer")
        return WebhookResponse(status, str(ASKED_S) if says == _BUSY else "")

    def _says(self, name: str) -> str:
        """Choose an answer."""
        mood, rng = self._moods[name], self._world.rng
        if mood == DEAD or (mood == ASLEEP and self._world.scheduler.now < self._wakes_s):
            return rng.choice((_FAULT, _SILENT, _BUSY, _LOST))
        if mood == MOODY and self._world.stormy:
            return rng.choice((_FAULT, _SILENT, _BUSY, _LOST, _TAKEN))
        if mood == GONE and sum(posted.hook == name for posted in self.posted) >= self._last:
            return _GONE
        return _TAKEN


def broken_promises(judge: "Judge") -> Iterator[str]:
    """Let every delivery be due, and every job know what became of it."""
    for name, _ in judge.world.scenario.setup.receivers:
        sink = name.lower()
        off = [change.time for change in judge.written if change.ref.key.endswith(f"/sinks/{sink}.off")]
        for job in judge.jobs:
            posts = [post for post in judge.world.receivers.posted if (post.hook, post.job) == (name, job)]
            pending = list(_owed(judge, job, sink))
            problems = [
                *_early(judge, posts, pending, off),
                *(problem for _, each in pending for problem in _rest(each)),
            ]
            if sink in judge.document(job, "decision").get("sinks", ()):
                problems += _end(judge.document(job, f"delivered.{sink}"), posts, pending, off)
            yield from (f"{name}: {job} {problem}" for problem in problems)


def _owed(judge: "Judge", job: str, sink: str) -> Iterator[tuple[float, dict[str, Any]]]:
    """Yield what was noted of attempts that failed, and when."""
    for change in judge.written:
        if f"/{job}/pending.{sink}~" in change.ref.key:
            yield change.time, json.loads(change.body or b"")


def _early(
    judge: "Judge", posts: list[Posted], pending: list[tuple[float, dict[str, Any]]], off: list[float]
) -> Iterator[str]:
    """Complain of deliveries that a run made although it knew of a rest that was not over, or of the switch."""
    for post in posts:
        began = judge.world.functions[post.by].began
        known = [(document["attempt"], time, document) for time, document in pending if time < began]
        # Of two runs that make the same attempt, what is noted last stays.
        last = max(known, key=lambda each: each[:2])[2] if known else None
        if last and post.at < _moment(last["next"]):
            yield f"was told again before the rest after attempt {last['attempt']} was over"
        if off and off[0] < began:
            yield "was told although the sink was switched off"


def _rest(pending: dict[str, Any]) -> Iterator[str]:
    """Compare a rest with the schedule, and with what was asked for."""
    if pending["attempt"] >= len(RESTS_S):
        yield "rests after the last attempt"
        return
    rest = (_moment(pending["next"]) - _moment(pending["at"])).total_seconds()
    wanted = max(RESTS_S[pending["attempt"]], ASKED_S if pending["status"] == _STATUS[_BUSY] else 0)
    if abs(rest - wanted) > 1:
        yield f"rests {rest:.0f} s after attempt {pending['attempt']}, not {wanted}"


def _end(
    told: dict[str, Any], posts: list[Posted], pending: list[tuple[float, dict[str, Any]]], off: list[float]
) -> Iterator[str]:
    """Let nobody be given up for another reason than the switch, or a schedule that is used up."""
    taken, code = any(200 <= post.status < 300 for post in posts), told.get("error", {}).get("code")
    if code is None and not taken:
        yield "is noted as told, but it never took the event"
    if code == "SINK_OFF" and not off:
        yield "was given up as switched off, which it is not"
    if code not in (None, "SINK_OFF") and {document["attempt"] for _, document in pending} != set(
        range(1, len(RESTS_S))
    ):
        yield f"was given up ({code}) before the schedule was used up"
    if posts and not taken and posts[-1].status == _STATUS[_GONE] and code != "SINK_OFF":
        yield f"answered 410, and was not switched off, but {code}"


def _moment(stamp: str) -> datetime:
    """Read a timestamp."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00"))
