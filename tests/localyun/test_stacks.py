"""Stacks of the local ROS, through the vendor's OpenAPI client over HTTPS."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from localyun.server import LocalCloud
from tests.localyun.ros_client import Ros

BUCKET = "  B: {Type: 'ALIYUN::OSS::Bucket', DeletionPolicy: Retain, Properties: {BucketName: bkt}}\n"
QUEUE = "  Q: {Type: 'ALIYUN::MNS::Queue', Properties: {QueueName: {Ref: Name}, VisibilityTimeout: 30}}\n"
TOPIC = "  T: {Type: 'ALIYUN::MNS::Topic', DependsOn: Q, Properties: {TopicName: news}}\n"
HEAD = """
ROSTemplateFormatVersion: '2015-09-01'
Parameters: {Name: {Type: String, Default: one, AllowedPattern: '^[a-z]+$'}}
Outputs: {Queue: {Value: {'Fn::GetAtt': [Q, QueueName]}}}
Resources:
"""
TEMPLATE = HEAD + TOPIC + QUEUE + BUCKET
FUNCTION = """
  F:
    Type: ALIYUN::FC3::Function
    Properties:
      FunctionName: maker
      Runtime: python3.10
      Handler: index.handler
      Timeout: 20
      Code:
        SourceCode: |
          import json, urllib.request
          def handler(event, context):
              asked = json.loads(event)
              kind = asked["RequestType"]
              if kind in asked["ResourceProperties"]["Silent"]:
                  return
              status = "FAILED" if kind in asked["ResourceProperties"]["Fails"] else "SUCCESS"
              answer = {"Status": status, "Reason": "no luck with " + kind, "PhysicalResourceId": "made"}
              answer.update({name: asked[name] for name in ("RequestId", "LogicalResourceId", "StackId")})
              urllib.request.urlopen(asked["ResponseURL"], json.dumps(answer).encode())
  C:
    Type: ALIYUN::ROS::CustomResource
    Properties:
      ServiceToken: {'Fn::GetAtt': [F, ARN]}
      Timeout: 4
      Parameters: {Fails: FAILS, Silent: SILENT}
"""


@contextmanager
def running(**options: Any) -> Iterator[tuple[Ros, LocalCloud]]:
    """Run an empty local cloud, in which ALIYUN::ROS::Sleep is short."""
    cloud = LocalCloud(None, time_scale=100, **options)
    with cloud as endpoints:
        yield Ros(endpoints), cloud


@pytest.fixture
def ros() -> Iterator[tuple[Ros, LocalCloud]]:
    """Run an empty local cloud for one test."""
    with running() as pair:
        yield pair


def test_a_stack_creates_what_its_template_declares(ros: tuple[Ros, LocalCloud]) -> None:
    """Each resource follows those that it needs; outputs, events and the list tell of it."""
    client, cloud = ros

    stack = client.create(TEMPLATE, Parameters_1_ParameterKey="Name", Parameters_1_ParameterValue="two")

    assert "CREATE_COMPLETE" == stack["Status"]
    assert [{"OutputKey": "Queue", "OutputValue": "two"}] == stack["Outputs"]
    assert 30 == cloud.services.messages.queues.get("two").attributes.visibility_timeout
    assert ("news",) == cloud.services.messages.topics.names().names
    assert cloud.services.objects.has_bucket("bkt")
    events = client.call("ListStackEvents", StackId=stack["StackId"], PageSize="50")["Events"]
    made = [event["LogicalResourceId"] for event in reversed(events) if event["Status"] == "CREATE_COMPLETE"]
    assert made.index("Q") < made.index("T")
    assert "demo" == made[-1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", events[0]["CreateTime"])
    [listed] = client.call("ListStacks", StackName_1="demo")["Stacks"]
    assert (stack["StackId"], "CREATE_COMPLETE") == (listed["StackId"], listed["Status"])
    assert 0 == client.call("ListStacks", StackName_1="other")["TotalCount"]
    resources = client.call("ListStackResources", StackId=stack["StackId"])["Resources"]
    assert {"B", "Q", "T"} == {resource["LogicalResourceId"] for resource in resources}


def test_a_deleted_stack_leaves_what_is_retained(ros: tuple[Ros, LocalCloud]) -> None:
    """GetStack still answers; the list shows it only to those who ask for its status."""
    client, cloud = ros
    stack_id = client.create(TEMPLATE)["StackId"]

    client.call("DeleteStack", StackId=stack_id)
    deleted = client.wait(stack_id)

    assert "DELETE_COMPLETE" == deleted["Status"]
    assert cloud.services.objects.has_bucket("bkt")
    assert () == cloud.services.messages.queues.names().names == cloud.services.messages.topics.names().names
    assert 0 == client.call("ListStacks", StackName_1="demo")["TotalCount"]
    assert 1 == client.call("ListStacks", StackName_1="demo", Status_1="DELETE_COMPLETE")["TotalCount"]
    status, code, _ = client.error("GetStack", StackId="00000000-0000-0000-0000-000000000000")
    assert (404, "StackNotFound") == (status, code)


def test_an_update_creates_changes_and_deletes(ros: tuple[Ros, LocalCloud]) -> None:
    """A dry run changes nothing, and the same template again is refused as ROS refuses it."""
    client, cloud = ros
    stack_id = client.create(TEMPLATE)["StackId"]
    new = (HEAD + QUEUE + BUCKET).replace("30", "45") + TOPIC.replace("news", "more").replace("T:", "M:")

    client.call("UpdateStack", new, StackId=stack_id, DryRun="true")
    before = cloud.services.messages.topics.names().names
    client.call("UpdateStack", new, StackId=stack_id)
    stack = client.wait(stack_id)

    assert (("news",), ("more",)) == (before, cloud.services.messages.topics.names().names)
    assert "UPDATE_COMPLETE" == stack["Status"]
    assert 45 == cloud.services.messages.queues.get("one").attributes.visibility_timeout
    refused = client.error("UpdateStack", new, StackId=stack_id)
    assert (400, "NotSupported", "Update the completely same stack is not supported") == refused


def test_an_update_that_fails_is_rolled_back(ros: tuple[Ros, LocalCloud]) -> None:
    """Everything is as before, and the stack has the reason."""
    client, cloud = ros
    stack_id = client.create(TEMPLATE)["StackId"]
    bad = "  P: {Type: 'ALIYUN::IMM::Project2', DependsOn: [Q, T], Properties: {ProjectName: p, ServiceRole: none}}\n"

    client.call("UpdateStack", TEMPLATE.replace("30", "45") + bad, StackId=stack_id)
    stack = client.wait(stack_id)

    assert "ROLLBACK_COMPLETE" == stack["Status"]
    assert "the service role none cannot be assumed by IMM: it does not exist" in stack["StatusReason"]
    assert 30 == cloud.services.messages.queues.get("one").attributes.visibility_timeout


def test_a_creation_that_fails_must_be_deleted_before_the_next() -> None:
    """The rollback leaves the retained bucket, which the next creation finds; another template goes on with it."""
    with running(fail_resource="T") as (client, cloud):
        failed = client.create(TEMPLATE)
        kept = cloud.services.objects.has_bucket("bkt"), cloud.services.messages.queues.names().names

        assert "CREATE_ROLLBACK_COMPLETE" == failed["Status"]
        assert "T: failed on purpose" in failed["StatusReason"]
        assert (True, ()) == kept
        status, code, message = client.error("UpdateStack", HEAD + QUEUE, StackId=failed["StackId"])
        assert (400, "NotSupported") == (status, code)
        assert "CREATE_ROLLBACK_COMPLETE is not supported: delete it" in message
        assert (409, "StackExists") == client.error("CreateStack", TEMPLATE, StackName="demo")[:2]
        client.call("DeleteStack", StackId=failed["StackId"])
        client.wait(failed["StackId"])

        again = client.create(HEAD + QUEUE + BUCKET)
        assert "BucketAlreadyExists: the bucket bkt exists; set NewBucket to false" in again["StatusReason"]
        client.call("DeleteStack", StackId=again["StackId"])
        client.wait(again["StackId"])
        assert "CREATE_COMPLETE" == client.create(HEAD + QUEUE)["Status"]


def test_without_rollback_what_was_created_stays() -> None:
    """DisableRollback leaves everything for inspection."""
    with running(fail_resource="T") as (client, cloud):
        stack = client.create(TEMPLATE, DisableRollback="true")

        assert "CREATE_FAILED" == stack["Status"]
        assert ("one",) == cloud.services.messages.queues.names().names


def test_a_project_with_an_attached_bucket_stops_the_deletion(ros: tuple[Ros, LocalCloud]) -> None:
    """IMM refuses to delete it; after the bucket is detached, the deletion succeeds."""
    client, cloud = ros
    project = "  P: {Type: 'ALIYUN::IMM::Project2', Properties: {ProjectName: media}}\n"
    stack_id = client.create(HEAD + QUEUE + project)["StackId"]
    cloud.services.tasks.attach("bkt", "media")

    client.call("DeleteStack", StackId=stack_id)
    blocked = client.wait(stack_id)
    cloud.services.tasks.detach("bkt")
    client.call("DeleteStack", StackId=stack_id)

    assert "DELETE_FAILED" == blocked["Status"]
    assert "StatusConflict" in blocked["StatusReason"]
    assert "DELETE_COMPLETE" == client.wait(stack_id)["Status"]


@pytest.mark.parametrize(
    ("fails", "silent", "status", "reason"),
    [
        ("[]", "[]", "CREATE_COMPLETE", "completed successfully"),
        ("[Create]", "[]", "CREATE_ROLLBACK_COMPLETE", "the function maker failed: no luck with Create"),
        ("[]", "[Create]", "CREATE_ROLLBACK_COMPLETE", "the function maker failed: no answer within 4 s"),
    ],
)
def test_a_custom_resource_waits_for_the_answer_of_its_function(
    ros: tuple[Ros, LocalCloud], fails: str, silent: str, status: str, reason: str
) -> None:
    """A function that fails, or does not answer, fails the stack."""
    client, _ = ros

    stack = client.create(HEAD + QUEUE + FUNCTION.replace("FAILS", fails).replace("SILENT", silent))

    assert status == stack["Status"]
    assert reason in stack["StatusReason"]


def test_a_custom_resource_is_deleted_by_its_function(ros: tuple[Ros, LocalCloud]) -> None:
    """The function is asked before it is deleted itself."""
    client, cloud = ros
    template = HEAD + QUEUE + FUNCTION.replace("FAILS", "[]").replace("SILENT", "[]")
    stack_id = client.create(template)["StackId"]

    client.call("DeleteStack", StackId=stack_id)

    assert "DELETE_COMPLETE" == client.wait(stack_id)["Status"]
    assert [] == cloud.services.functions.list()


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (TEMPLATE.replace("MNS::Queue", "MNS::Quueue"), "type ALIYUN::MNS::Quueue is unknown here; known:"),
        (TEMPLATE.replace("{Ref: Name}", "{Ref: Nam}"), "'Nam' is neither a parameter nor a resource"),
        (TEMPLATE.replace("Default: one", "Default: '1'"), "'1' does not match"),
        ("[", "while parsing"),
        ("text", "must be a mapping"),
    ],
)
def test_a_template_that_is_not_valid_is_refused_at_once(
    ros: tuple[Ros, LocalCloud], template: str, message: str
) -> None:
    """Nothing is created; the error names the place and what is known."""
    client, _ = ros

    status, code, text = client.error("CreateStack", template, StackName="demo")

    assert (400, "StackValidationFailed") == (status, code)
    assert message in text
    assert 0 == client.call("ListStacks")["TotalCount"]


def test_a_stack_that_a_kill_interrupted_has_failed(tmp_path: Path) -> None:
    """A later start knows the stack, with what it had created; it can be deleted."""
    slow = "  S: {Type: 'ALIYUN::ROS::Sleep', DependsOn: Q, Properties: {CreateDuration: 3600}}\n"
    with running(data=tmp_path) as (client, cloud):
        stack_id = client.call("CreateStack", HEAD + QUEUE + slow, StackName="demo")["StackId"]
        wait_for(lambda: cloud.services.messages.queues.names().names)

    with running(data=tmp_path) as (client, cloud):
        stack = client.call("GetStack", StackId=stack_id)
        client.call("DeleteStack", StackId=stack_id)

        assert ("CREATE_FAILED", "The local cloud stopped meanwhile.") == (stack["Status"], stack["StatusReason"])
        assert "DELETE_COMPLETE" == client.wait(stack_id)["Status"]
        assert () == cloud.services.messages.queues.names().names


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_action_that_is_not_supported_names_the_supported_ones(ros: tuple[Ros, LocalCloud]) -> None:
    """A tool that needs more finds out which."""
    status, code, message = ros[0].error("PreviewStack", TEMPLATE, StackName="demo")

    assert (404, "InvalidAction.NotFound") == (status, code)
    assert "CreateStack, UpdateStack" in message
