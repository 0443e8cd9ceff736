"""Tests of adapters that need no local cloud: what they make of answers, and what they import."""
