"""What is known about a job, what to do next, and the event that reports its end.

Pure: no clock, environment, network, thread or randomness. Time is an argument.

job               facts, the documents of a job, and the state that they add up to
decide            facts, time and policy to the next actions
completion_event  a finished job to its CloudEvent
webhook_policy    configuration of webhooks, meaning of responses, retry schedule
"""
