"""One JSON line per event, through the logger that Function Compute sets up."""

import json
import logging

_LOGGER = logging.getLogger("clipstitch")


def log_event(event: str, **details: object) -> None:
    """Log an event. Do not pass secrets or whole documents."""
    _LOGGER.info(json.dumps({"event": event, **details}, ensure_ascii=False, default=str))
