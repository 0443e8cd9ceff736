"""Benchmarks for docs/benchmarks.md: every script prints a ratio or a count from one run."""
