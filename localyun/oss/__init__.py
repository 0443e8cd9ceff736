"""The object service: buckets, objects, multipart uploads, events. Only `http` may import HTTP modules.

http  the HTTP endpoint
values  buckets, objects, events, and the errors about them
rows  the rows of objects and their versions in SQLite
store  the index of buckets and objects in SQLite
versions  lists of versions
archive  which archived objects may be read
retention  the retention policy of a bucket (WORM)
object_worm  versions that are protected by their own retention or a legal hold
blobs  immutable files with checksums
writer  makes changed objects visible and sends their events
multipart  multipart uploads
statistics  what a bucket has
tags  object tags and their limits
lifecycle  lifecycle rules and what they say about an object
expiry  applies lifecycle rules
select  SQL over the records of an object
configurations  the stored configurations of buckets
service  the rules of buckets and objects
"""
