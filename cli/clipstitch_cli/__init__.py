"""The `clipstitch` command: what people and scripts do with clipstitch. Never deployed.

It imports SDKs and the local cloud only where they are used, because `clipstitch explain` must start fast.

main  arguments in, exit code out
context  environment, consoles and clock of one command
exit_codes  exit codes by name
errors  errors of the command, and how any error is written
options  options that several commands share
connection  from the environment and s.yaml to a connected context
stored_jobs  finds jobs and their objects; builds all storage keys
files  reads local files
local_cloud  runs the local cloud for `up` and `demo`
smq_queue  one SMQ queue through the vendor's SDK
media_tasks  media tasks of IMM
openapi  configuration and errors of the vendor's OpenAPI clients
commands  one module per command
display  plans, process strings, jobs and audio as text and pictures
costs  estimates of requests and cost
doctor  checks of a deployment, and experiments on an account
function_compute  invokes deployed functions, and retries dead-letter messages
"""
