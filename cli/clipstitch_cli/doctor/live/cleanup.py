"""What was made, and how it is removed: remembered before it is made, so that nothing is left after an error either."""

from collections.abc import Callable

from clipstitch.common.errors import ClipstitchError


class Undo:
    """A stack of removals."""

    def __init__(self) -> None:
        self._stack: list[tuple[str, Callable[[], object]]] = []

    def later(self, what: str, remove: Callable[[], object]) -> None:
        """Remember how to remove something; what is remembered last is removed first."""
        self._stack.append((what, remove))

    def all(self) -> list[str]:
        """Remove everything, whatever happens meanwhile; return what is left, and why."""
        left = []
        while self._stack:
            what, remove = self._stack.pop()
            try:
                remove()
            except ClipstitchError as error:
                left.append(f"{what}: {error}")
        return left
