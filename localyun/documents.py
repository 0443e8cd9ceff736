"""Keeps JSON documents by kind and name in SQLite, for configurations: they are small and change rarely."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localyun.sqlite import Database

SCHEMA = "CREATE TABLE IF NOT EXISTS document (kind TEXT, name TEXT, content TEXT, PRIMARY KEY (kind, name));"


class Documents:
    """A durable table of JSON documents. A value that a method has stored survives `kill -9`."""

    def __init__(self, file: Path) -> None:
        self._db = Database(file, SCHEMA)

    def put(self, kind: str, name: str, content: Mapping[str, Any]) -> None:
        """Store a document, replacing one of the same kind and name."""
        with self._db.change() as db:
            text = json.dumps(content, ensure_ascii=False)
            db.execute("INSERT OR REPLACE INTO document VALUES (?,?,?)", (kind, name, text))

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return a document, or None."""
        rows = self._db.rows("SELECT content FROM document WHERE kind = ? AND name = ?", kind, name)
        return json.loads(rows[0]["content"]) if rows else None

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return all documents of a kind by name, in order of their names."""
        rows = self._db.rows("SELECT name, content FROM document WHERE kind = ? ORDER BY name", kind)
        return {row["name"]: json.loads(row["content"]) for row in rows}

    def delete(self, kind: str, name: str) -> bool:
        """Delete a document; return False if there is none."""
        with self._db.change() as db:
            return db.execute("DELETE FROM document WHERE kind = ? AND name = ?", (kind, name)).rowcount > 0

    def close(self) -> None:
        """Close the file."""
        self._db.close()
