"""What all other packages use: errors, names, ports, and a few pure functions. It imports no other package.

Like `manifest`, `planning`, `jobs` and `inbound` it is pure: no clock, environment, network, threads or randomness.

errors          the errors, with stable codes, remedies, and whether a retry can help
identifiers     references to objects and manifests, and job ids
render_task     what the function `render` is asked to do
ports           what the use cases need from a cloud, as protocols
clock           the protocol of a clock, and timestamps
credentials     access keys, and the environment variables that hold them
cloud_errors    the cloud's error responses and task failures, mapped to errors and remedies
characters      characters that some recipients of events cannot carry
audio_formats   output formats and the limits of the OSS action
serialization   named tuples to JSON values, and back
exhaustive      `assert_never`, which Python 3.10 lacks
logging         one JSON line per event
"""
