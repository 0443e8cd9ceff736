"""Render tasks through the API of Function Compute.

Function Compute 3.0, API 2023-03-30, "InvokeFunction" and "GetAsyncTask", 2026: an asynchronous task has an id of the
caller's, and a second invocation with the same id is refused with 409.
"""

from collections.abc import Mapping
from http.client import HTTPException
from urllib.error import HTTPError

from clipstitch.adapters.openapi import ApiAction, ApiClient, code_and_message
from clipstitch.common.cloud_errors import classify
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import CloudBusy
from clipstitch.common.logging import log_event
from clipstitch.common.ports import TaskOutcome, TaskRunning
from clipstitch.common.render_task import RenderTask

VERSION = "2023-03-30"
_SUCCEEDED = "Succeeded"
_FAILED = frozenset(("Failed", "Stopped", "Expired", "Invalid"))


class FcRenderService:
    """The `RenderService` port on one function."""

    def __init__(self, endpoint: str, function: str, key: AccessKey) -> None:
        self._api = ApiClient(endpoint, key)
        self._function = function

    def start(self, task: RenderTask) -> None:
        """Start a task, unless it was started before."""
        path = f"/{VERSION}/functions/{self._function}/invocations"
        headers = {
            "content-type": "application/json",
            "x-fc-invocation-type": "Async",
            "x-fc-async-task-id": task.id,
        }
        try:
            self._call(ApiAction("InvokeFunction", VERSION, "POST", path), task.payload(), headers)
        except HTTPError as error:
            if error.code == 409:
                log_event("already-started", task=task.id)
                return
            code, message = code_and_message(error)
            means = classify(error.code, code, "")
            raise means(f"starting {task.id}: {code} ({error.code}): {message}") from error

    def outcome(self, task_id: str) -> TaskOutcome | TaskRunning | None:
        """Return how a task ended, or that it is running; None if it is unknown."""
        path = f"/{VERSION}/functions/{self._function}/async-tasks/{task_id}"
        try:
            task = self._call(ApiAction("GetAsyncTask", VERSION, "GET", path))
        except HTTPError as error:
            code, message = code_and_message(error)
            if error.code == 404:
                log_event("task-unknown", task=task_id, code=code)
                return None
            means = classify(error.code, code, "")
            raise means(f"asking about {task_id}: {code} ({error.code}): {message}") from error
        state = str(task.get("status") or "") if isinstance(task, dict) else ""
        if state not in {_SUCCEEDED, *_FAILED}:
            return TaskRunning()
        message = str(task.get("taskErrorMessage") or "") if isinstance(task, dict) else ""
        return TaskOutcome(state == _SUCCEEDED, "" if state == _SUCCEEDED else f"Render{state}", message)

    def _call(self, action: ApiAction, body: bytes = b"", headers: Mapping[str, str] | None = None) -> object:
        try:
            return self._api.call(action, body=body, headers=headers)
        except HTTPError:
            raise
        except (OSError, ValueError, HTTPException) as error:
            raise CloudBusy(f"calling {action.name} of {self._function}: {error!r}") from error
