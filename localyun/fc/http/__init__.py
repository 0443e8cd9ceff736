"""Function Compute over HTTP. No rules; those are in `localyun.fc.service` and `localyun.fc.management`.

signatures  checks the signature of API 2016-08-15
routes      selects the action, authenticates, authorizes, formats errors
request     a request, JSON responses, pages
actions     one function per action on functions and triggers
versions    one function per action on versions and aliases
tasks       one function per action on asynchronous tasks
settings    one function per action on asynchronous settings and reserved concurrency
"""
