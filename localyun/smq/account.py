"""The attributes of the account: where its log goes. They are only stored: the local cloud writes no such log."""

import json
import sqlite3
from dataclasses import asdict, dataclass, replace

from localyun.errors import ServiceError
from localyun.smq.store import insert, to_json
from localyun.sqlite import Database


@dataclass(frozen=True)
class AccountAttributes:
    """The attributes that the vendor's SDKs know (AccountAttributes.java, 2026-11). A bucket "" means: none."""

    logging_bucket: str = ""
    trace_enabled: int = 0


class AccountSettings:
    """The attributes of one account in one region."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self) -> AccountAttributes:
        """Return the attributes."""
        with self._database.change() as db:
            return _attributes(db)

    def change(self, **changes: str | int) -> None:
        """Change some attributes; raise `ServiceError` for an invalid value."""
        if changes.get("trace_enabled", 0) not in (0, 1):
            raise ServiceError(400, "InvalidArgument", "TraceEnabled must be 0 or 1.")
        with self._database.change() as db:
            new = replace(_attributes(db), **changes)  # type: ignore[arg-type] # both types are those of the fields
            db.execute("DELETE FROM account")
            insert(db, "account", attributes=to_json(asdict(new)))


def _attributes(db: sqlite3.Connection) -> AccountAttributes:
    row = db.execute("SELECT attributes FROM account").fetchone()
    return AccountAttributes(**json.loads(row["attributes"])) if row else AccountAttributes()
