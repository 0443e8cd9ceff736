"""Functions and triggers as the JSON documents of the FC API, for both of its versions. Pure.

Field names: models of aliyun-fc2 2.5.2 and alibabacloud-fc20230330 4.8, read 2026-11.
"""

import json
from typing import Any

from localyun.deploy.declared import ObjectTrigger, TimerTrigger, TopicTrigger, Trigger
from localyun.fc.values import FunctionConfig, Site


def function_document(config: FunctionConfig) -> dict[str, Any]:
    """Describe a function."""
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


def async_document(config: FunctionConfig, site: Site) -> dict[str, Any]:
    """Describe how a function's asynchronous events are treated."""
    rules = config.asynchronous
    destinations = {"onSuccess": rules.on_success, "onFailure": rules.on_failure}
    return {
        "functionArn": f"acs:fc:{site.region}:{site.account_id}:functions/{config.name}",
        "maxAsyncRetryAttempts": rules.retries,
        "maxAsyncEventAgeInSeconds": rules.max_age_seconds,
        "destinationConfig": {name: {"destination": arn} for name, arn in destinations.items() if arn},
    }


def trigger_document(trigger: Trigger, site: Site, *, as_text: bool) -> dict[str, Any]:
    """Describe a trigger; its configuration is an object in 2016-08-15 and a JSON text in 2023-03-30."""
    kind, source, config = _particulars(trigger, f"{site.region}:{site.account_id}")
    return {
        "triggerName": trigger.name,
        "triggerType": kind,
        "triggerConfig": json.dumps(config) if as_text else config,
        "sourceArn": source,
        "invocationRole": "" if isinstance(trigger, TimerTrigger) else trigger.role,
        "qualifier": "LATEST",
        "status": "",
    }


def _particulars(trigger: Trigger, place: str) -> tuple[str, str, dict[str, Any]]:
    """Return a trigger's type, the ARN of its source, and its configuration."""
    match trigger:
        case ObjectTrigger():
            key = {"prefix": trigger.prefix, "suffix": trigger.suffix}
            config: dict[str, Any] = {"events": list(trigger.events), "filter": {"key": key}}
            return "oss", f"acs:oss:{place}:{trigger.bucket}", config
        case TopicTrigger():
            config = {"notifyContentFormat": trigger.content_format, "notifyStrategy": trigger.strategy}
            tag = {"filterTag": trigger.filter_tag} if trigger.filter_tag else {}
            return "mns_topic", f"acs:mns:{place}:/topics/{trigger.topic}", config | tag
        case TimerTrigger():
            config = {"cronExpression": trigger.expression, "enable": trigger.enabled, "payload": trigger.payload}
            return "timer", "", config
