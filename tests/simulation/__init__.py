"""A discrete-event simulation of the cloud around the real use cases; one seed decides everything.

It runs `submit`, `complete` and `sweep` over ports in memory, injects faults, and then checks invariants without asking
the product. It must not use real time, threads that run at the same time, or random numbers that do not come from the
seed. docs/reliability.md describes what it proves.

scenario          who uploads what and when, what is expected, and how often which fault occurs
setups            the settings of clipstitch in one world, and how the operator changes them
scheduler         the event queue, and which thread runs next
faults            draws the faults of calls and messages
function_runs     Function Compute: runs that interleave at every port call
object_store      OSS: objects with the history of their changes
audio_service     IMM: tasks and their completion notifications
receivers         receivers of webhooks
step_monitor      checks every start of a task at the moment that it happens
world             one simulated world: its fault phase and its recovery phase
invariants        what must be true after the recovery phase
campaign          many seeds, and their figures
recovery          how long jobs are delayed by each kind of loss
scale             thousands of open jobs, with calls that take time and functions that are killed at their limit
mutants           defects that the simulation must detect
tested_mutants    defects that a fast test must detect, since the simulation cannot
mutation_testing  applies a mutant to a copy of the package and simulates with it
"""
