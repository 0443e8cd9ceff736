"""The management of functions: create, change and delete functions, triggers and settings. No HTTP.

Everything that is made here survives a restart, except what belongs to a function that a project's s.yaml declares:
such functions are deployed from that file at each start.
"""

import threading
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.fc.answers import trigger_document
from localyun.fc.code_uploads import CodeUploads
from localyun.fc.configuration import (
    BadConfiguration,
    check_name,
    parse_async_config,
    parse_concurrency,
    parse_function,
    parse_trigger,
    rejected,
)
from localyun.fc.function_store import ASYNC, CONCURRENCY, TRIGGER, FunctionStore, code_of
from localyun.fc.service import FunctionService
from localyun.fc.triggers import Triggers
from localyun.fc.values import LATEST, AsyncConfig, FunctionCode, FunctionConfig, Trigger
from localyun.fc.versions import FunctionVersions

TRIGGER_IDENTITY = ("triggerName", "triggerType", "sourceArn")  # UpdateTriggerInput has none of them


class FunctionManager:
    """Creates, changes and deletes what a `FunctionService` runs; one change at a time.

    `check_role(arn)` raises `ServiceError` if Function Compute cannot assume a role.
    """

    def __init__(
        self,
        root: Path,
        clock: CloudClock,
        functions: FunctionService,
        triggers: Triggers,
        uploads: CodeUploads,
        check_role: Callable[[str], None] = lambda _arn: None,
    ) -> None:
        self._store = FunctionStore(root, clock)
        self._clock, self.functions, self.triggers = clock, functions, triggers
        self.uploads, self._check_role = uploads, check_role
        self._lock = threading.RLock()
        self.versions = FunctionVersions(functions, self._store, clock, self._lock)

    def restore(self) -> None:
        """Deploy the functions of earlier runs, with their versions, triggers and settings."""
        self._store.clean()
        for name in self._store.names():
            if found := self._store.get(name):
                self.functions.deploy(found[0])
            self.versions.restore(name)
            function = self.functions.function(name)
            for qualifier, content in self._store.parts(ASYNC, name).items():
                function.asynchronous[qualifier] = _timed(parse_async_config(content["document"]), content)
            for content in self._store.parts(CONCURRENCY, name).values():
                function.reserve(parse_concurrency(content))
            for content in self._store.parts(TRIGGER, name).values():
                trigger = _timed(parse_trigger(name, content["document"], "trigger"), content)
                self.triggers.restore(replace(trigger, id=content["id"]))

    def create(self, document: Mapping[str, Any]) -> FunctionConfig:
        """Create a function from its document and `code`. Raises `ServiceError` if it exists or is not valid."""
        name = str(document.get("functionName") or "")
        with self._lock, rejected():
            check_name("functionName", name)
            if self.functions.has(name):
                raise ServiceError(409, "FunctionAlreadyExists", f"function '{name}' already exists")
            if (code := self._new_code(document.get("code"))) is None:
                raise BadConfiguration(f"function '{name}': code is missing")
            return self._deploy(_without_code(document), code)

    def update(self, name: str, changes: Mapping[str, Any]) -> FunctionConfig:
        """Change the given fields of a function; others, and the code if none is given, stay. Raises `ServiceError`."""
        with self._lock, rejected():
            config = self.functions.get(name)
            code = self._new_code(changes.get("code")) or code_of(config)
            document = {**config.document, **_without_code(changes), "functionName": name}
            return self._deploy(document, code, config.created)

    def delete(self, name: str) -> None:
        """Delete a function with its versions and settings.

        Raises `ServiceError` if it is unknown or has triggers: FC 3.0 "Error codes", FunctionNotEmpty (read 2026-11).
        """
        with self._lock:
            config = self.functions.get(name)
            if triggers := self.triggers.of(name):
                text = f"function '{name}' has active triggers: {', '.join(one.name for one in triggers)}"
                raise ServiceError(409, "FunctionNotEmpty", text)
            self.functions.remove(name)
            self._store.delete(name)
            self.uploads.forget(config.name)

    def code_url(self, name: str, qualifier: str) -> str:
        """Return a URL from which the zip file of a function's code can be downloaded.

        Raises `ServiceError` if the function runs from a directory of the project.
        """
        config = self.functions.get(name, qualifier)
        if not (file := self._store.code.package(config.code[0].name)).is_file():
            text = f"function '{name}' runs from {config.code[0]}; it has no package"
            raise ServiceError(404, "FunctionCodeNotFound", text)
        return self.uploads.link(
            f"{name}/{config.version}.zip", file, self.functions.settings.endpoints["OSS_ENDPOINT"]
        )

    def put_async(self, name: str, document: Mapping[str, Any], qualifier: str = LATEST) -> AsyncConfig:
        """Set how asynchronous invocations of a function's qualifier are retried. Raises `ServiceError`."""
        with self._lock, rejected():
            self.functions.get(name, qualifier)
            settings, now = self.functions.function(name).asynchronous, self._clock.now()
            old = settings.get(qualifier)
            rules = replace(parse_async_config(document), created=(old and old.created) or now, modified=now)
            settings[qualifier] = rules
            content = {"document": dict(document), **_times(rules)}
            self._store.put_part(ASYNC, name, qualifier, content)
            return rules

    def async_config(self, name: str, qualifier: str = LATEST) -> AsyncConfig:
        """Return the asynchronous settings of a function's qualifier; raise `ServiceError` (404) if it has none."""
        if rules := self.functions.function(name).asynchronous.get(qualifier):
            return rules
        text = f"AsyncConfig for {name}:{qualifier} does not exist"
        raise ServiceError(404, "AsyncConfigNotExists", text)

    def delete_async(self, name: str, qualifier: str = LATEST) -> None:
        """Restore the default asynchronous settings. Raises `ServiceError` if the function is unknown."""
        with self._lock:
            self.functions.function(name).asynchronous.pop(qualifier, None)
            self._store.delete_part(ASYNC, name, qualifier)

    def put_concurrency(self, name: str, document: Mapping[str, Any]) -> int:
        """Set and return the reserved concurrency of a function. Raises `ServiceError`."""
        with self._lock, rejected():
            function, reserved = self.functions.function(name), parse_concurrency(document)
            function.reserve(reserved)
            self._store.put_part(CONCURRENCY, name, LATEST, {"reservedConcurrency": reserved})
            return reserved

    def concurrency(self, name: str) -> int:
        """Return the reserved concurrency of a function; raise `ServiceError` (404) if it has none."""
        if (reserved := self.functions.function(name).reserved) is not None:
            return reserved
        # The code is that of terraform-provider-alicloud, service_alicloud_fcv3_v2.go (read 2026-11).
        raise ServiceError(404, "OnDemandConfigNotFound", f"function '{name}' has no reserved concurrency")

    def delete_concurrency(self, name: str) -> None:
        """Remove the reserved concurrency. Raises `ServiceError` if the function is unknown."""
        with self._lock:
            self.functions.function(name).reserve(None)
            self._store.delete_part(CONCURRENCY, name, LATEST)

    def create_trigger(self, function: str, document: Mapping[str, Any]) -> Trigger:
        """Create a trigger, which works at once. Raises `ServiceError` if it exists or is not valid."""
        name = str(document.get("triggerName") or "")
        with self._lock, rejected():
            self.functions.get(function)
            check_name("triggerName", name)
            if any(trigger.name == name for trigger in self.triggers.of(function)):
                text = f"trigger '{name}' of function '{function}' already exists"
                raise ServiceError(409, "TriggerAlreadyExists", text)
            return self._put_trigger(function, document, self._clock.token(16), self._clock.now())

    def update_trigger(self, function: str, name: str, changes: Mapping[str, Any]) -> Trigger:
        """Change the given fields of a trigger. Raises `ServiceError`; name, type and source cannot be changed."""
        with self._lock, rejected():
            self.functions.get(function)
            old = self.triggers.get(function, name)
            document = trigger_document(old, self.functions.settings, as_string=True)
            fields = (*TRIGGER_IDENTITY, "invocationRole", "qualifier", "description", "triggerConfig")
            kept = {field: document[field] for field in fields}
            new = {**kept, **{field: value for field, value in changes.items() if value is not None}}
            if changed := [field for field in TRIGGER_IDENTITY if new[field] != kept[field]]:
                raise BadConfiguration(
                    f"trigger '{name}': {', '.join(changed)} cannot be changed; create another trigger"
                )
            return self._put_trigger(function, new, old.id, old.created or self._clock.now())

    def delete_trigger(self, function: str, name: str) -> None:
        """Delete a trigger; raise `ServiceError` if it does not exist."""
        with self._lock:
            self.functions.get(function)
            self.triggers.remove(function, name)
            self._store.delete_part(TRIGGER, function, name)

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def _put_trigger(self, function: str, document: Mapping[str, Any], trigger_id: str, created: datetime) -> Trigger:
        parsed = parse_trigger(function, document, "trigger")
        self.functions.get(function, parsed.qualifier)
        trigger = replace(parsed, id=trigger_id, created=created, modified=self._clock.now())
        self.triggers.put(trigger)
        content = {"document": dict(document), "id": trigger.id, **_times(trigger)}
        self._store.put_part(TRIGGER, function, trigger.name, content)
        return trigger

    def _new_code(self, location: Any) -> FunctionCode | None:
        """Return the code of a location: a zip file in Base64, or an object; None if there is none."""
        if not location:
            return None
        if not isinstance(location, Mapping):
            raise BadConfiguration("code: write zipFile, or ossBucketName and ossObjectName")
        code = self._store.code.add(self._package(location))
        if (given := location.get("checksum")) and given != code.checksum:
            raise BadConfiguration(f"code.checksum is {given}; the CRC-64 of the package is {code.checksum}")
        return code

    def _package(self, location: Mapping[str, Any]) -> bytes:
        if text := location.get("zipFile"):
            try:
                return b64decode(text, validate=True)
            except ValueError as error:
                raise BadConfiguration(f"code.zipFile: not valid Base64: {error}") from error
        bucket, key = (str(location.get(name) or "") for name in ("ossBucketName", "ossObjectName"))
        if not bucket or not key:
            raise BadConfiguration("code: write zipFile, or ossBucketName and ossObjectName")
        return self.uploads.read(bucket, key).read_bytes()

    def _deploy(
        self, document: Mapping[str, Any], code: FunctionCode, created: datetime | None = None
    ) -> FunctionConfig:
        """Deploy a function, and store it if its code is a package."""
        name, ours, now = str(document["functionName"]), self._store.code.has(code), self._clock.now()
        if ours:
            code = self._store.code.find(code.paths[0].name, code.size, code.checksum, str(document.get("runtime")))
        config = replace(parse_function(document, code, "function"), created=created or now, modified=now)
        if config.role:
            self._check_role(config.role)
        self.functions.deploy(config)
        if ours:
            found = self._store.get(name)
            self._store.put(document, config, found[1] if found else 0)
        return config


def _timed(value: Any, content: Mapping[str, Any]) -> Any:
    """Return a value with the times of its stored content."""
    created, modified = (datetime.fromisoformat(content[name]) for name in ("created", "modified"))
    return replace(value, created=created, modified=modified)


def _times(value: AsyncConfig | Trigger) -> dict[str, str]:
    """Return the times of a value as they are stored."""
    times = {"created": value.created, "modified": value.modified}
    return {name: time.isoformat() for name, time in times.items() if time}


def _without_code(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document without its code; fields that are null were not set."""
    return {name: value for name, value in document.items() if name != "code" and value is not None}
