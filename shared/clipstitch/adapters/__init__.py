"""Implementations of the ports. Only this package imports SDKs; SDK errors leave it as ClipstitchErrors.

oss           objects, audio/info and audio/concat through `oss2`
oss_files     objects as files, for the function `render`
oss_listing   the SDK's bucket with a faster reader of listings
oss2_import   `oss2` without the parts that make its import slow
openapi       signed calls of the vendor's OpenAPI
imm           the states of tasks through IMM's GetTask
fc            render tasks through the API of Function Compute
smq           topics and queues through `aliyun-mns-sdk`
webhook_http  webhooks over HTTP, signed by `standardwebhooks`
threads       several calls at once, in threads
backoff       retries of throttled calls
system_clock  the clock of the machine
memory        all ports in memory, for tests
"""
