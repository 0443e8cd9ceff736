"""The tests.

unit      no network; everything in memory
contract  every implementation of a port, in memory, on the local cloud and, on request, on a real account
localyun  the local cloud
flow      the deployed system on the local cloud, through HTTP and the vendor's SDKs
"""
