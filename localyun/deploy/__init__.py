"""Reads the files that deploy a project, s.yaml and template.yml, into values that declare what must exist.

Starts nothing and calls no service.

declared         the declared resources, and the error of a file that is not valid
project          reads a project's s.yaml and its templates
serverless_devs  resolves s.yaml of Serverless Devs: resources, inheritance, references
ros_template     resolves a native ROS template: parameters, conditions, functions, outputs
ros_resources    the resources of a template as the local services know them
ros_types        the resource types that the local cloud supports, and their attributes
cycles           detects values that refer to themselves
own_programs     what programs of the user find beside the resources of a project
triggers         checks the triggers of functions against the declared resources
roles            checks that roles are declared and trusted
"""
