"""A cloud of messages, functions and tasks in which one seed decides everything; see docs/reliability.md."""
