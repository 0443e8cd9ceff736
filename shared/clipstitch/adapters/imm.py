"""Task states through GetTask of IMM.

IMM API 2020-09-30, "GetTask", 2026: states Running, Succeeded, Failed; tasks are kept for about seven days.
"""

from http.client import HTTPException
from urllib.error import HTTPError

from clipstitch.adapters.openapi import ApiAction, ApiClient, code_and_message
from clipstitch.common.cloud_errors import classify
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import AccessDenied, CloudBusy
from clipstitch.common.logging import log_event, log_refusal
from clipstitch.common.ports import TaskOutcome, TaskRunning

TASK_TYPE = "MediaConvert"
GET_TASK = ApiAction("GetTask", "2020-09-30")


class ImmTaskLookup:
    """Looks up how the tasks of one project ended."""

    def __init__(self, endpoint: str, project: str, key: AccessKey) -> None:
        self._api = ApiClient(endpoint, key)
        self._project = project

    def __call__(self, task_id: str) -> TaskOutcome | TaskRunning | None:
        """Return how a task ended, or that it is running; None if IMM does not know it (any more), or does not say it.

        A refusal is logged: the sweep has other jobs, and this one has a deadline.
        """
        try:
            task = self._api.call(GET_TASK, {"ProjectName": self._project, "TaskType": TASK_TYPE, "TaskId": task_id})
        except HTTPError as error:
            self._log_refusal(task_id, error)
            return None
        except (OSError, ValueError, HTTPException) as error:
            raise CloudBusy(f"asking IMM about {task_id}: {error!r}") from error
        if not isinstance(task, dict):
            raise CloudBusy(f"asking IMM about {task_id}: the response is not a JSON object")
        if task.get("Status") not in ("Succeeded", "Failed"):
            return TaskRunning()
        return TaskOutcome(task["Status"] == "Succeeded", str(task.get("Code") or ""), str(task.get("Message") or ""))

    def _log_refusal(self, task_id: str, error: HTTPError) -> None:
        """Log why IMM did not answer. Raises CloudBusy if a retry may succeed."""
        code, message = code_and_message(error)
        means = classify(error.code, code.partition(".")[0], f"{code} {message}")
        refused = means(f"asking IMM about {task_id}: {code} ({error.code}): {message}")
        if isinstance(refused, CloudBusy):
            raise refused from error
        if error.code == 404 and means is not AccessDenied:
            log_event("task-unknown", task=task_id, code=code)
        else:
            log_refusal("task-lookup-refused", refused, f"imm:GetTask on IMM project {self._project}", task=task_id)
