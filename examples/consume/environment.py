"""Environment variables. A missing one ends the program with its name instead of a traceback."""

import os


class Environment(dict[str, str]):
    """The variables of this process. Use `[]` for required variables and `get` for those with a default."""

    def __init__(self) -> None:
        super().__init__(os.environ)

    def __missing__(self, name: str) -> str:
        raise SystemExit(f"{name} is not set; see docs/consume.md")
