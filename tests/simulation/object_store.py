"""OSS: an object store in memory that records every change."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from clipstitch.adapters.memory import MemoryObjectStore
from clipstitch.common.errors import AccessDenied
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from tests.simulation.scenario import WRITABLE_AGAIN_S

if TYPE_CHECKING:
    from tests.simulation.world import World

USER, IMM = 0, -1  # actors that are not function runs


class Change(NamedTuple):
    """An object that was written or, if `body` is None, deleted.

    `actor` is the number of a run, `USER` or `IMM`; `meta` the user metadata as written; `replaced_meta` that of the
    replaced object, None if there was none. `observed_at` is when the run last read or wrote the object, -1 if never.
    """

    time: float
    actor: int
    ref: ObjectRef
    body: bytes | None
    meta: dict[str, str]
    replaced_meta: dict[str, str] | None
    observed_at: float


class RecordingObjectStore(MemoryObjectStore):
    """An object store that records every change, with its actor."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._world = world
        self.changes: list[Change] = []

    def write(self, ref: ObjectRef, body: bytes, labels: ObjectHeaders, *, once: bool = False) -> bool:
        """Write an object and record it; raise `AccessDenied` if the scenario does not let it be written."""
        scenario = self._world.scenario
        if ref.key in scenario.not_writable and self._world.scheduler.now < WRITABLE_AGAIN_S:
            raise AccessDenied(f"{ref.uri} cannot be written")
        replaced = self.stored.get(ref)
        versioned = super().write(ref, body, labels, once=once)
        self._record(ref, body, dict(labels.meta), dict(replaced.about.meta) if replaced else None)
        self._world.steps.record_fact(ref)
        return versioned

    def delete(self, refs: Iterable[ObjectRef]) -> None:
        """Delete objects and record it."""
        for ref in refs:
            self._record(ref, None, {}, None)
            super().delete([ref])

    def _record(
        self, ref: ObjectRef, body: bytes | None, meta: dict[str, str], replaced_meta: dict[str, str] | None
    ) -> None:
        world = self._world
        observed_at = world.runs[world.actor].observed_at(ref) if world.actor > 0 else -1.0
        self.changes.append(Change(world.scheduler.now, world.actor, ref, body, meta, replaced_meta, observed_at))
