"""The scale model: thousands of open jobs, ports whose calls take time, and functions that are killed at their limit.

The simulation beside it has at most ten jobs, and its calls take no time that counts. Here every call costs virtual
seconds, so a sweep whose work outgrows its time shows. Submit, complete and sweep are the real ones.

virtual_time  the clock, the time limit of a function, and work on several lanes
costs         ports whose calls cost time, and the outages that the cloud may have
world         objects, tasks and receivers of one world, and how its functions are run
populations   kinds of jobs with which a world begins
scenarios     the mixes of populations and outages
measure       sweeps of one scenario, and what they did
"""
