"""The invariants: what must be true after the recovery phase, whatever faults were injected.

They read what users and sinks can see, the recorded facts, and the history of all objects; they never ask the product
whether it is right. Every check is a function that takes a `History` and yields violations.

checker       all checks, and their report on one world
history       the objects of a finished world, their history, and what is expected of each job
final_states  every job ends in one correct state, for a true and complete reason, and nothing is left over
events        every sink receives one event per job, and the result object is that of the newest job
webhooks      webhooks are retried on schedule, and abandoned for the right reason
outputs       outputs are complete, unchanged, and published only where that is allowed
merged_audio  what was merged is what was planned, or the event has a warning
replacements  which job may replace the object of another
writes        create-once documents have one content, and runs write only where they may
grace_period  sweeps leave new jobs alone
fault_free    without faults, duplicates and delays cost neither a sweep nor a task
"""
