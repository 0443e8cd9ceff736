"""ROS over HTTPS. No rules; those are in `localyun.ros.service`.

routes  one function per action, authentication, error documents
tls     the self-signed certificate of the endpoint
"""
