"""A function that logs each invocation and returns the key of its role."""

import json
import os
import sys


def handler(event: bytes, context: object) -> str:
    """Log the invocation. Return id, secret and token of the role's key as a JSON list."""
    sys.stdout.write("invoked\n")
    names = ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
    return json.dumps([os.environ[f"ALIBABA_CLOUD_{name}"] for name in names])
