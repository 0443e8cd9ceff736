"""From an uploaded manifest to merged audio and a completion event.

refs errors clock formats settings        ground: names, errors, time, the format table, configuration
manifest -> plan -> process               what is wanted, what will be asked for, how OSS spells it; pure
trigger, notice                           the doors: the only readers of the cloud's own JSON; pure
job, decide, event                        facts, what must happen next, what recipients are told; pure
ports, ledger                             what we need from a cloud; facts kept through it
submit, complete, advance                 the use cases: the only places that act
adapters, wiring                          SDKs behind the ports; settings into adapters

A job is a growing set of facts. `decide` turns them into the next actions, `advance` performs those, and
everything may run twice.
"""

__version__ = "0.1.0"
