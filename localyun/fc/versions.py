"""Published versions of functions, and aliases for them. No HTTP.

A version is a copy of the function as it was when it was published; its code is never changed.
"""

import threading
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.fc.configuration import parse_alias, rejected
from localyun.fc.deployed import DeployedFunction
from localyun.fc.function_store import ALIAS, ASYNC, VERSION, FunctionStore
from localyun.fc.service import FunctionService
from localyun.fc.values import LATEST, FunctionAlias, FunctionConfig


class FunctionVersions:
    """Publishes and deletes versions; creates, changes and deletes aliases. `lock` serializes all changes."""

    def __init__(
        self, functions: FunctionService, store: FunctionStore, clock: CloudClock, lock: threading.RLock
    ) -> None:
        self._functions, self._store, self._clock, self._lock = functions, store, clock, lock

    def restore(self, name: str) -> None:
        """Deploy the versions of a stored function, and restore its aliases."""
        for config in self._store.versions(name):
            self._functions.deploy(config)
        for alias, content in self._store.parts(ALIAS, name).items():
            times = {key: datetime.fromisoformat(content[key]) for key in ("created", "modified")}
            self._functions.function(name).aliases[alias] = FunctionAlias(**{**content, **times})

    def publish(self, name: str, description: str) -> FunctionConfig:
        """Publish the function as it is now, and return the new version. Raises `ServiceError`."""
        with self._lock:
            current = self._functions.get(name)
            if not (found := self._store.get(name)):
                text = f"function '{name}' runs from {current.code[0]}; only a function with a package has versions"
                raise ServiceError(400, "InvalidArgument", text)
            stored, published = found
            number, now = published + 1, self._clock.now()
            # The number first: it is not used again, even if this process is killed here.
            self._store.put(stored.document, stored, number)
            version = replace(stored, version=str(number), version_description=description, created=now, modified=now)
            self._functions.deploy(version)
            self._store.put_version(version)
            return version

    def delete(self, name: str, version: str) -> None:
        """Delete a version; raise `ServiceError` if it does not exist, or an alias uses it."""
        with self._lock:
            aliases = self._functions.function(name).aliases.values()
            if using := [alias.name for alias in aliases if version in {alias.version, *alias.weights}]:
                text = f"version '{version}' of function '{name}' is used by alias {', '.join(using)}"
                raise ServiceError(400, "InvalidArgument", text)
            if version == LATEST:
                raise ServiceError(400, "InvalidArgument", f"{LATEST} cannot be deleted; delete the function")
            self._functions.remove_version(name, version)
            self._store.delete_part(VERSION, name, version)
            self._forget_async(name, version)

    def create_alias(self, name: str, document: Mapping[str, Any]) -> FunctionAlias:
        """Create an alias; raise `ServiceError` if it exists, is not valid, or names a version that does not exist."""
        with self._lock:
            alias = str(document.get("aliasName") or "")
            if alias in self._functions.function(name).aliases:
                text = f"alias '{alias}' of function '{name}' already exists"
                raise ServiceError(409, "AliasAlreadyExists", text)
            return self._put_alias(name, document, self._clock.now())

    def update_alias(self, name: str, alias: str, changes: Mapping[str, Any]) -> FunctionAlias:
        """Change the given fields of an alias. Raises `ServiceError`."""
        with self._lock:
            old = self.alias(name, alias)
            kept = {
                "versionId": old.version,
                "description": old.description,
                "additionalVersionWeight": old.weights,
            }
            given = {key: value for key, value in changes.items() if value is not None}
            return self._put_alias(name, {**kept, **given, "aliasName": alias}, old.created)

    def alias(self, name: str, alias: str) -> FunctionAlias:
        """Return an alias; raise `ServiceError` (404 AliasNotFound) if it does not exist."""
        if found := self._functions.function(name).aliases.get(alias):
            return found
        raise ServiceError(404, "AliasNotFound", f"alias '{alias}' of function '{name}' does not exist")

    def delete_alias(self, name: str, alias: str) -> None:
        """Delete an alias; raise `ServiceError` if it does not exist."""
        with self._lock:
            self.alias(name, alias)
            del self._functions.function(name).aliases[alias]
            self._store.delete_part(ALIAS, name, alias)
            self._forget_async(name, alias)

    def _put_alias(self, name: str, document: Mapping[str, Any], created: datetime | None) -> FunctionAlias:
        with rejected():
            alias = replace(parse_alias(document), created=created, modified=self._clock.now())
        function = self._functions.function(name)
        _check_versions(function, alias)
        function.aliases[alias.name] = alias
        times = {"created": alias.created, "modified": alias.modified}
        content = {**asdict(alias), **{key: time.isoformat() for key, time in times.items() if time}}
        self._store.put_part(ALIAS, name, alias.name, content)
        return alias

    def _forget_async(self, name: str, qualifier: str) -> None:
        self._functions.function(name).asynchronous.pop(qualifier, None)
        self._store.delete_part(ASYNC, name, qualifier)


def _check_versions(function: DeployedFunction, alias: FunctionAlias) -> None:
    if alias.version in alias.weights:
        text = f"additionalVersionWeight {dict(alias.weights)} should not contain major version {alias.version}"
        raise ServiceError(400, "AdditionalVersionContainsMajorVersion", text)
    known = {LATEST, *(config.version for config in function.versions())}
    if unknown := sorted({alias.version, *alias.weights} - known):
        text = f"version '{unknown[0]}' of function '{function.name}' does not exist"
        raise ServiceError(404, "VersionNotFound", text)
