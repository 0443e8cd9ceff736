"""HTTP of access management. Knows no service.

signatures  verifies signatures of OpenAPI requests: ACS3 and RPC
"""
