"""One line of JSON per log event, through the logging that Function Compute has set up.

Every line has a level, and the id of the job that is being worked on. Lines of level ERROR raise the alarm.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from clipstitch.common.errors import AccessDenied, ClipstitchError, CloudBusy, error_json

_LOGGER = logging.getLogger("clipstitch")
_LOGGER.addHandler(logging.NullHandler())  # programs that set up no logging print nothing
_LEVELS = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARNING": logging.WARNING, "ERROR": logging.ERROR}
_JOB: ContextVar[str] = ContextVar("clipstitch-job", default="")


@contextmanager
def log_job(job_id: str) -> Iterator[None]:
    """Put the id of a job on every line that is logged inside the block."""
    token = _JOB.set(job_id)
    try:
        yield
    finally:
        _JOB.reset(token)


def log_event(event: str, level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO", **fields: object) -> None:
    """Log an event. Never pass secrets or whole documents."""
    job = {"job": _JOB.get()} if _JOB.get() else {}
    line = {"event": event, "level": level, **job, **fields}
    _LOGGER.log(_LEVELS[level], json.dumps(line, ensure_ascii=False, default=str))


def log_error(event: str, error: Exception, **fields: object) -> None:
    """Log an error: a busy cloud as WARNING, all others as ERROR; an error of our own with its traceback."""
    level: Literal["WARNING", "ERROR"] = "WARNING" if isinstance(error, CloudBusy) else "ERROR"
    trace = {}
    if not isinstance(error, ClipstitchError):
        import traceback  # noqa: PLC0415 - only internal errors need it

        trace = {"traceback": "".join(traceback.format_exception(error))}
    log_event(event, level, **fields, **error_json(error), **trace)


def log_refusal(event: str, error: ClipstitchError, right: str, **fields: object) -> None:
    """Log an error of the cloud that is not raised; `grant` is the right to grant if one is missing."""
    log_error(event, error, **fields, **({"grant": right} if isinstance(error, AccessDenied) else {}))
