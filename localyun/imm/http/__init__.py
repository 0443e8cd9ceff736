"""IMM over HTTP: API 2020-09-30 in RPC style. No rules; those are in `localyun.imm.service`.

fields   the fields of a media task that are honoured, and refusals of all others
request  typed parameters of a request, and the specification of a media task
routes   one function per action, authentication, error documents
"""
