"""Experiments on an account, with temporary resources that are removed at the end. Only `doctor --live` runs them.

run  announces the cost, runs everything, and reports
options  what the user may choose
experiments  requests, their cost, and what is observed
experiment_runner  runs the requests
function_experiments  tests the deployed functions
trial_jobs  jobs for testing the deployed functions
completion_listener  receives completion notifications
temporary_queues  temporary topics, queues and subscriptions
cleanup  removes temporary resources
tones  tones that identify clips in merged audio
questions  open questions, and how observations answer them
report  answers as JSON and Markdown
"""
