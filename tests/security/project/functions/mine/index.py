"""Something that leaves a trace, and can be asked for the key of its role."""

import json
import os
import sys


def handler(event, context):
    """Say in the log that somebody came in."""
    sys.stdout.write("somebody came in\n")
    names = ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
    return json.dumps([os.environ[f"ALIBABA_CLOUD_{name}"] for name in names])
