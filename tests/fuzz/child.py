"""Fuzzes one entry point: `python -m tests.fuzz.child MODULE ENTRY_POINT CORPUS [LIBFUZZER_OPTION ...]`.

The modules of the entry point are instrumented during import, so that inputs that reach new code are kept.
"""

import importlib
import os
import sys
import traceback

import atheris

FAILED = 77  # exit code if an input raised an exception


def main(module: str, name: str, corpus: str, *options: str) -> None:
    """Fuzz until libFuzzer's time limit, or until an input fails. Does not return."""
    with atheris.instrument_imports(include=["clipstitch", "localyun", "tests.fuzz.broken"]):
        call = importlib.import_module(module).ENTRY_POINTS[name].call

    def run_one(data: bytes) -> None:
        try:
            call(data)
        except BaseException:  # noqa: BLE001 - every exception is a failure
            sys.stderr.write(f"\nFAILING INPUT {data!r}\n{traceback.format_exc()}")
            sys.stderr.flush()
            os._exit(FAILED)

    atheris.Setup([sys.argv[0], corpus, *options], run_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
