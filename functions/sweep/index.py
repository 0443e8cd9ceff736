"""Function Compute entry point for the timer: looks after everything that waits too long."""

import json
import os

from clipstitch.bootstrap import build_context
from clipstitch.usecases.sweep import sweep


def handler(event: bytes, context: object) -> str:
    """Sweep once; what the timer says does not matter."""
    del event
    return json.dumps(sweep(build_context(os.environ, context))._asdict())
