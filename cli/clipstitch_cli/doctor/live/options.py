"""What a person may choose about the live questions. Apart, so that the command line needs no SDK to know it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Live(NamedTuple):
    """How the questions are asked. `confirm` asks a person; None when there is none to ask.

    `wait` is for answers; after `letter_wait` no dead letter is expected any more.
    """

    yes: bool = False
    report: Path = Path("doctor-report.md")
    unbound: str = ""
    functions: bool = False
    wait: str = "10m"
    letter_wait: str = "5m"
    confirm: Callable[[str], bool] | None = None


DEFAULTS = Live()
