"""Function Compute entry point for the SMQ topic trigger: a task's completion message in, a job's state out."""

import json
import os

from clipstitch.bootstrap import build_context
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.usecases.complete import complete


def handler(event: bytes, context: object) -> str:
    """Record how a task ended and bring its job on; raise, so that the message comes again, when that failed."""
    notice = parse_notification(event)
    job = complete(notice, build_context(os.environ, context)) if notice else None
    return json.dumps({job.id: job.state} if job else {})
