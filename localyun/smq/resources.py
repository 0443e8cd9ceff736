"""What queues and topics have in common: they have a name and attributes, and are created, changed and listed."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Generic, TypeVar

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.smq.store import insert, name_page, to_json
from localyun.smq.values import Attributes, Page, check_name, from_ms, to_ms, with_changes
from localyun.sqlite import Database

Description = TypeVar("Description")


@dataclass(frozen=True)
class ResourceKind(Generic[Attributes, Description]):
    """Queues or topics: the vendor's name in error codes and in messages, the default attributes, and the SQL.

    `describe` takes name, attributes, times and the columns of the query `counts`; `deletions` are the statements that
    delete a resource and what belongs to it.
    """

    name: str
    described: str
    defaults: Attributes
    describe: Callable[..., Description]
    counts: str
    deletions: tuple[str, ...]

    @property
    def table(self) -> str:
        """The name of the table."""
        return f"{self.name.lower()}s"

    def row(self, db: sqlite3.Connection, name: str) -> sqlite3.Row:
        """Return the row of a resource; raise `ServiceError` if it does not exist."""
        if row := self.find(db, name):
            return row
        message = f'The {self.described} you provided does not exist: "{name}". Create it first.'
        raise ServiceError(404, f"{self.name}NotExist", message)

    def find(self, db: sqlite3.Connection, name: str) -> sqlite3.Row | None:
        """Return the row of a resource, or None."""
        sql = f"SELECT * FROM {self.table} WHERE name = ?"  # noqa: S608 - a literal
        row: sqlite3.Row | None = db.execute(sql, (name,)).fetchone()
        return row

    def attributes(self, row: sqlite3.Row) -> Attributes:
        """Return the attributes in a row."""
        return replace(self.defaults, **json.loads(row["attributes"]))


class NamedResources(Generic[Attributes, Description]):
    """The queues or the topics of one account in one region."""

    def __init__(self, kind: ResourceKind[Attributes, Description], database: Database, clock: CloudClock) -> None:
        self._kind: ResourceKind[Attributes, Description] = kind
        self._database, self._clock = database, clock

    def create(self, name: str, **attributes: Any) -> bool:
        """Create a resource; return True if it is new, False if an equal one exists.

        Raises `ServiceError` if one with other attributes exists, or for a name or an attribute that is not valid.
        """
        kind, wanted, now = self._kind, with_changes(self._kind.defaults, attributes), to_ms(self._clock.now())
        with self._database.change() as db:
            if row := kind.find(db, name):
                if kind.attributes(row) == wanted:
                    return False
                remedy = f"use Set{kind.name}Attributes to change them"
                message = f'The {kind.name.lower()} "{name}" exists with other attributes; {remedy}.'
                raise ServiceError(409, f"{kind.name}AlreadyExist", message)
            check_name(kind.name, name)
            insert(db, kind.table, name=name, attributes=to_json(asdict(wanted)), created=now, modified=now)
        return True

    def put(self, name: str, **attributes: Any) -> None:
        """Create a resource, or change the attributes of an existing one; raise `ServiceError` for an invalid value."""
        try:
            self.create(name, **attributes)
        except ServiceError as error:
            if error.status != 409:
                raise
            self.change(name, **attributes)

    def get(self, name: str) -> Description:
        """Return a resource with its counts; raise `ServiceError` if it does not exist."""
        with self._database.change() as db:
            row = self._kind.row(db, name)
            counts = db.execute(self._kind.counts, {"now": to_ms(self._clock.now()), "name": name}).fetchone()
        times = (from_ms(row["created"]), from_ms(row["modified"]))
        return self._kind.describe(name, self._kind.attributes(row), *times, *counts)

    def change(self, name: str, **attributes: Any) -> None:
        """Change some attributes. Messages that a queue already has keep their retention and delay."""
        with self._database.change() as db:
            new = with_changes(self._kind.attributes(self._kind.row(db, name)), attributes)
            sql = f"UPDATE {self._kind.table} SET attributes = ?, modified = ? WHERE name = ?"  # noqa: S608 - a literal
            db.execute(sql, (to_json(asdict(new)), to_ms(self._clock.now()), name))

    def delete(self, name: str) -> None:
        """Delete a resource and what belongs to it; succeed if it does not exist."""
        with self._database.change(frees_space=True) as db:
            for statement in self._kind.deletions:
                db.execute(statement, (name,))

    def names(self, prefix: str = "", marker: str = "", limit: int = 1000) -> Page:
        """Return names in order, after the marker."""
        return name_page(self._database, f"{self._kind.table} WHERE TRUE", prefix=prefix, marker=marker, limit=limit)
