"""`clipstitch doctor`: checks a deployment, and verifies undocumented cloud behaviour. Changes nothing without --live.

findings  results of checks
deployment_facts  facts about a deployment, and the protocol that inspects a cloud
expected  what the settings and s.yaml declare
inspect_cloud  inspects a cloud through the vendor's clients
inspect_oss  inspects OSS
inspect_openapi  inspects Function Compute, IMM and ROS
checks  facts in, findings out
live  experiments on an account
"""
