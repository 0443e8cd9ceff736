"""Task states through IMM's GetTask, with the SDK core that oss2 already brings. Only the sweep uses it.

IMM API 2020-09-30, "GetTask", 2026: states Running, Succeeded, Failed; tasks are kept for about seven days.
"""

import json

from aliyunsdkcore.acs_exception.exceptions import ClientException, ServerException
from aliyunsdkcore.auth.credentials import AccessKeyCredential, StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

from clipstitch.errors import CloudBusy
from clipstitch.log import say
from clipstitch.ports import Ended
from clipstitch.settings import AccessKey

VERSION, TASK_TYPE = "2020-09-30", "MediaConvert"


class ImmTasks:
    """Tells how tasks of one project ended."""

    def __init__(self, endpoint: str, region: str, project: str, key: AccessKey) -> None:
        token = (
            StsTokenCredential(key.id, key.secret, key.token) if key.token else AccessKeyCredential(key.id, key.secret)
        )
        self._client = AcsClient(region_id=region, credential=token)
        self._scheme, _, self._host = endpoint.rpartition("://")
        self._project = project

    def __call__(self, task_id: str) -> Ended | None:
        """Return how a task ended; None while it runs, and where IMM does not know it (any more)."""
        request = CommonRequest(domain=self._host, version=VERSION, action_name="GetTask")
        request.set_protocol_type(self._scheme or "https")
        request.set_method("POST")
        for name, value in (("ProjectName", self._project), ("TaskType", TASK_TYPE), ("TaskId", task_id)):
            request.add_query_param(name, value)
        try:
            task = json.loads(self._client.do_action_with_exception(request))
        except ServerException as error:
            if error.get_http_status() >= 500:
                raise CloudBusy(f"asking IMM about {task_id}: {error}") from error
            say("task-unknown", task=task_id, code=error.get_error_code())
            return None
        except (ClientException, ValueError) as error:
            raise CloudBusy(f"asking IMM about {task_id}: {error}") from error
        if task.get("Status") not in ("Succeeded", "Failed"):
            return None
        return Ended(task["Status"] == "Succeeded", str(task.get("Code") or ""), str(task.get("Message") or ""))
