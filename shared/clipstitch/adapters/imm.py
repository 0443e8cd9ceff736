"""Task states through GetTask of IMM. Signed here, since its SDKs would add 5 MB to the deployed functions.

IMM API 2020-09-30, "GetTask", 2026: states Running, Succeeded, Failed; tasks are kept for about seven days.
OpenAPI, "Request syntax and signature method V3", 2026.
"""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen  # noqa: TID251 - an adapter

from clipstitch.common.cloud_errors import classify
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import AccessDenied, CloudBusy
from clipstitch.common.logging import log_event, log_refusal
from clipstitch.common.ports import TaskOutcome, TaskRunning

VERSION, TASK_TYPE = "2020-09-30", "MediaConvert"
ALGORITHM = "ACS3-HMAC-SHA256"
TIMEOUT_S = 20


class ImmTaskLookup:
    """Looks up how the tasks of one project ended."""

    def __init__(self, endpoint: str, project: str, key: AccessKey) -> None:
        self._endpoint = endpoint if "://" in endpoint else f"https://{endpoint}"
        self._project = project
        self._key = key

    def __call__(self, task_id: str) -> TaskOutcome | TaskRunning | None:
        """Return how a task ended, or that it is running; None if IMM does not know it (any more), or does not say it.

        A refusal is logged: the sweep has other jobs, and this one has a deadline.
        """
        try:
            task = self._call({"ProjectName": self._project, "TaskType": TASK_TYPE, "TaskId": task_id})
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
        code, message = _code_and_message(error)
        means = classify(error.code, code.partition(".")[0], f"{code} {message}")
        refused = means(f"asking IMM about {task_id}: {code} ({error.code}): {message}")
        if isinstance(refused, CloudBusy):
            raise refused from error
        if error.code == 404 and means is not AccessDenied:
            log_event("task-unknown", task=task_id, code=code)
        else:
            log_refusal("task-lookup-refused", refused, f"imm:GetTask on IMM project {self._project}", task=task_id)

    def _call(self, parameters: Mapping[str, str]) -> Mapping[str, object]:
        query = urlencode(sorted(parameters.items()), quote_via=quote)
        host = self._endpoint.partition("://")[2].rstrip("/")
        url = f"{self._endpoint.rstrip('/')}/?{query}"
        headers = _signed({"host": host, **_action_headers("GetTask", self._key)}, query, self._key)
        request = Request(url, b"", headers, method="POST")  # noqa: S310 - the operator's endpoint
        with urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 - as above
            return json.load(response)  # type: ignore[no-any-return]


def _action_headers(action: str, key: AccessKey) -> dict[str, str]:
    """Return the headers of an action and of the caller."""
    token = {"x-acs-security-token": key.token} if key.token else {}
    return {
        "x-acs-action": action,
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "x-acs-signature-nonce": secrets.token_hex(16),
        "x-acs-version": VERSION,
        **token,
    }


def _signed(headers: Mapping[str, str], query: str, key: AccessKey) -> dict[str, str]:
    """Return the headers with the signature."""
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = "\n".join(("POST", "/", query, lines, names, headers["x-acs-content-sha256"]))
    text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    authorization = f"{ALGORITHM} Credential={key.id},SignedHeaders={names},Signature={signature}"
    return {**headers, "authorization": authorization}


def _code_and_message(error: HTTPError) -> tuple[str, str]:
    """Return the error code and the message of IMM, or HTTP's if there are none."""
    try:
        answer = json.load(error)
    except (ValueError, OSError, HTTPException):  # not JSON, or cut short
        answer = None
    answer = answer if isinstance(answer, dict) else {}
    return str(answer.get("Code") or error.code), str(answer.get("Message") or error.reason)
