"""The options of `doctor --live`. A module of its own, because the command line must not load the SDKs."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple


class LiveOptions(NamedTuple):
    """How the experiments run. `confirm` asks the user; None if there is no terminal.

    `wait`: how long to wait for answers; `dead_letter_wait`: how long to wait for a dead-letter message.
    """

    yes: bool = False
    report: Path = Path("doctor-report.md")
    unbound_bucket: str = ""
    functions: bool = False
    wait: timedelta = timedelta(minutes=10)
    dead_letter_wait: timedelta = timedelta(minutes=5)
    confirm: Callable[[str], bool] | None = None


DEFAULTS = LiveOptions()
