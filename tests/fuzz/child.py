"""One door, one process: `python -m tests.fuzz.child TABLE DOOR CORPUS libFuzzer's options…`. Run by `hunt`.

The door's modules are instrumented while they are imported, so that whatever leads to new places is kept.
"""

import importlib
import os
import sys
import traceback

import atheris

CAUGHT = 77  # our exit code for an input that got something else out of a door


def main(table: str, door: str, corpus: str, options: list[str]) -> None:
    """Try inputs until the time is over; does not return."""
    with atheris.instrument_imports(include=["clipstitch", "localyun", "tests.fuzz.broken"]):
        enter = importlib.import_module(table).DOORS[door].enter

    def one(data: bytes) -> None:
        try:
            enter(data)
        except BaseException:  # noqa: BLE001 - whatever it is, it is what we look for
            sys.stderr.write(f"\nCAUGHT {data!r}\n{traceback.format_exc()}")
            sys.stderr.flush()
            os._exit(CAUGHT)

    atheris.Setup([sys.argv[0], corpus, *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:4], sys.argv[4:])
