"""The ROS resource types that the local cloud supports, and their attributes.

Types and attributes: ROS GetResourceType and ros-cdk 1.15.0, read 2026-11.
"""

from collections.abc import Mapping

_MNS = "http://{account}.mns.{region}.aliyuncs.com"
# Type -> attribute -> value, as a format string of the resource's properties. Ref returns the first attribute.
TYPES: Mapping[str, Mapping[str, str]] = {
    "ALIYUN::OSS::Bucket": {
        "Name": "{BucketName}",
        "DomainName": "{BucketName}.oss-{region}.aliyuncs.com",
        "InternalDomainName": "{BucketName}.oss-{region}-internal.aliyuncs.com",
        "Arn": "acs:oss:{region}:{account}:{BucketName}",
    },
    "ALIYUN::MNS::Topic": {
        "TopicName": "{TopicName}",
        "TopicUrl": _MNS + "/topics/{TopicName}",
        "ARN.WithSlash": "acs:mns:{region}:{account}:/topics/{TopicName}",
    },
    "ALIYUN::MNS::Queue": {
        "QueueName": "{QueueName}",
        "QueueUrl": _MNS + "/queues/{QueueName}",
        "ARN.WithSlash": "acs:mns:{region}:{account}:/queues/{QueueName}",
    },
    "ALIYUN::MNS::Subscription": {
        "SubscriptionName": "{SubscriptionName}",
        "TopicName": "{TopicName}",
        "SubscriptionUrl": _MNS + "/topics/{TopicName}/subscriptions/{SubscriptionName}",
    },
    "ALIYUN::IMM::Project2": {"ProjectName": "{ProjectName}"},
    "ALIYUN::RAM::Role": {
        "RoleName": "{RoleName}",
        "RoleId": "{RoleName}",
        "Arn": "acs:ram::{account}:role/{RoleName}",
    },
    "ALIYUN::SLS::Project": {"Name": "{Name}"},
    "ALIYUN::SLS::Logstore": {"LogstoreName": "{LogstoreName}", "ProjectName": "{ProjectName}"},
    "ALIYUN::SLS::Index": {},
    "ALIYUN::SLS::Alert": {},
    "ALIYUN::CMS::ResourceMetricRule": {"RuleId": "{RuleId}", "RuleName": "{RuleName}"},
    "ALIYUN::FC3::Function": {
        "FunctionName": "{FunctionName}",
        "FunctionId": "{FunctionName}",
        "ARN": "acs:fc:{region}:{account}:functions/{FunctionName}",
    },
    "ALIYUN::FC3::Trigger": {"TriggerName": "{TriggerName}", "FunctionName": "{FunctionName}"},
    "ALIYUN::FC3::AsyncInvokeConfig": {"FunctionName": "{FunctionName}"},
    "ALIYUN::FC3::FunctionInvoker": {},
    "ALIYUN::ROS::Sleep": {},
    "ALIYUN::ROS::CustomResource": {},
}
