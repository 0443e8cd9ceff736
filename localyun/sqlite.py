"""One SQLite file shared by threads: locking and transactions, no tables. All stores use it."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localyun.disk import Reserve
from localyun.errors import ServiceError

BUSY_SECONDS = 30.0


class Database:
    """A durable SQLite file: one connection, one lock, write-ahead log. A kill loses no committed transaction.

    With `reserve`, some space of the disk is kept for transactions that free space.
    """

    def __init__(self, file: Path, schema: str, *, reserve: bool = False) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._reserve = Reserve(file.with_suffix(".reserve")) if reserve else None
        self._lock = threading.RLock()
        self._closed = False
        self._connection = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(schema)
        if self._reserve:
            self._reserve.keep()

    @contextmanager
    def change(self, *, frees_space: bool = False) -> Iterator[sqlite3.Connection]:
        """Open an exclusive write transaction; an exception rolls it back. On a full disk, use the reserve for it."""
        with self._lock:
            self._check_open()
            if frees_space and self._reserve:
                self._make_space(self._reserve)
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # on a full disk SQLite may have rolled back already, or not
                    self._connection.execute("ROLLBACK")
                raise

    def _make_space(self, reserve: Reserve) -> None:
        """On a full disk, release the reserve and what the write-ahead log occupies; else keep a reserve again."""
        if reserve.release_if_full():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            reserve.keep()

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Return every row that a query finds in the committed data."""
        with self._lock:
            self._check_open()
            return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        """Close the file. Later calls raise ServiceError: a request may still be in progress when the cloud stops."""
        with self._lock:
            self._closed = True
            self._connection.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ServiceError(503, "ServiceUnavailable", "The local cloud is shutting down.")
