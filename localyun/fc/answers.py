"""What the API answers: functions, versions, aliases, triggers and settings as documents of API 2023-03-30. Pure.

Fields without a value are left out: fc3 0.1.22 reports some of them as differences from s.yaml.
"""

import json
from datetime import datetime, timezone
from typing import Any

from localyun.fc.configuration import FUNCTION_DEFAULTS
from localyun.fc.tasks import ENDED, AsyncTask
from localyun.fc.values import (
    LATEST,
    AsyncConfig,
    FcSettings,
    FunctionAlias,
    FunctionConfig,
    ObjectTrigger,
    TimerTrigger,
    TopicTrigger,
    Trigger,
    function_arn,
)


def function_document(config: FunctionConfig, settings: FcSettings) -> dict[str, Any]:
    """Return the document of a function, as GetFunction answers it."""
    values = {
        **FUNCTION_DEFAULTS,
        **config.document,
        "functionName": config.name,
        "functionId": config.name,
        "functionArn": function_arn(config.name, settings, config.version),
        "description": config.description,
        "runtime": config.runtime,
        "handler": config.handler,
        "timeout": config.timeout,
        "memorySize": config.memory,
        "role": config.role,
        "environmentVariables": dict(config.environment),
        "codeSize": config.code_size,
        "codeChecksum": config.code_checksum,
        "state": "Active",
        "lastUpdateStatus": "Successful",
        "createdTime": format_time(config.created),
        "lastModifiedTime": format_time(config.modified),
    }
    log = {"logConfig": {"project": config.log_project, "logstore": config.log_store}}
    return {name: value for name, value in {**log, **values}.items() if value not in ([], None)}


def version_document(config: FunctionConfig) -> dict[str, Any]:
    """Return the document of a published version."""
    return {"versionId": config.version, "description": config.version_description, **_times(config)}


def alias_document(alias: FunctionAlias) -> dict[str, Any]:
    """Return the document of an alias."""
    weights = {"additionalVersionWeight": dict(alias.weights)} if alias.weights else {}
    fields = {"aliasName": alias.name, "versionId": alias.version, "description": alias.description}
    return {**fields, **weights, **_times(alias)}


def async_document(name: str, config: AsyncConfig, settings: FcSettings, qualifier: str = LATEST) -> dict[str, Any]:
    """Return the document of the asynchronous settings of a function or of its qualifier."""
    destinations = {"onSuccess": config.on_success, "onFailure": config.on_failure}
    return {
        "functionArn": function_arn(name, settings, qualifier),
        "maxAsyncRetryAttempts": config.retries,
        "maxAsyncEventAgeInSeconds": config.max_age_seconds,
        **({"asyncTask": True} if config.task else {}),  # fc3 would report `false` as a difference
        "destinationConfig": {side: {"destination": arn} for side, arn in destinations.items() if arn},
        **_times(config),
    }


def task_document(task: AsyncTask, settings: FcSettings, *, with_payload: bool = True) -> dict[str, Any]:
    """Return the document of an asynchronous task; times in milliseconds, 0 for what has not happened.

    Without `returnPayload`, which the vendor's support enables for an account (AsyncTask, 2026-08-27).
    """
    events = [
        {
            "eventId": number,
            "status": event.status,
            "timestamp": _milliseconds(event.time),
            "eventDetail": json.dumps(event.detail) if event.detail else "",
        }
        for number, event in enumerate(task.events, 1)
    ]
    return {
        "taskId": task.id,
        "requestId": task.request_id,
        "functionArn": function_arn(task.function, settings, task.qualifier),
        "qualifier": task.qualifier,
        "status": task.status,
        "destinationStatus": task.status if task.status in ENDED else "",
        "startedTime": _milliseconds(task.started),
        "endTime": _milliseconds(task.ended),
        "durationMs": task.duration_ms,
        "alreadyRetriedTimes": task.retried,
        "instanceId": task.instance_id,
        "taskErrorMessage": task.error,
        "events": events,
        **({"taskPayload": task.payload.decode(errors="replace")} if with_payload else {}),
    }


def concurrency_document(name: str, reserved: int, settings: FcSettings) -> dict[str, Any]:
    """Return the document of a function's reserved concurrency."""
    return {"functionArn": function_arn(name, settings), "reservedConcurrency": reserved}


def trigger_document(trigger: Trigger, settings: FcSettings, *, as_string: bool) -> dict[str, Any]:
    """Return the document of a trigger; its configuration is an object in 2016-08-15, a JSON string in 2023-03-30."""
    kind, source, config = _type_source_config(trigger, f"{settings.region}:{settings.account_id}")
    return {
        "triggerName": trigger.name,
        "triggerType": kind,
        "triggerConfig": json.dumps(config) if as_string else config,
        "sourceArn": source,
        "invocationRole": None if isinstance(trigger, TimerTrigger) else trigger.role,
        "description": trigger.description,
        "qualifier": trigger.qualifier,
        **({"triggerId": trigger.id} if trigger.id else {}),
        **_times(trigger),
    }


def format_time(time: datetime | None) -> str:
    """Return a time as FC's API writes it, such as 2026-11-23T01:02:03Z; "" for None."""
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") if time else ""


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _times(value: FunctionConfig | FunctionAlias | AsyncConfig | Trigger) -> dict[str, str]:
    """Return when a resource was created and last modified, if it was made through the API."""
    if not value.created:
        return {}
    return {
        "createdTime": format_time(value.created),
        "lastModifiedTime": format_time(value.modified or value.created),
    }


def _type_source_config(trigger: Trigger, region_and_account: str) -> tuple[str, str | None, dict[str, Any]]:
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
            return "timer", None, config
