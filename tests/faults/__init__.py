"""Fault injection on the real stack: a local cloud with injected faults is killed repeatedly and must lose nothing.

The package uses the system from outside: the command `clipstitch up` and the vendor's SDKs. It never calls the product.

client           the bucket and the queue, as users of the cloud reach them
invariants       what must hold after a run, checked on objects, events and audio
local_cloud      `clipstitch up` as a child process that can be killed and restarted
run              one run: a fault phase with kills, then a recovery phase without faults
test_faults      a small run, in every test run
test_invariants  each violation of an invariant is reported
workload         the uploaded clips and manifests, with the expected results
"""
