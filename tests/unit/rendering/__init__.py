"""Tests of `clipstitch.rendering`, with the real FFmpeg."""
