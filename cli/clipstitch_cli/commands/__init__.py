"""One module per command: its options, what it calls, and its output. Commands do not import each other.

demo  merges five clips on a local cloud, and shows the result
doctor  checks a deployment; with --live runs experiments
drop  uploads a manifest, and waits for its event
explain  describes a process string
jobs  lists jobs
plan  shows what a manifest would do and cost
put  uploads clips
retry  recovers a job, or retries dead-letter messages
schema  prints the JSON Schema of manifests
show  shows one job
up  runs the local cloud
watch  writes a line for every change of a job
"""
