"""The functions that were created through the API, in SQLite, with their code: what survives a restart.

Functions that a project's s.yaml declares are deployed from that file at each start, and nothing of them is kept here.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from localyun.clock import CloudClock
from localyun.documents import Documents
from localyun.fc.code import CodeFolder
from localyun.fc.configuration import parse_function
from localyun.fc.values import FunctionCode, FunctionConfig

FUNCTION, VERSION, ALIAS, TRIGGER, ASYNC, CONCURRENCY = (
    "function", "version", "alias", "trigger", "async", "concurrency"
)  # fmt: skip
PARTS = (VERSION, ALIAS, TRIGGER, ASYNC, CONCURRENCY)


class FunctionStore:
    """Functions and their parts. A part has a kind, and a name that is unique in its function."""

    def __init__(self, root: Path, clock: CloudClock) -> None:
        self._documents = Documents(root / "configurations.sqlite")
        self.code = CodeFolder(root / "code", clock)

    def clean(self) -> None:
        """Delete the parts of functions that are not kept, and code that no function uses any more.

        Such parts belong to functions of s.yaml, or are what an interrupted deletion has left.
        """
        functions = self._documents.all(FUNCTION)
        for kind in PARTS:
            for key in self._documents.all(kind):
                if key.partition("/")[0] not in functions:
                    self._documents.delete(kind, key)
        versions = self._documents.all(VERSION)
        self.code.delete_all_but({str(stored["folder"]) for stored in (*functions.values(), *versions.values())})

    def names(self) -> list[str]:
        """Return the names of all functions, in order."""
        return list(self._documents.all(FUNCTION))

    def put(self, document: Mapping[str, Any], config: FunctionConfig, published: int) -> None:
        """Store a function; `published` is the number of its last published version."""
        stored = {**_stored(document, config), "published": published}
        self._documents.put(FUNCTION, config.name, stored)

    def get(self, name: str) -> tuple[FunctionConfig, int] | None:
        """Return a function and the number of its last published version, or None."""
        stored = self._documents.get(FUNCTION, name)
        return (self._config(stored), int(stored["published"])) if stored else None

    def delete(self, name: str) -> None:
        """Delete a function with its parts."""
        self._documents.delete(FUNCTION, name)  # first: `clean` deletes the parts of a function that does not exist
        for kind in PARTS:
            for part in self.parts(kind, name):
                self.delete_part(kind, name, part)

    def put_version(self, config: FunctionConfig) -> None:
        """Store a published version."""
        stored = {**_stored(config.document, config), "description": config.version_description}
        self.put_part(VERSION, config.name, config.version, stored)

    def versions(self, name: str) -> list[FunctionConfig]:
        """Return the published versions of a function."""
        parts = self.parts(VERSION, name).items()
        return [
            replace(self._config(stored), version=version, version_description=stored["description"])
            for version, stored in parts
        ]

    def put_part(self, kind: str, function: str, name: str, content: Mapping[str, Any]) -> None:
        """Store a part of a function; the next `clean` deletes it if the function itself is not kept."""
        self._documents.put(kind, f"{function}/{name}", content)

    def parts(self, kind: str, function: str) -> dict[str, dict[str, Any]]:
        """Return the parts of a kind by their names."""
        found = ((*key.partition("/"), content) for key, content in self._documents.all(kind).items())
        return {name: content for owner, _, name, content in found if owner == function}

    def delete_part(self, kind: str, function: str, name: str) -> None:
        """Delete a part, if it exists."""
        self._documents.delete(kind, f"{function}/{name}")

    def close(self) -> None:
        """Close the file."""
        self._documents.close()

    def _config(self, stored: Mapping[str, Any]) -> FunctionConfig:
        document = stored["document"]
        code = self.code.find(stored["folder"], stored["size"], stored["checksum"], str(document.get("runtime")))
        config = parse_function(document, code, f"function '{document['functionName']}'")
        created, modified = (datetime.fromisoformat(stored[name]) for name in ("created", "modified"))
        return replace(config, created=created, modified=modified)


def code_of(config: FunctionConfig) -> FunctionCode:
    """Return the code of a function."""
    return FunctionCode(config.code, config.code_size, config.code_checksum, config.built, config.python)


def _stored(document: Mapping[str, Any], config: FunctionConfig) -> dict[str, Any]:
    assert config.created is not None
    assert config.modified is not None
    return {
        "document": dict(document),
        "folder": config.code[0].name,
        "size": config.code_size,
        "checksum": config.code_checksum,
        "created": config.created.isoformat(),
        "modified": config.modified.isoformat(),
    }
