"""Function Compute entry point for the SMQ topic trigger: a task's completion message in, a job's state out."""

import json
import os

from clipstitch.complete import complete
from clipstitch.notice import read_notice
from clipstitch.wiring import wire


def handler(event: bytes, context: object) -> str:
    """Record how a task ended and bring its job on; raise, so that the message comes again, when that failed."""
    notice = read_notice(event)
    job = complete(notice, wire(os.environ, context)) if notice else None
    return json.dumps({job.id: job.state} if job else {})
