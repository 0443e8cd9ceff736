"""One line of JSON per event, through the logging that Function Compute has already set up."""

import json
import logging

_LOGGER = logging.getLogger("clipstitch")


def log_event(event: str, **about: object) -> None:
    """Log that something happened. Never pass secrets or whole documents."""
    _LOGGER.info(json.dumps({"event": event, **about}, ensure_ascii=False, default=str))
