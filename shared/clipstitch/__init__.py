"""From an uploaded manifest to merged audio and a completion event.

One line per package, in the order in which data flows. Imports go the other way only: bootstrap, then usecases and
adapters, jobs, planning, manifest and inbound, common. Only usecases, adapters and rendering have side effects.

common      errors, identifiers, ports and pure functions that all packages use; pure
manifest    an uploaded manifest to a checked value, with every issue in one pass; pure
inbound     the JSON that the cloud sends to the functions; pure
planning    a manifest and probes to the requests that merge the clips; pure
jobs        the facts of a job, its state, and the actions that are due; pure
usecases    submit, complete, sweep, recover, execute and deliver: they act, through ports
adapters    the ports, implemented with the SDKs and in memory
rendering   clips to one file with FFmpeg; in the function `render` only
bootstrap   settings to adapters; the only module that knows both

A job is a growing set of facts. `jobs` decides which actions follow from them, `usecases` performs these, and every
function may run more than once.
"""

__version__ = "0.1.0"
