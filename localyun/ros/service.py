"""The rules of ROS: stacks that create, change and delete resources, and roll back when one fails. No HTTP.

Each operation runs in a thread of its own and stores every step, so that a client sees its progress.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import yaml

from localyun.clock import CloudClock
from localyun.deploy.declared import BadDeployment
from localyun.deploy.ros_template import Stack, StackLocation, StackResource
from localyun.errors import ServiceError
from localyun.ros.provision import Provisioner, ProvisionFailed
from localyun.ros.store import StackStore
from localyun.ros.values import DELETED, UPDATABLE, ResourceRecord, StackEvent, StackRecord

STACK_TYPE = "ALIYUN::ROS::Stack"
# Times of events have no fractions of a second, and clients wait for an event that is later than their own start
# (the ros component of Serverless Devs polls for ever otherwise). ROS itself takes longer than this for any change.
LEAST_SECONDS = 1.5
STOP_SECONDS = 10.0
logger = logging.getLogger(__name__)


class StackService:
    """The stacks of one account in one region.

    `fail_resource`: the logical id of a resource whose creation fails, to try how a client goes on.
    """

    def __init__(
        self,
        store: StackStore,
        clock: CloudClock,
        provisioner: Provisioner,
        location: StackLocation,
        fail_resource: str = "",
    ) -> None:
        self._store, self._clock, self._provisioner = store, clock, provisioner
        self.location, self._fail_resource = location, fail_resource
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()

    def start(self) -> None:
        """Mark the operations that the end of an earlier process interrupted as failed."""
        for stack in self._store.all():
            if stack.is_in_progress:
                status = stack.status.replace("_IN_PROGRESS", "_FAILED")
                self._set_status(stack, status, "The local cloud stopped meanwhile.")

    def create(self, name: str, template: str, parameters: Mapping[str, str], *, can_roll_back: bool = True) -> str:
        """Begin to create a stack and return its id. Raises ServiceError if its name is used or it is not valid."""
        if not name:
            raise ServiceError(400, "MissingParameter", "StackName is mandatory for this action.")
        parsed = self._parsed(name, template, parameters)
        stack_id, now = str(UUID(hex=self._clock.token(16))), self._clock.now()
        with self._lock:
            if any(stack.name == name for stack in self.list()):
                raise ServiceError(409, "StackExists", f"The Stack already exists: {name}.")
            stack = StackRecord(stack_id, name, template, dict(parameters), "", "", now)
            stack = self._set_status(stack, "CREATE_IN_PROGRESS", "Stack CREATE started")
        self._run(stack, lambda: self._create(stack, parsed, can_roll_back))
        return stack_id

    def update(self, stack_id: str, template: str, parameters: Mapping[str, str], *, dry_run: bool = False) -> None:
        """Begin to update a stack. Raises ServiceError if it is not valid, or cannot be updated in its state.

        `dry_run`: only check.
        """
        with self._lock:
            stack = self.get(stack_id)
            self._check_idle(stack)
            if stack.status not in UPDATABLE:
                text = f"Updating a stack in the status {stack.status} is not supported: delete it, and create it again"
                raise ServiceError(400, "NotSupported", text)
            if (stack.template, dict(stack.parameters)) == (template, dict(parameters)):
                raise ServiceError(400, "NotSupported", "Update the completely same stack is not supported")
            old = self._parsed(stack.name, stack.template, stack.parameters)
            new = self._parsed(stack.name, template, parameters)
            if dry_run:
                return
            begun = self._set_status(stack, "UPDATE_IN_PROGRESS", "Stack UPDATE started")
        wanted = replace(begun, template=template, parameters=dict(parameters))
        self._run(begun, lambda: self._update(begun, wanted, old, new))

    def delete(self, stack_id: str, *, retain_all: bool = False) -> None:
        """Begin to delete a stack; one that is deleted already stays so. Raises ServiceError."""
        with self._lock:
            stack = self.get(stack_id)
            self._check_idle(stack)
            if stack.status == DELETED:
                return
            stack = self._set_status(stack, "DELETE_IN_PROGRESS", "Stack DELETE started")
        self._run(stack, lambda: self._delete(stack, "DELETE", retain_all=retain_all))

    def get(self, stack_id: str) -> StackRecord:
        """Return a stack, also a deleted one; raise `ServiceError` (404 StackNotFound) if there is none."""
        if found := self._store.find(stack_id):
            return found
        raise ServiceError(404, "StackNotFound", f"The Stack ({stack_id}) could not be found.")

    def list(self, names: Sequence[str] = (), statuses: Sequence[str] = ()) -> list[StackRecord]:
        """Return stacks, newest first, by names and statuses; deleted ones only if their status is asked for."""
        return [
            stack
            for stack in self._store.all()
            if (not names or stack.name in names)
            and (stack.status in statuses if statuses else stack.status != DELETED)
        ]

    def answer(self, token: str, content: Mapping[str, Any]) -> bool:
        """Accept the answer of a custom resource's function; return False if no stack waits for it."""
        return self._provisioner.answers.answer(token, content)

    def close(self) -> None:
        """Stop all operations; the next start marks them as failed."""
        self._stopping.set()
        self._provisioner.stop()
        for thread in self._threads:
            thread.join(STOP_SECONDS)
        self._store.close()

    def _check_idle(self, stack: StackRecord) -> None:
        if stack.is_in_progress:
            action = stack.status.removesuffix("_IN_PROGRESS")
            text = f"Stack {stack.name} already has an action ({action}) in progress."
            raise ServiceError(409, "ActionInProgress", text)

    def _parsed(self, name: str, template: str, parameters: Mapping[str, str]) -> Stack:
        """Return a template with its parameters. Raises ServiceError if they are not valid."""
        try:
            document = yaml.safe_load(template)
            if not isinstance(document, dict):
                raise ServiceError(400, "StackValidationFailed", "TemplateBody: must be a mapping")
            stack = Stack(document, parameters, replace(self.location, stack=name))
            stack.in_order()
            stack.outputs()
        except (yaml.YAMLError, BadDeployment) as error:
            raise ServiceError(400, "StackValidationFailed", str(error)) from error
        return stack

    def _run(self, stack: StackRecord, operation: Callable[[], object]) -> None:
        def run() -> None:
            try:
                operation()
            except Exception:
                if not self._stopping.is_set():
                    logger.exception("Internal error in an operation of stack %s", stack.name)
                    status = f"{stack.status.removesuffix('_IN_PROGRESS')}_FAILED"
                    reason = "An internal error of the local cloud; see its log"
                    self._set_status(self.get(stack.stack_id), status, reason)

        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=run, name=f"stack-{stack.name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _create(self, stack: StackRecord, parsed: Stack, can_roll_back: bool) -> None:
        self._stopping.wait(LEAST_SECONDS)
        for resource in parsed.in_order():
            try:
                stack = self._create_resource(stack, resource)
            except ProvisionFailed as error:
                reason = f"Resource CREATE failed: {resource.logical_id}: {error}"
                if not can_roll_back:
                    self._set_status(stack, "CREATE_FAILED", reason)
                    return
                stack = self._set_status(self.get(stack.stack_id), "CREATE_ROLLBACK_IN_PROGRESS", reason)
                self._delete(stack, "CREATE_ROLLBACK", reason=reason)
                return
        stack = replace(stack, outputs=parsed.outputs())
        self._set_status(stack, "CREATE_COMPLETE", "Stack CREATE completed successfully")

    def _create_resource(self, stack: StackRecord, resource: StackResource) -> StackRecord:
        """Create one resource; raise `ProvisionFailed` if that fails."""
        record = ResourceRecord(
            resource.logical_id, resource.type, "", "CREATE_IN_PROGRESS", resource.properties, resource.is_retained
        )
        stack = self._set_resource(stack, record, "state changed")
        try:
            physical_id = self._provisioner.create(resource, stack, fail=resource.logical_id == self._fail_resource)
        except ProvisionFailed as error:
            self._set_resource(stack, replace(record, status="CREATE_FAILED"), str(error))
            raise
        done = replace(record, physical_id=physical_id, status="CREATE_COMPLETE")
        return self._set_resource(stack, done, "state changed")

    def _update(self, stack: StackRecord, wanted: StackRecord, old: Stack, new: Stack) -> None:
        """Create and change resources as the new template says, then delete those that it lacks."""
        self._stopping.wait(LEAST_SECONDS)
        try:
            stack = self._converge(stack, new)
        except ProvisionFailed as error:
            reason = f"Resource UPDATE failed: {error}"
            stack = self._set_status(self.get(stack.stack_id), "ROLLBACK_IN_PROGRESS", reason)
            try:
                stack = self._converge(stack, old)
            except ProvisionFailed as second:
                self._set_status(self.get(stack.stack_id), "ROLLBACK_FAILED", str(second))
                return
            self._set_status(stack, "ROLLBACK_COMPLETE", reason)
            return
        stack = replace(stack, template=wanted.template, parameters=wanted.parameters, outputs=new.outputs())
        self._set_status(
            replace(stack, updated=self._clock.now()), "UPDATE_COMPLETE", "Stack UPDATE completed successfully"
        )

    def _converge(self, stack: StackRecord, parsed: Stack) -> StackRecord:
        """Make the resources of a stack those of a template. Raises ProvisionFailed."""
        resources = parsed.in_order()
        for resource in resources:
            existing = _complete(stack, resource.logical_id)
            if existing is None or existing.type != resource.type:
                stack = self._create_resource(stack, resource)
            elif dict(existing.properties) != dict(resource.properties):
                self._provisioner.update(resource, existing, stack)
                changed = replace(existing, properties=resource.properties, status="UPDATE_COMPLETE")
                stack = self._set_resource(stack, changed, "state changed")
        kept = {resource.logical_id for resource in resources}
        for record in reversed(stack.resources):
            if record.logical_id not in kept:
                stack = self._delete_resource(stack, record)
        return stack

    def _delete(self, stack: StackRecord, action: str, *, retain_all: bool = False, reason: str = "") -> None:
        """Delete the resources of a stack, the last one first; those to be retained stay."""
        self._stopping.wait(LEAST_SECONDS)
        for record in reversed(stack.resources):
            try:
                stack = self._delete_resource(stack, record, retain=retain_all)
            except ProvisionFailed as error:
                failed = f"Resource DELETE failed: {record.logical_id}: {error}"
                self._set_status(self.get(stack.stack_id), f"{action}_FAILED", failed)
                return
        self._set_status(stack, f"{action}_COMPLETE", reason or f"Stack {action} completed successfully")

    def _delete_resource(self, stack: StackRecord, record: ResourceRecord, *, retain: bool = False) -> StackRecord:
        """Delete one resource, which stays if it is retained. Raises ProvisionFailed."""
        exists = record.status != "CREATE_FAILED"
        if exists and not record.is_retained and not retain:
            stack = self._set_resource(stack, replace(record, status="DELETE_IN_PROGRESS"), "state changed")
            try:
                self._provisioner.delete(record, stack)
            except ProvisionFailed as error:
                self._set_resource(stack, replace(record, status="DELETE_FAILED"), str(error))
                raise
        why = "the resource is retained" if exists and (record.is_retained or retain) else "state changed"
        stack = self._set_resource(stack, replace(record, status=DELETED), why)
        rest = tuple(one for one in stack.resources if one.logical_id != record.logical_id)
        return self._stored(replace(stack, resources=rest))

    def _set_status(self, stack: StackRecord, status: str, reason: str) -> StackRecord:
        event = self._event(stack.name, stack.stack_id, STACK_TYPE, status, reason)
        return self._stored(replace(stack, status=status, reason=reason, events=(*stack.events, event)))

    def _set_resource(self, stack: StackRecord, record: ResourceRecord, reason: str) -> StackRecord:
        """Store a resource in its new state, and an event."""
        event = self._event(record.logical_id, record.physical_id, record.type, record.status, reason)
        rest = [one for one in stack.resources if one.logical_id != record.logical_id]
        index = next((n for n, one in enumerate(stack.resources) if one.logical_id == record.logical_id), len(rest))
        resources = (*rest[:index], record, *rest[index:])
        return self._stored(replace(stack, resources=resources, events=(*stack.events, event)))

    def _stored(self, stack: StackRecord) -> StackRecord:
        if self._stopping.is_set():
            raise ServiceError(503, "ServiceUnavailable", "The local cloud is shutting down.")
        self._store.put(stack)
        return stack

    def _event(self, logical_id: str, physical_id: str, kind: str, status: str, reason: str) -> StackEvent:
        return StackEvent(self._clock.token(16), self._clock.now(), logical_id, physical_id, kind, status, reason)


def _complete(stack: StackRecord, logical_id: str) -> ResourceRecord | None:
    """Return a resource that the stack has created; None if it does not exist."""
    found: Any = next((one for one in stack.resources if one.logical_id == logical_id), None)
    return found if found and not found.status.startswith("CREATE_FAILED") else None
