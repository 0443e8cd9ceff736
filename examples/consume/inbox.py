"""Remember which events were acted on, in a table whose primary key is the event id. All three consumers use it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

Event = dict[str, Any]
LOCK_TIMEOUT_S = 4  # below the five seconds after which SMQ gives up on a push


class Inbox:
    """The ids of events that were acted on, in a file that threads and processes can share."""

    def __init__(self, file: str) -> None:
        self._file = file
        with closing(self._open()) as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS acted (id TEXT PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP)"
            )

    def once(self, event: Event, act: Callable[[Event], None]) -> bool:
        """Act on an event unless its id is known; return True if `act` was called.

        The id is inserted, `act` is called, and the transaction is committed. If `act` fails or the process is killed,
        the id is not stored, and the next delivery of the event acts on it. Concurrent duplicates wait for the commit.
        Raises what `act` raises, and sqlite3.OperationalError if the database stays locked for LOCK_TIMEOUT_S seconds.
        """
        with closing(self._open()) as database, database:  # the inner context commits, or rolls back
            database.execute("BEGIN IMMEDIATE")
            inserted = database.execute("INSERT OR IGNORE INTO acted (id) VALUES (?)", (event["id"],))
            if is_new := inserted.rowcount == 1:
                act(event)
        return is_new

    def _open(self) -> sqlite3.Connection:
        """Connect in autocommit mode, so that transactions begin explicitly."""
        return sqlite3.connect(self._file, timeout=LOCK_TIMEOUT_S, isolation_level=None)
