"""What is known of a function before it runs: plain values, no behaviour."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MAX_INSTANCES = 10  # ours, for one machine; FC gives an account 100 instances in a region


@dataclass(frozen=True)
class Hook:
    """An instance lifecycle hook: what to call and for how many seconds at most."""

    handler: str
    timeout: int = 30


@dataclass(frozen=True)
class AsyncConfig:
    """How asynchronous events are retried and who hears of their end; defaults as in PutAsyncInvokeConfig."""

    retries: int = 3
    max_age_seconds: int = 86400
    on_success: str = ""
    on_failure: str = ""


@dataclass(frozen=True)
class FunctionConfig:
    """A function as it is deployed. `code` is the code directory, then what else is imported from."""

    name: str
    handler: str
    code: tuple[Path, ...]
    runtime: str = "python3.10"
    timeout: int = 3
    memory: int = 512
    environment: Mapping[str, str] = field(default_factory=dict)
    role: str = ""
    description: str = ""
    log_project: str = ""
    log_store: str = ""
    initializer: Hook | None = None
    pre_stop: Hook | None = None
    asynchronous: AsyncConfig = AsyncConfig()
    built: bool = False  # the code brings its packages: none of ours are seen, and no bytecode is left in it
    python: str = ""  # interpreter, where it is another one than the site's


@dataclass(frozen=True)
class Site:
    """Where functions run: account, endpoints of the local services, interpreter, patience of retries."""

    account_id: str
    region: str
    endpoints: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable
    time_scale: float = 1.0
    max_instances: int = MAX_INSTANCES
