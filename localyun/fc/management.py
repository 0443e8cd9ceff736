"""The management of functions: create, change and delete functions, triggers and asynchronous settings. No HTTP.

Everything that is made here is kept in SQLite and deployed again at the next start. Functions that a project's s.yaml
declares are deployed from that file at each start, whatever was changed here meanwhile.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from localyun.clock import CloudClock
from localyun.documents import Documents
from localyun.errors import ServiceError
from localyun.fc.code import CodeFolder
from localyun.fc.code_uploads import CodeUploads
from localyun.fc.configuration import (
    BadConfiguration,
    parse_async_config,
    parse_function,
    parse_trigger,
    trigger_document,
)
from localyun.fc.service import FunctionService
from localyun.fc.triggers import Triggers
from localyun.fc.values import AsyncConfig, FunctionCode, FunctionConfig, Trigger

FUNCTION, TRIGGER, ASYNC = "function", "trigger", "async"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")  # FC API 2023-03-30, CreateFunction


class FunctionManager:
    """Creates, changes and deletes what a `FunctionService` runs.

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
        self._documents = Documents(root / "configurations.sqlite")
        self._code = CodeFolder(root / "code", clock)
        self._clock, self.functions, self.triggers = clock, functions, triggers
        self.uploads, self._check_role = uploads, check_role

    def restore(self) -> None:
        """Deploy the functions of earlier runs, with their triggers and settings."""
        functions = self._documents.all(FUNCTION)
        self._code.delete_all_but({str(document["folder"]) for document in functions.values()})
        for name, document in functions.items():
            self.functions.deploy(self._config(document))
            if rules := self._documents.get(ASYNC, name):
                self.functions.set_async(name, parse_async_config(rules))
        for document in self._documents.all(TRIGGER).values():
            self.triggers.put(parse_trigger(str(document["function"]), document["trigger"], "trigger"))

    def create(self, document: Mapping[str, Any]) -> FunctionConfig:
        """Create a function from its document and `code`. Raises `ServiceError` if it exists or is not valid."""
        name = str(document.get("functionName") or "")
        if not NAME.fullmatch(name):
            text = f"functionName {name!r}: letters, digits, _ and -, no digit or - first, at most 128 characters"
            raise ServiceError(400, "InvalidArgument", text)
        if any(config.name == name for config in self.functions.list()):
            raise ServiceError(409, "FunctionAlreadyExists", f"function '{name}' already exists")
        with rejected():
            code = self._new_code(document.get("code"))
        if code is None:
            raise ServiceError(400, "InvalidArgument", f"function '{name}': code is missing")
        return self._deploy(_without_code(document), code, self._clock.now())

    def update(self, name: str, changes: Mapping[str, Any]) -> FunctionConfig:
        """Change the given fields of a function; others, and the code if none is given, stay. Raises `ServiceError`."""
        config = self.functions.get(name)
        with rejected():
            code = self._new_code(changes.get("code"))
        old = FunctionCode(config.code, config.code_size, config.code_checksum, config.built, config.python)
        document = {**config.document, "functionName": name, **_without_code(changes)}
        return self._deploy(document, code or old, config.created or self._clock.now())

    def delete(self, name: str) -> None:
        """Delete a function with its asynchronous settings. Raises `ServiceError` if it is unknown or has triggers."""
        self.functions.get(name)
        if triggers := self.triggers.of(name):
            text = f"function '{name}' has triggers: {', '.join(one.name for one in triggers)}; delete them first"
            raise ServiceError(409, "FunctionNotEmpty", text)
        self.functions.remove(name)
        self._documents.delete(FUNCTION, name)
        self._documents.delete(ASYNC, name)

    def code_package(self, name: str) -> Path:
        """Return the zip file of a function's code; raise `ServiceError` if it runs from a directory of the project."""
        config = self.functions.get(name)
        if not (file := self._code.package(config.code[0].name)).is_file():
            text = f"function '{name}' runs from {config.code[0]}; it has no package"
            raise ServiceError(404, "FunctionCodeNotFound", text)
        return file

    def put_async(self, name: str, document: Mapping[str, Any]) -> AsyncConfig:
        """Set how asynchronous invocations of a function are retried. Raises `ServiceError`."""
        with rejected():
            rules = parse_async_config(document)
        self.functions.set_async(name, rules)
        self._documents.put(ASYNC, name, document)
        return rules

    def async_config(self, name: str) -> AsyncConfig:
        """Return a function's own asynchronous settings; raise `ServiceError` (404) if it has none."""
        if rules := self.functions.get(name).asynchronous:
            return rules
        raise ServiceError(404, "AsyncConfigNotExists", f"function '{name}' has no asynchronous configuration")

    def delete_async(self, name: str) -> None:
        """Restore the default asynchronous settings. Raises `ServiceError` if the function is unknown."""
        self.functions.set_async(name, None)
        self._documents.delete(ASYNC, name)

    def create_trigger(self, function: str, document: Mapping[str, Any]) -> Trigger:
        """Create a trigger, which works at once. Raises `ServiceError` if it exists or is not valid."""
        self.functions.get(function)
        name = str(document.get("triggerName") or "")
        if any(trigger.name == name for trigger in self.triggers.of(function)):
            raise ServiceError(409, "TriggerAlreadyExists", f"trigger '{name}' of function '{function}' already exists")
        return self._put_trigger(function, document)

    def update_trigger(self, function: str, name: str, changes: Mapping[str, Any]) -> Trigger:
        """Change the given fields of a trigger. Raises `ServiceError`."""
        old = trigger_document(self.triggers.get(function, name), self.functions.settings, as_string=True)
        fields = ("triggerName", "triggerType", "sourceArn", "invocationRole", "qualifier", "description")
        kept = {field: old[field] for field in (*fields, "triggerConfig")}
        return self._put_trigger(function, {**kept, **changes})

    def delete_trigger(self, function: str, name: str) -> None:
        """Delete a trigger; raise `ServiceError` if it does not exist."""
        self.triggers.remove(function, name)
        self._documents.delete(TRIGGER, f"{function}/{name}")

    def close(self) -> None:
        """Close the file."""
        self._documents.close()

    def _put_trigger(self, function: str, document: Mapping[str, Any]) -> Trigger:
        with rejected():
            trigger = parse_trigger(function, document, "trigger")
        self.triggers.put(trigger)
        content = {"function": function, "trigger": dict(document)}
        self._documents.put(TRIGGER, f"{function}/{trigger.name}", content)
        return trigger

    def _new_code(self, location: Any) -> FunctionCode | None:
        """Return the code of a location: a zip file in Base64, or an object; None if there is none."""
        if not location:
            return None
        if not isinstance(location, Mapping):
            raise BadConfiguration("code: write zipFile, or ossBucketName and ossObjectName")
        if text := location.get("zipFile"):
            try:
                return self._code.add(b64decode(text, validate=True))
            except ValueError as error:
                raise BadConfiguration(f"code.zipFile: not valid Base64: {error}") from error
        bucket, key = (str(location.get(name) or "") for name in ("ossBucketName", "ossObjectName"))
        if not bucket or not key:
            raise BadConfiguration("code: write zipFile, or ossBucketName and ossObjectName")
        return self._code.add(self.uploads.read(bucket, key).read_bytes())

    def _deploy(self, document: Mapping[str, Any], code: FunctionCode, created: datetime) -> FunctionConfig:
        stored = {
            "document": dict(document),
            "folder": code.paths[0].name,
            "size": code.size,
            "checksum": code.checksum,
            "created": created.isoformat(),
            "modified": self._clock.now().isoformat(),
        }
        with rejected():
            ours = self._code.has(code)
            config = self._config(stored) if ours else parse_function(document, code, "function")
        if config.role:
            self._check_role(config.role)
        self.functions.deploy(replace(config, asynchronous=self._rules(config.name)))
        if ours:
            self._documents.put(FUNCTION, config.name, stored)
        return config

    def _rules(self, name: str) -> AsyncConfig | None:
        return next((config.asynchronous for config in self.functions.list() if config.name == name), None)

    def _config(self, stored: Mapping[str, Any]) -> FunctionConfig:
        """Return the function of a stored document."""
        document = stored["document"]
        code = self._code.find(stored["folder"], stored["size"], stored["checksum"], str(document.get("runtime")))
        config = parse_function(document, code, f"function '{document['functionName']}'")
        created, modified = (datetime.fromisoformat(stored[name]) for name in ("created", "modified"))
        return replace(config, created=created, modified=modified)


@contextmanager
def rejected() -> Iterator[None]:
    """Raise errors of a configuration as `ServiceError`."""
    try:
        yield
    except BadConfiguration as error:
        raise ServiceError(400, "InvalidArgument", str(error)) from error


def _without_code(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document without its code; fields that are null were not set."""
    return {name: value for name, value in document.items() if name != "code" and value is not None}
