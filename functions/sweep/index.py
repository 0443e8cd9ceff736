"""Function Compute entry point for the timer: looks after everything that waits too long."""

import json
import os

from clipstitch.sweep import sweep
from clipstitch.wiring import wire


def handler(event: bytes, context: object) -> str:
    """Sweep once; what the timer says does not matter."""
    del event
    return json.dumps(sweep(wire(os.environ, context))._asdict())
