"""Stacks, their resources and their events: plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

# "Update a stack" and "GetStack", read 2026-11: a stack can be updated in these states only. One whose creation failed
# or was rolled back must be deleted.
UPDATABLE = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CHECK_COMPLETE"}
)
DELETED = "DELETE_COMPLETE"


@dataclass(frozen=True)
class ResourceRecord:
    """A resource that a stack has created. `properties` are resolved."""

    logical_id: str
    type: str
    physical_id: str
    status: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    is_retained: bool = False


@dataclass(frozen=True)
class StackEvent:
    """A change of the status of a stack or of one of its resources."""

    event_id: str
    time: datetime
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str


@dataclass(frozen=True)
class StackRecord:
    """A stack: its template and parameters, its status, what it has created, and what happened, oldest event first."""

    stack_id: str
    name: str
    template: str
    parameters: Mapping[str, str]
    status: str
    reason: str
    created: datetime
    updated: datetime | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    resources: tuple[ResourceRecord, ...] = ()
    events: tuple[StackEvent, ...] = ()

    @property
    def is_in_progress(self) -> bool:
        """True while ROS works on the stack."""
        return self.status.endswith("_IN_PROGRESS")
