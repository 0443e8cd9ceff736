"""Access management for all services: who calls, and what a role may do. Only `http` may import HTTP modules.

http  signatures of OpenAPI requests
actions  the resource and the condition keys of each action, from the vendor's pages: actions.tsv
conditions  conditions of policies
credentials  access keys and session tokens
patterns  the wildcards of policies
policies  RAM policies of roles, and their evaluation
store  the roles of the account
values  roles
signing  HMACs and checks that all signature schemes share
"""
