"""The set-up frame and the environment of a function's process. Pure."""

from typing import Any

from localyun.fc.values import LATEST, FcSettings, FunctionConfig
from localyun.ram.credentials import Credential

PATH = "/usr/local/bin:/usr/bin:/bin"


def setup_frame(config: FunctionConfig, settings: FcSettings, key: Credential) -> dict[str, Any]:
    """Return what the bootstrap must know of a function."""
    return {
        "handler": config.handler,
        "initializer": config.initializer.handler if config.initializer else "",
        "pre_stop": config.pre_stop.handler if config.pre_stop else "",
        "paths": [str(path) for path in config.code],
        "runtime": config.runtime,
        "region": settings.region,
        "account_id": settings.account_id,
        "log": {"project": config.log_project, "store": config.log_store},
        "function": {key: getattr(config, key) for key in ("name", "handler", "memory", "timeout")},
        "version": _version(config),
        "credentials": _secrets(key),
    }


def environment(config: FunctionConfig, settings: FcSettings, key: Credential, instance: str) -> dict[str, str]:
    """Return the environment of a function's processes, which has none of the local cloud's own variables.

    FC removes a function's own FC_* variables (its runtime's bootstrap, read 2026-11). The local endpoints override the
    configuration, so that a local function always calls the local cloud.
    """
    own = {name: value for name, value in config.environment.items() if not name.startswith(("FC_", "_FC_"))}
    clean = {"PYTHONDONTWRITEBYTECODE": "1"} if config.built else {}
    runtime = {
        "FC_FUNC_CODE_PATH": str(config.code[0]),
        "FC_FUNCTION_MEMORY_SIZE": str(config.memory),
        "FC_RUNTIME_VERSION": config.runtime,
        "FC_ACCOUNT_ID": settings.account_id,
        "FC_FUNCTION_HANDLER": config.handler,
        "FC_FUNCTION_NAME": config.name,
        "FC_SERVICE_NAME": "",
        "FC_VER_ID": _version(config)["version_id"],
        "FC_QUALIFIER": config.version,
        "FC_REGION": settings.region,
        "FC_INSTANCE_ID": f"c-{instance}",
    }
    keys = {f"ALIBABA_CLOUD_{name.upper()}": value for name, value in _secrets(key).items()}
    base = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/tmp"}  # noqa: S108 - as in FC, the only writable directory
    return base | clean | own | runtime | keys | dict(settings.endpoints)


def _version(config: FunctionConfig) -> dict[str, str]:
    """Return the version of a function as its context has it; the id of LATEST is empty."""
    return {"qualifier": config.version, "version_id": "" if config.version == LATEST else config.version}


def _secrets(key: Credential) -> dict[str, str]:
    """Return the three parts of an access key by the names that a function's context has."""
    return {name: getattr(key, name) for name in ("access_key_id", "access_key_secret", "security_token")}
