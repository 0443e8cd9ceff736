"""Tests of the use cases against an in-memory cloud; `harness` has what several of them need."""
