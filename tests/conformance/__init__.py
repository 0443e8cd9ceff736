"""The vendor's own test suites for Go, run against the local cloud: `python -m tests.conformance`.

The suites come with the modules from the Go registry; nothing of them is in this repository. Each value that they
assert was recorded from the real service.

__main__       runs the suites, prints what failed, and exits with 1 if anything did
go_suites      builds a suite, runs its tests by name, and reads the outcomes
left_out       reads left_out.tsv, and tells which of its tests are out of scope
left_out.tsv   the tests that are not run, with the reason for each
"""
