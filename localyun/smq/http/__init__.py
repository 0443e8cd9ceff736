"""SMQ over HTTP: API 2015-06-06. No rules; those are in `localyun.smq.service`.

signatures  checks versions 1 and 4 of the signature
xml         parses and formats the XML of MNS
request     a request as its actions see it, and the usual replies
account     the actions on the account
resources   the actions that queues and topics have in common
queues      the actions on queues and their messages
topics      the actions on topics and subscriptions
push        posts published messages to HTTP endpoints
routes      selects the action, authenticates, formats errors
"""
