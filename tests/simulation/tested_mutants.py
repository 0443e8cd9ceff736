"""Mutants that a fast test must detect: defects of adapters, of bookkeeping and of single rules.

The simulation does not see them: it has no SDKs and no HTTP, or needs too many schedules. Each mutant names the test
module that fails with it. Run: python -m tests.simulation.tested_mutants
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.simulation.mutants import COMPLETE, DECIDE, PUBLISH, STORE, SWEEP, Mutant
from tests.simulation.mutation_testing import ROOT, apply_mutant

OSS = "adapters/oss.py"
_USE_CASES, _ADAPTERS = "tests/unit/usecases/", "tests/unit/adapters/"
_OSS_TEST, _IMM_TEST = _ADAPTERS + "test_oss_answers.py", _ADAPTERS + "test_imm.py"
_WEBHOOK_TEST, _STORE_TEST = "tests/contract/test_webhook_sender.py", _USE_CASES + "test_job_store.py"
_FAULTY = "tests/contract/test_faulty_responses.py"
EVENT = "jobs/completion_event.py"
FAILURES = "short test summary info"  # what pytest prints if tests failed, and only then


_RUN = """
import sys, clipstitch, pytest
sys.exit(pytest.main(["-q", "-x", {test!r}]) if clipstitch.__file__.startswith({folder!r}) else "not the copy")
"""


class AssignedMutant(NamedTuple):
    """A mutant, and the test module that detects it."""

    mutant: Mutant
    test: str


def _mutant(name: str, module: str, old: str, new: str, test: str) -> AssignedMutant:
    return AssignedMutant(Mutant(name, ((module, old, new),)), test)


TESTED_MUTANTS = (
    _mutant(
        "a bucket is trusted although a write says that it is versioned",
        STORE,
        "(self._unversioned.discard if versioned else self._unversioned.add)(self._bucket)",
        "self._unversioned.add(self._bucket)",
        _USE_CASES + "test_doubtful_messages.py",
    ),
    _mutant(
        "suspended versioning counts as none",
        OSS,
        "return found.status is not None",
        'return found.status == "Enabled"',
        _ADAPTERS + "test_oss_answers.py",
    ),
    _mutant(
        "chapters beside the output are not looked at",
        PUBLISH,
        "            if isinstance(conflict, Failure):\n                return conflict.message\n",
        "",
        _USE_CASES + "test_files_beside_an_output.py",
    ),
    _mutant(
        "a claim gives no time to start the step",
        DECIDE,
        "if fact.kind in (FAILED_TRANSIENTLY, CLAIMED)), default=None)",
        "if fact.kind == FAILED_TRANSIENTLY), default=None)",
        "tests/unit/jobs/test_decide.py",
    ),
    _mutant(
        "of two jobs of a second one is newer",
        "common/identifiers.py",
        'return job_id.partition("-")[0] > than.partition("-")[0]',
        "return job_id > than",
        "tests/unit/common/test_identifiers.py",
    ),
    _mutant(
        "a failed task of the job fails any of its steps",
        COMPLETE,
        "context.store.step_of_task(task) != (job.id, step.number)",
        '(context.store.step_of_task(task) or ("",))[0] != job.id',
        _USE_CASES + "test_doubtful_messages.py",
    ),
    _mutant(
        "the uploads of an event after one that fails are not submitted",
        "usecases/submit.py",
        "            errors.append(error)\n",
        "            errors.append(error)\n            break\n",
        _USE_CASES + "test_doubtful_messages.py",
    ),
    _mutant(
        "jobs of yesterday are unknown to the search",
        SWEEP,
        "day, after = since.date(), upload_stamp(since)",
        'day, after = now.date(), ""',
        _USE_CASES + "test_lost_uploads.py",
    ),
    _mutant(
        "open jobs without facts are unknown to the search",
        SWEEP,
        "known, now = set(this.open_jobs), this",
        "known, now = set[str](), this",
        _USE_CASES + "test_lost_uploads.py",
    ),
    _mutant(
        "the case of an ETag is kept",
        OSS,
        "return etag.strip('\"').upper()",
        "return etag.strip('\"')",
        _ADAPTERS + "test_oss_answers.py",
    ),
    _mutant(
        "the last request of a copy in parts is not create-once", OSS, "listed, headers=once)", "listed)", _OSS_TEST
    ),
    _mutant(
        "a copy keeps the headers of its source",
        OSS,
        '"x-oss-metadata-directive": "REPLACE"',
        '"x-oss-metadata-directive": "COPY"',
        _OSS_TEST,
    ),
    _mutant(
        "two parts of a copy overlap by a byte",
        OSS,
        "self._part_bytes, size) - 1) for start",
        "self._part_bytes, size - 1)) for start",
        _OSS_TEST,
    ),
    _mutant(
        "only the first thousand objects are deleted",
        OSS,
        "range(0, len(keys), PAGE)",
        "range(0, min(len(keys), PAGE), PAGE)",
        _OSS_TEST,
    ),
    _mutant(
        "metadata is read by the case of its names",
        OSS,
        "name.lower().removeprefix(_META): value",
        "name.removeprefix(_META): value",
        _OSS_TEST,
    ),
    _mutant(
        "the duration of the container counts before that of the stream",
        OSS,
        'float(stream.get("Duration") or info["Duration"])',
        'float(info.get("Duration") or stream["Duration"])',
        _OSS_TEST,
    ),
    _mutant("lossy clips count as 24 bits", OSS, "return lossless and str(stream", "return str(stream", _OSS_TEST),
    _mutant(
        "a start without a task id is believed", OSS, "        if not task:\n", "        if task is None:\n", _OSS_TEST
    ),
    _mutant(
        "every call repeats the delays of a throttled cloud",
        "adapters/backoff.py",
        "            self._exhausted = True\n",
        "",
        _OSS_TEST,
    ),
    _mutant(
        "an event that SMQ throttles is refused",
        "common/cloud_errors.py",
        '"too many", "toomany", ',
        "",
        _ADAPTERS + "test_smq.py",
    ),
    _mutant(
        "an event that SMQ cannot take now is refused",
        "common/cloud_errors.py",
        '"serviceunavailable", ',
        "",
        _ADAPTERS + "test_smq.py",
    ),
    _mutant(
        "a task that IMM does not know is running",
        "adapters/imm.py",
        "            self._log_refusal(task_id, error)\n            return None\n",
        "            self._log_refusal(task_id, error)\n            return TaskRunning()\n",
        _IMM_TEST,
    ),
    _mutant(
        "a status of IMM that is new means failed",
        "adapters/imm.py",
        'not in ("Succeeded", "Failed")',
        '== "Running"',
        _IMM_TEST,
    ),
    _mutant(
        "requests to IMM carry the time of the machine's zone",
        "adapters/openapi.py",
        "time.gmtime()",
        "time.localtime()",
        _IMM_TEST,
    ),
    _mutant(
        "the headers of a request to IMM are signed in the order in which they were written",
        "adapters/openapi.py",
        "covered = sorted(name for name in headers if",
        "covered = list(name for name in headers if",
        _IMM_TEST,
    ),
    _mutant(
        "a webhook is posted to the path without the query",
        "adapters/webhook_http.py",
        ' + (f"?{parts.query}" if parts.query else "")',
        "",
        _WEBHOOK_TEST,
    ),
    _mutant(
        "a webhook names the host without its port",
        "adapters/webhook_http.py",
        '{"Host": request.netloc,',
        '{"Host": request.host,',
        _WEBHOOK_TEST,
    ),
    _mutant(
        "only the first secret signs an event",
        "adapters/webhook_http.py",
        "for secret in hook.secrets)",
        "for secret in hook.secrets[:1])",
        _WEBHOOK_TEST,
    ),
    _mutant(
        "private addresses inside IPv6 addresses are public",
        "adapters/webhook_http.py",
        "    ip = _embedded(ipaddress.ip_address(address))",
        "    ip = ipaddress.ip_address(address)",
        _ADAPTERS + "test_public_addresses.py",
    ),
    _mutant(
        "opening a job again restarts its deadline",
        STORE,
        '_encode({"manifest": manifest.uri}), _JSON, once=True)',
        '_encode({"manifest": manifest.uri}), _JSON)',
        _STORE_TEST,
    ),
    _mutant(
        "the steps of a job after the first thousand are unknown", STORE, "([0-9]{3,9})", "([0-9]{3})", _STORE_TEST
    ),
    _mutant(
        "documents of a later version are read",
        STORE,
        'document.get("format", FORMAT) > FORMAT',
        'document.get("format", FORMAT) > FORMAT + 1',
        _STORE_TEST,
    ),
    _mutant(
        "the log of several calls does not name the job",
        "adapters/threads.py",
        "Thread(target=copy_context().run, args=(work,))",
        "Thread(target=work)",
        _ADAPTERS + "test_threads.py",
    ),
    _mutant(
        "what was begun by a killed sweep is forgotten",
        "usecases/sweep_progress.py",
        '[*_strings(saved.get("slow")), *began]',
        '_strings(saved.get("slow"))',
        _USE_CASES + "test_sweep.py",
    ),
    _mutant(
        "a search that passed an upload without a job counts as complete",
        SWEEP,
        "= batch[-1].ref.key, True",
        "= batch[-1].ref.key, was_incomplete",
        _USE_CASES + "test_lost_uploads.py",
    ),
    _mutant(
        "orphans are deleted while their job is open",
        SWEEP,
        "if job_of_working_file(name) not in this.open_jobs]",
        "if job_of_working_file(name)]",
        _USE_CASES + "test_orphans.py",
    ),
    _mutant(
        "orphans are deleted at any age",
        SWEEP,
        "for each in page if each.last_modified <= oldest]",
        "for each in page]",
        _USE_CASES + "test_orphans.py",
    ),
    _mutant(
        "the sweep stops at the first job that fails",
        SWEEP,
        "    except Exception as error:  # noqa: BLE001 - one job",
        "    except ArithmeticError as error:  # one job",
        _USE_CASES + "test_sweep.py",
    ),
    _mutant(
        "a step is not backed off after it was claimed",
        "jobs/decide.py",
        "if fact.kind in (FAILED_TRANSIENTLY, CLAIMED)",
        "if fact.kind == FAILED_TRANSIENTLY",
        "tests/unit/jobs/test_decide.py",
    ),
    _mutant(
        "a published output fails after its deadline",
        "jobs/decide.py",
        "return () if seen.published else (Fail(error),)",
        "return (Fail(error),)",
        "tests/unit/jobs/test_decide.py",
    ),
    _mutant(
        "the place of the search is kept only when it is through",
        SWEEP,
        "        progress.places[_MANIFESTS] = place = page[-1].key\n",
        "        place = page[-1].key\n",
        _USE_CASES + "test_sweep.py",
    ),
    _mutant(
        "the parts of a copy are listed in another order",
        OSS,
        "enumerate([*first, *copied], start=1)",
        "enumerate([*copied, *first], start=1)",
        "tests/contract/test_objects.py",
    ),
    _mutant(
        "the place of the open jobs is forgotten",
        SWEEP,
        'place, others = progress.places.get(_JOBS, "")',
        'place, others = ""',
        _USE_CASES + "test_sweep.py",
    ),
    _mutant(
        "a sink that failed once counts as unresponsive",
        "usecases/sink_monitor.py",
        "MAX_FAILURES = 5 ",
        "MAX_FAILURES = 1 ",
        _USE_CASES + "test_sink_monitor.py",
    ),
    _mutant(
        "the failures of a sink are counted, not those in a row",
        "usecases/sink_monitor.py",
        "self._failures_in_row[sink] = 0 if accepted else self._failures_in_row[sink] + 1",
        "self._failures_in_row[sink] += not accepted",
        _USE_CASES + "test_sink_monitor.py",
    ),
    _mutant(
        "parts of two versions of a source are combined",
        OSS,
        "target.key, upload, number, headers=same)",
        "target.key, upload, number)",
        _FAULTY,
    ),
    _mutant(
        "the parts of a failed copy are left behind",
        OSS,
        "                bucket.abort_multipart_upload(target.key, upload)\n",
        "                pass\n",
        _FAULTY,
    ),
    _mutant(
        "a body that is cut short counts as whole",
        OSS,
        "if due is not None and len(body) < due:",
        "if False:",
        "tests/unit/common/test_cloud_errors.py",
    ),
    _mutant(
        "bytes are not compared with the CRC of their object",
        OSS,
        "got.server_crc not in (None, got.client_crc)",
        "False",
        _FAULTY,
    ),
    _mutant(
        "a bare 404 to HEAD is a refusal",
        OSS,
        "if error.status == 404 and not error.code:",
        "if error.status == -404:",
        _FAULTY,
    ),
    _mutant(
        "any refusal of a probe means that there is no audio",
        "common/cloud_errors.py",
        "    of_imm = IMM_CODE == code or _IMM_EC == ec\n",
        "    return True\n    of_imm = IMM_CODE == code or _IMM_EC == ec\n",
        _FAULTY,
    ),
    _mutant(
        "the head of one version is replaced in another",
        OSS,
        'if front and front.etag not in ("", about.etag):',
        "if False:",
        "tests/contract/test_objects.py",
    ),
    _mutant(
        "a wrong silence is kept",
        "usecases/plan_job.py",
        "        if existing != body:\n",
        "        if existing is None:\n",
        _USE_CASES + "test_jobs_of_many_steps.py",
    ),
    _mutant(
        "an empty manifest is rejected at once",
        "usecases/submit.py",
        "elif not upload.body and _is_new(upload, context):",
        "elif False:",
        _USE_CASES + "test_empty_manifests.py",
    ),
    _mutant(
        "an event contains characters that XML lacks",
        EVENT,
        "return escape_in_json(",
        "return (",
        "tests/unit/jobs/test_completion_event.py",
    ),
    _mutant(
        "thousands of tasks make an event too long",
        EVENT,
        '_BULKY = ("clips", "tasks", ',
        '_BULKY = ("clips", ',
        "tests/unit/jobs/test_completion_event.py",
    ),
    _mutant(
        "an event names only the tasks that were recorded before they ended",
        "jobs/job.py",
        "if fact.kind in _TASK_KINDS}",
        "if fact.kind == ACCEPTED}",
        _USE_CASES + "test_whole_jobs.py",
    ),
    _mutant(
        "an event changes with the settings",
        "usecases/settings.py",
        "return decision.result_object or self.result_ref(",
        "return self.result_ref(",
        _USE_CASES + "test_events.py",
    ),
)


def is_detected(tested: AssignedMutant) -> bool:
    """Return True if the test fails with the mutant; raise `RuntimeError` if it could not be run."""
    with tempfile.TemporaryDirectory() as folder:
        apply_mutant(tested.mutant, Path(folder))
        run = _RUN.format(folder=folder, test=tested.test)
        done = subprocess.run(
            [sys.executable, "-c", run],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode > 1 or (done.returncode == 1) != (FAILURES in done.stdout):
        raise RuntimeError(f"{tested.mutant.name}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 1


def main() -> int:
    """Print one row of a Markdown table for each mutant; return 1 if one was not detected, else 0."""
    missed = 0
    for tested in TESTED_MUTANTS:
        detected = is_detected(tested)
        missed += not detected
        sys.stdout.write(f"| {tested.mutant.name} | {f'`{tested.test}`' if detected else 'NOT DETECTED'} |\n")
        sys.stdout.flush()
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
