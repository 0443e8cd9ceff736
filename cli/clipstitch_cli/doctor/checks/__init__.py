"""The checks of the doctor: facts in, findings out. Pure, and without SDKs.

all_checks  the table of checks, and their order
stack  the state of the ROS stack
storage  access key, clock, buckets and binding
messages  topics, queues, dead-letter messages and webhooks
functions  functions against s.yaml
triggers  triggers against s.yaml, and loops
jobs  open jobs
"""
