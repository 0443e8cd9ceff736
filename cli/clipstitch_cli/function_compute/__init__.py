"""Deployed functions, and the dead-letter messages of those that failed. Decides nothing about jobs itself.

clients  invokes functions through both APIs of Function Compute
retry_remotely  recovers jobs by invoking functions
dead_letters  parses and retries dead-letter messages
"""
