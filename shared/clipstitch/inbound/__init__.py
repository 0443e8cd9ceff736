"""Parse the JSON that the cloud sends to the functions. Pure; no other package reads that JSON.

completion_notification   the notification of a finished task, in every known format
oss_trigger               the event of an OSS trigger
"""
