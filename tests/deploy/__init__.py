"""Tests of the deployment files and of build.py: validators of the vendor, least privilege, and built functions.

The tests need no account and no network; programs and schemas of others are fetched once by `tools`.

calls             every cloud call of the functions, with the permission that it needs
conftest          the functions, built once for each runtime
flow              one whole job on a local cloud
mutants           deployment files with one error each, and the validator that must report it
record_calls      records the calls of Serverless Devs with proxies
recorded_calls    the recorded calls, and how they are sent again
serverless_devs   runs Serverless Devs against endpoints on this machine
test_attach       the function in template.yml that attaches the bucket to the IMM project
test_build        the output of build.py
test_documented_rights  the policies in docs/ are enough for the command and the doctor
test_environments  two environments side by side in one account
test_first_stack  a first stack that fails, and the way on; roles that take effect late
test_permissions  the functions' role has exactly the permissions that they need
test_rights       every right is granted on the resource that the vendor documents
test_serverless_devs  Serverless Devs deploys this project into an empty local cloud, and removes it
test_upgrade      another version of the functions over one with open jobs
test_validators   every validator accepts the files, and reports its mutants
tools             the programs and schemas of others: where they are, and how to install them
validators        the validators of s.yaml and template.yml
"""
