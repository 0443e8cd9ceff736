"""The program inside a function's process. It may import the standard library only, because functions bring the rest.

bootstrap  loads the handler and answers requests over a socket
read_only  refuses changes of the code directory
"""
