"""The local Function Compute (FC): functions in child processes, asynchronous invocations, triggers.

No module outside `http` knows HTTP, and none knows the files that declare functions. Code in `runtime` runs inside the
function's process and may import the standard library only.

http              the APIs 2016-08-15 and 2023-03-30 over HTTP
runtime           the program inside a function's process
values            configurations of functions, triggers, and invocations
store             keeps unfinished asynchronous invocations, and asynchronous tasks, in SQLite
function_store    keeps functions that were created through the API, with their code
configuration     functions, triggers, aliases and settings in documents of the API, parsed
answers           what the API answers: functions, triggers and settings as documents
code              the code packages of functions
code_uploads      where clients upload and download code packages: a bucket of the service itself
interpreters      finds the Python interpreter of a runtime
management        creates, changes and deletes functions, triggers and settings
versions          publishes versions; creates, changes and deletes aliases
service           the rules: deploy and invoke functions
asynchronous      the rules of asynchronous invocations: accept, run, retry, stop, send records to destinations
tasks             asynchronous tasks and how they change, as values
task_states       the states of asynchronous tasks while they run
records           the record of a finished asynchronous invocation
memory            measures and limits the memory of an instance
instances         one child process of a function
deployed          a deployed function: its versions, aliases and reserved concurrency
instance_pool     the reusable instances of one version of a function, and its log
process_setup     the environment and the set-up frame of a child process
logs              the log file of a function
dispatcher        runs asynchronous invocations when they are due
destinations      sends the records of finished invocations to queues and topics
triggers          invokes functions for objects, topic messages and times
trigger_payloads  the event payload of each trigger
schedule          the times of a timer trigger
"""
