"""Function Compute entry point for the SMQ topic trigger: a completion notification in, the state of its job out."""

import gc
import json
import os

from clipstitch.bootstrap import build_context
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.usecases.complete import complete

gc.freeze()  # the imported modules stay, so garbage collections need not scan them


def handler(event: bytes, context: object) -> str:
    """Record how a task ended and continue its job; raise an error on failure, so that the message is redelivered."""
    notification = parse_notification(event)
    job = complete(notification, build_context(os.environ, context)) if notification else None
    return json.dumps({job.id: job.state} if job else {})
