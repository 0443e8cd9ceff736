"""A local cloud: OSS, IMM, SMQ/MNS, Function Compute and ROS on loopback, compatible with the vendor's own SDKs.

It imports nothing from clipstitch: two independent implementations of one grammar are unlikely to share an error.

oss  the object service
imm  media processing: tasks, process strings, audio joins
smq  queues and topics (MNS)
fc  functions, instances, triggers
ram  access keys, policies, signatures
ros  stacks of resources
deploy  parses s.yaml and template.yml into the declared resources
server  starts and stops a local cloud
services  creates the services with the declared resources
listeners  runs the HTTP servers
endpoint  what the HTTP endpoints of all services share
openapi  what the endpoints with OpenAPI in RPC style share
http  HTTP requests and responses of all endpoints
xml  XML documents of all services
errors  the error that every service raises
disk  what a full disk means
faults  fault injection
clock  time and ids
data_dir  the data directory: lock, root access key, fault counts
documents  JSON documents in SQLite
sqlite  the database file of every store
"""
