"""Custom resources: a function creates them, and posts its answer to the URL in its event.

Source: ROS "ALIYUN::ROS::CustomResource" and "Custom resource request and response", read 2026-11.
"""

import threading
from collections.abc import Mapping
from typing import Any

ANSWERS_PATH = "/custom-resources/"


class CustomResourceAnswers:
    """The answers that stacks wait for, by the token in the URL."""

    def __init__(self) -> None:
        self._answers: dict[str, Mapping[str, Any] | None] = {}
        self._stopped = False
        self._changed = threading.Condition()

    def expect(self, token: str) -> None:
        """Accept an answer with a token from now on."""
        with self._changed:
            self._answers[token] = None

    def wait(self, token: str, timeout_s: float) -> Mapping[str, Any]:
        """Return the answer with a token; one that does not come in time is a failure."""
        with self._changed:
            self._changed.wait_for(lambda: self._answers[token] is not None or self._stopped, timeout_s)
            answer = self._answers.pop(token)
        return answer or {"Status": "FAILED", "Reason": f"no answer within {timeout_s:g} s"}

    def answer(self, token: str, content: Mapping[str, Any]) -> bool:
        """Accept an answer; return False if no stack waits for it."""
        with self._changed:
            if token not in self._answers:
                return False
            self._answers[token] = content
            self._changed.notify_all()
            return True

    def stop(self) -> None:
        """End every wait."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
