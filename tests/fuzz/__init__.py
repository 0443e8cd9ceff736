"""Noise at every door that bytes come in by. Only our own errors may come out."""
