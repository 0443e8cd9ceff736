"""Functions and triggers as the JSON documents of both versions of the FC API. Pure.

Field names: models of aliyun-fc2 2.5.2 and alibabacloud-fc20230330 4.8, read 2026-11.
"""

import json
from typing import Any

from localyun.fc.values import FcSettings, FunctionConfig, ObjectTrigger, TimerTrigger, TopicTrigger, Trigger


def function_document(config: FunctionConfig) -> dict[str, Any]:
    """Return the document of a function."""
    return {
        "functionName": config.name,
        "functionId": config.name,
        "description": config.description,
        "runtime": config.runtime,
        "handler": config.handler,
        "timeout": config.timeout,
        "memorySize": config.memory,
        "role": config.role,
        "environmentVariables": dict(config.environment),
        "logConfig": {"project": config.log_project, "logstore": config.log_store},
        "state": "Active",
    }


def async_document(config: FunctionConfig, settings: FcSettings) -> dict[str, Any]:
    """Return the document of a function's asynchronous invocation configuration."""
    rules = config.asynchronous
    destinations = {"onSuccess": rules.on_success, "onFailure": rules.on_failure}
    return {
        "functionArn": f"acs:fc:{settings.region}:{settings.account_id}:functions/{config.name}",
        "maxAsyncRetryAttempts": rules.retries,
        "maxAsyncEventAgeInSeconds": rules.max_age_seconds,
        "destinationConfig": {name: {"destination": arn} for name, arn in destinations.items() if arn},
    }


def trigger_document(trigger: Trigger, settings: FcSettings, *, as_string: bool) -> dict[str, Any]:
    """Return the document of a trigger; its configuration is an object in 2016-08-15, a JSON string in 2023-03-30."""
    kind, source, config = _type_source_config(trigger, f"{settings.region}:{settings.account_id}")
    return {
        "triggerName": trigger.name,
        "triggerType": kind,
        "triggerConfig": json.dumps(config) if as_string else config,
        "sourceArn": source,
        "invocationRole": "" if isinstance(trigger, TimerTrigger) else trigger.role,
        "qualifier": "LATEST",
        "status": "",
    }


def _type_source_config(trigger: Trigger, region_and_account: str) -> tuple[str, str, dict[str, Any]]:
    match trigger:
        case ObjectTrigger():
            key = {"prefix": trigger.prefix, "suffix": trigger.suffix}
            config: dict[str, Any] = {"events": list(trigger.events), "filter": {"key": key}}
            return "oss", f"acs:oss:{region_and_account}:{trigger.bucket}", config
        case TopicTrigger():
            config = {"notifyContentFormat": trigger.content_format, "notifyStrategy": trigger.strategy}
            tag = {"filterTag": trigger.filter_tag} if trigger.filter_tag else {}
            return "mns_topic", f"acs:mns:{region_and_account}:/topics/{trigger.topic}", config | tag
        case TimerTrigger():
            config = {"cronExpression": trigger.expression, "enable": trigger.enabled, "payload": trigger.payload}
            return "timer", "", config
