"""Function Compute over HTTP. No rules; those are in `localyun.fc.service`.

signatures  checks the signature of API 2016-08-15
documents   functions and triggers as JSON documents
routes      selects the action, authenticates, formats errors
"""
