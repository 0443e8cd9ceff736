"""The local Resource Orchestration Service (ROS): stacks of the resources that the local cloud has.

http              API 2019-09-10 over HTTPS
values            stacks, their resources and their events
store             keeps stacks in SQLite
service           the rules: create, update, roll back, delete
provision         creates, changes and deletes each type of resource
custom_resources  the answers of functions that create custom resources
"""
