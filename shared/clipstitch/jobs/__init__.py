"""What is known about a job, what to do next, and the event that reports its end.

Pure: no clock, environment, network, thread or randomness. Time is an argument.

job               facts, the documents of a job, and the state that they add up to
decide            facts, time and policy to the next actions
completion_event  a finished job to its CloudEvent
delivery_policy   when a failed delivery is retried, and when a sink is given up
webhook_policy    configuration of webhooks, and meaning of responses
"""
