"""What the functions and the command do: the only package that acts on jobs.

Use cases reach the cloud through the ports in `common.ports` only; they import no adapter and no SDK.

settings        the configuration, from an environment
job_store       facts, kept as objects
context         the ports, the clock, the settings and the job store: one object for every use case
probe_clips     the probes of all clips, and what the names of missing ones may mean
plan_job        manifest to plan: parse, expand globs, probe
task_outcomes   record how tasks ended
check_merge     what was merged against what was planned
render_step     render a step, in the function `render`
publish         copy the output to its key
sink_monitor    how the sinks respond during one invocation
deliver         deliver the event to the sinks
execute         perform the actions that `decide` returns
submit          an upload: start its job
complete        a completion notification: record it, and continue its job
recover         one job: do what lost messages and crashes left undone
sweep_progress  what sweeps remember for the next one
sweep           every open job and every lost upload
"""
