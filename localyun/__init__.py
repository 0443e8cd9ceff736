"""A local cloud: OSS, IMM, SMQ/MNS and Function Compute on loopback, real enough for the vendor's own SDKs.

core        objects, messages, tasks, functions, the grammar, the join: storage and rules, no HTTP
wire        the HTTP faces: requests into core calls, core answers into the vendor's bytes
deployment  reads s.yaml and template.yml: what exists
triggers    object event to function, topic to function
server      starts and stops everything

It imports nothing from clipstitch: two readings of one grammar cannot be wrong together unnoticed.
"""
