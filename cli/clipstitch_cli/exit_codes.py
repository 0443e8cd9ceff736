"""Exit codes by name, the same for every command."""

from collections.abc import Mapping
from types import MappingProxyType

OK = 0
FAILED = 1  # the job failed
REJECTED = 2  # the manifest, or the process string, has errors
ERROR = 3  # the command could not do its work: settings, rights, network
TIMEOUT = 4  # the job was still running when the command stopped waiting
USAGE = 64  # the command line itself is wrong (EX_USAGE of sysexits.h)
INTERRUPTED = 130  # Ctrl-C, as shells report it

BY_STATE: Mapping[str, int] = MappingProxyType({"succeeded": OK, "failed": FAILED, "rejected": REJECTED})
