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
cnames  actions on custom domain names of a bucket
worm  actions on the retention policy of a bucket
policies  actions on the policy of a bucket
qos  actions on bandwidths and request rates
redundancy  actions that make a bucket zonal
replication  actions on replication rules
styles  actions on image styles
cors  the CORS rules of buckets
regions  the list of regions
configurations  actions on stored configurations of buckets
configuration_checks  what is checked before a configuration is stored
lists  actions that list objects or delete a list of objects
objects  actions on one object's bytes
lifecycle  actions on lifecycle rules
links  actions on symbolic links
restore  actions on archived objects
object_worm  actions on the retention and the legal hold of objects
metadata  actions on an object's ACL and tags
multipart  actions of multipart uploads
post_object  PostObject, the upload of a browser's form
select  the actions SelectObject and CreateSelectObjectMeta
process  actions that submit an object to media processing
"""
