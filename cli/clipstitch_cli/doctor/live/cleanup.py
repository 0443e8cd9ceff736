"""Removes temporary resources: a removal is registered before the resource is created, so that errors leave nothing."""

from collections.abc import Callable

from clipstitch.common.errors import BucketNotFound, ClipstitchError, CloudBusy
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectStore


class CleanupStack:
    """Registered removals; the last one registered runs first."""

    def __init__(self) -> None:
        self._removals: list[tuple[str, Callable[[], object]]] = []

    def add(self, what: str, remove: Callable[[], object]) -> None:
        """Register a removal; `what` names the resource in messages."""
        self._removals.append((what, remove))

    def run(self) -> list[str]:
        """Run all removals, also after errors; return the resources that could not be removed, with the reason."""
        remaining = []
        while self._removals:
            what, remove = self._removals.pop()
            try:
                remove()
            except ClipstitchError as error:
                remaining.append(f"{what}: {error}")
        return remaining


def delete_prefix(bucket: str, prefix: str, objects: ObjectStore) -> int:
    """Delete all objects under a prefix and return their number; 0 if the bucket does not exist.

    Raises CloudBusy if objects still exist afterwards.
    """
    try:
        refs = [ObjectRef(bucket, listed.key) for listed in objects.list(bucket, prefix)]
    except BucketNotFound:
        return 0
    objects.delete(refs)
    if remaining := [listed.key for listed in objects.list(bucket, prefix)]:
        raise CloudBusy(f"{', '.join(remaining)} still exists")
    return len(refs)
