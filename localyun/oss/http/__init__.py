"""The HTTP endpoint of OSS. Formats and parses the wire format; stores nothing itself.

routes  authenticates, authorizes and routes requests, formats errors
request  one OSS request, with bucket, key and credential
upload_headers  the stored headers of uploads, and the defaults of their bucket
custom_domains  the public endpoint that forbids data calls, and custom domains
signatures  verifies signatures V1, V2 and V4
subresources  the query parameters that are signed or select an action
xml  response and request documents
conditions  conditional requests and byte ranges
buckets  actions on buckets
cors  the CORS rules of buckets
regions  the list of regions
configurations  actions on stored configurations of buckets
lists  actions that list objects or delete a list of objects
objects  actions on one object's bytes
lifecycle  actions on lifecycle rules
links  actions on symbolic links
restore  actions on archived objects
metadata  actions on an object's ACL and tags
multipart  actions of multipart uploads
post_object  PostObject, the upload of a browser's form
process  actions that submit an object to media processing
"""
