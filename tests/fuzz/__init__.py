"""Fuzz tests of every entry point that takes bytes from outside: only expected errors may be raised.

Large inputs are not tried here; tests/security does that.

broken        an entry point with a bug, to prove that a fuzz run finds it
child         fuzzes one entry point in a process of its own
entry_points  the entry points, their expected errors, and their seed inputs
fuzz_run      starts the child process and reads its result
test_fuzz     property tests by hypothesis, and short fuzz runs by atheris
"""
