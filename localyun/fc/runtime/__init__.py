"""What runs inside a function's own process. Standard library only."""
