"""Attacks on every entry point of the local cloud, and on the entry points of the product.

Requests are sent byte for byte over HTTP and signed by code of this package, never by that of the local cloud.

attacks                    the entry points, the attacks on each, and the expected errors
harness                    a running local cloud with an adjustable clock and a snapshot of its state
product                    the deployed product with restrictive settings and a webhook receiver
project                    the deployment that the harness runs
signers                    the vendor's signature methods, written from its documents
test_dependencies          pinned, installed and deployed packages agree
test_entry_points          invalid credentials are refused, with the vendor's error and without an effect
test_forged_notifications  forged completion notifications change nothing
test_hostile_manifests     manifests cannot read, write or start more than the operator allows
test_hostile_names         names that look like paths address exactly what they say
test_malformed_requests    malformed requests get a client error
test_secrets               no secret in logs, objects, files, events or command output
wire                       raw HTTP requests and responses
"""
