"""The scenarios: which jobs are open when the sweeps begin, and what is wrong with the cloud."""

from typing import NamedTuple

from tests.simulation.scale import populations as of
from tests.simulation.scale.costs import Outages, Receiver

_REFUSING, _SLOW, _SILENT = ("REFUSING", Receiver(503)), ("SLOW", Receiver(503, 9.0)), ("SILENT", Receiver(0))
_ALL_OUTAGES = Outages(
    receivers=(_REFUSING, _SLOW, _SILENT),
    deleted_topics=frozenset({"events"}),
    busy_queues=frozenset({"events"}),
    archived_prefix=f"manifests/{of.ARCHIVED}",
)


class ScaleScenario(NamedTuple):
    """A name, the populations that share the jobs, and the outages of the cloud.

    `goal`: the sweep that has to recover the last of the jobs whose notification was lost.
    """

    name: str
    populations: tuple[of.Population, ...]
    outages: Outages = Outages()
    goal: int = 3


_SINGLE = (
    ScaleScenario("healthy", (of.running,)),
    ScaleScenario("webhook refuses at once", (of.delivering_to("refusing"),), Outages(receivers=(_REFUSING,))),
    ScaleScenario("webhook refuses after 9 s", (of.delivering_to("slow"),), Outages(receivers=(_SLOW,))),
    ScaleScenario("webhook never answers", (of.delivering_to("silent"),), Outages(receivers=(_SILENT,))),
    ScaleScenario("topic deleted", (of.delivering_to(of.EVENTS),), Outages(deleted_topics=frozenset({"events"}))),
    ScaleScenario("queue busy", (of.delivering_to(of.QUEUE),), Outages(busy_queues=frozenset({"events"}))),
    ScaleScenario("clips missing", (of.waiting_for_clips,)),
    ScaleScenario("plans damaged", (of.with_damaged_plan,)),
    ScaleScenario("manifests archived", (of.with_archived_manifest,), Outages(archived_prefix="manifests/archived")),
    ScaleScenario("closed jobs", (of.closed,)),
    ScaleScenario("orphans", (of.with_orphans,)),
    ScaleScenario("uploads lost", (of.lost_uploads,)),
    ScaleScenario("notifications lost", (of.notification_lost,)),
    ScaleScenario("overdue", (of.overdue,)),
)
SCENARIOS = (
    *_SINGLE,
    ScaleScenario("mixed", tuple(each for scenario in _SINGLE for each in scenario.populations), _ALL_OUTAGES),
)
