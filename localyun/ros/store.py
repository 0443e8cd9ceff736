"""Keeps stacks in SQLite. Knows documents, no rules."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from localyun.documents import Documents
from localyun.ros.values import ResourceRecord, StackEvent, StackRecord

STACK = "stack"


class StackStore:
    """The durable stacks, deleted ones included."""

    def __init__(self, file: Path) -> None:
        self._documents = Documents(file)

    def put(self, stack: StackRecord) -> None:
        """Store a stack, replacing an earlier state."""
        self._documents.put(STACK, stack.stack_id, _plain(asdict(stack)))

    def find(self, stack_id: str) -> StackRecord | None:
        """Return a stack, or None."""
        document = self._documents.get(STACK, stack_id)
        return _stack(document) if document else None

    def all(self) -> list[StackRecord]:
        """Return all stacks, newest first."""
        stacks = map(_stack, self._documents.all(STACK).values())
        return sorted(stacks, key=lambda stack: stack.created, reverse=True)

    def close(self) -> None:
        """Close the file."""
        self._documents.close()


def _plain(value: Any) -> Any:
    """Return a value with times as text."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _stack(document: dict[str, Any]) -> StackRecord:
    updated = document["updated"]
    events = [StackEvent(**{**one, "time": datetime.fromisoformat(one["time"])}) for one in document["events"]]
    return StackRecord(
        **{
            **document,
            "created": datetime.fromisoformat(document["created"]),
            "updated": datetime.fromisoformat(updated) if updated else None,
            "resources": tuple(ResourceRecord(**one) for one in document["resources"]),
            "events": tuple(events),
        }
    )
