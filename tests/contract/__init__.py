"""Contract tests: every implementation of a port keeps the same promises."""
