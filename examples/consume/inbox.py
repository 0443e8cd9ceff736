"""Which events were acted on before: a table whose primary key is the event's id. All three consumers ask it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

Event = dict[str, Any]
WAIT_S = 4  # for a twin that is being acted on; whoever pushes waits five seconds for an answer


class Inbox:
    """The ids of events that were acted on, in a file. Threads and processes may share one."""

    def __init__(self, file: str) -> None:
        self._file = file
        with closing(self._open()) as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS acted (id TEXT PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP)"
            )

    def once(self, event: Event, act: Callable[[Event], None]) -> bool:
        """Act on an event unless that was done before; say whether it was done now.

        Mark, act, commit: an act that fails, or is cut off, leaves no mark, so the event is acted on when it comes
        again. Until the commit everybody else waits, so of twins that come at the same time only one is acted on.
        """
        with closing(self._open()) as database, database:  # the inner one commits, or takes the mark back
            database.execute("BEGIN IMMEDIATE")
            marked = database.execute("INSERT OR IGNORE INTO acted (id) VALUES (?)", (event["id"],))
            if new := marked.rowcount == 1:
                act(event)
        return new

    def _open(self) -> sqlite3.Connection:
        """Connect; transactions begin where we say so."""
        return sqlite3.connect(self._file, timeout=WAIT_S, isolation_level=None)
