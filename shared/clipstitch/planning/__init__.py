"""From a manifest and the probes of its clips to a plan: the requests that merge them, and what the output will be.

The package is pure. A plan can be explained and estimated before anything is started; `jobs` decides when to start its
steps.

plan             a plan, its steps, clips and output, and their JSON
render_spec      what a render step does, and what it reports
planner          a manifest and probes to a plan, or every issue that the probes show
engines          which engine merges a job
steps            sources to the requests that merge them
merge_tree       the fewest requests and levels for a number of sources
process_string   process strings, formatted and parsed
lengths          measured lengths against expected ones
render_lengths   the report of a render step against its plan
silence_flac     a silence as FLAC, exact to one sample
chapters         chapters as WebVTT and as an ID3 tag
"""
