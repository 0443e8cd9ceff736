"""What the function `render` is asked to do: one attempt at one step of a job, by reference to its plan."""

import json
import re
from typing import NamedTuple

from clipstitch.common.identifiers import ObjectRef, is_job_id

_PREFIX = "render"
_TASK_ID = re.compile(_PREFIX + r"-(.+)-([0-9]{1,9})-([0-9]{1,9})")
_REPORT_SUFFIX = ".report.json"


class RenderTask(NamedTuple):
    """An attempt, counted from 1, at a step of a job, and the object that it makes."""

    job_id: str
    step: int
    attempt: int
    target: ObjectRef

    @property
    def id(self) -> str:
        """The id of the asynchronous task. An attempt has one id only, so it is started once.

        >>> RenderTask("20260102T030405Z-0123456789ab", 0, 1, ObjectRef("acme", "k")).id
        'render-20260102T030405Z-0123456789ab-0-1'
        """
        return f"{_PREFIX}-{self.job_id}-{self.step}-{self.attempt}"

    def payload(self) -> bytes:
        """Return the payload of the invocation."""
        return json.dumps({"task": self.id, "target": self.target.uri}).encode()

    @classmethod
    def parse(cls, payload: bytes | str) -> "RenderTask":
        """Return the task of a payload. Raises `ValueError` for any other payload."""
        document = json.loads(payload)
        document = document if isinstance(document, dict) else {}
        found = _TASK_ID.fullmatch(str(document.get("task")))
        if found is None or not is_job_id(found[1]):
            raise ValueError(f"{payload[:200]!r} names no render task")
        return cls(found[1], int(found[2]), int(found[3]), ObjectRef.parse(str(document.get("target"))))


def is_render_task(task_id: str) -> bool:
    """Return True if a task id is that of a render task; all others are tasks of IMM.

    >>> is_render_task("render-20260102T030405Z-0123456789ab-0-1"), is_render_task("MediaConvert-1")
    (True, False)
    """
    return _TASK_ID.fullmatch(task_id) is not None


def report_of(target: ObjectRef) -> ObjectRef:
    """Return the object beside the target of a render step that has its report."""
    return target._replace(key=target.key + _REPORT_SUFFIX)
