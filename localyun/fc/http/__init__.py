"""Function Compute over HTTP. No rules; those are in `localyun.fc.service` and `localyun.fc.management`.

signatures  checks the signature of API 2016-08-15
routes      selects the action, authenticates, formats errors
actions     one function per action: invocations, and the management of functions and triggers
"""
