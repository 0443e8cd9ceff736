"""Keeps projects, attachments and tasks in SQLite. Knows rows, no rules; the task service calls it."""

import json
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

from localyun.imm.task_spec import TaskSpec
from localyun.imm.values import RUNNING, BucketAttachment, MediaTask, Project
from localyun.sqlite import Database

# The columns `work` and `told` hold `spec` and `notified`; their names are those of existing data directories.
SCHEMA = """
CREATE TABLE IF NOT EXISTS project (name TEXT PRIMARY KEY, created TEXT, description TEXT, service_role TEXT);
CREATE TABLE IF NOT EXISTS attachment (bucket TEXT PRIMARY KEY, project TEXT, created TEXT, description TEXT);
CREATE TABLE IF NOT EXISTS task (
  number INTEGER PRIMARY KEY AUTOINCREMENT, task_id TEXT UNIQUE, event_id TEXT, request_id TEXT, project TEXT,
  work TEXT, started TEXT, status TEXT, code TEXT, message TEXT, ended TEXT, told INTEGER);
CREATE TABLE IF NOT EXISTS lost_notification (task_id TEXT PRIMARY KEY, lost TEXT);
CREATE INDEX IF NOT EXISTS task_unfinished ON task (told) WHERE told = 0;
"""
SELECT_TASKS = "SELECT task.*, lost FROM task LEFT JOIN lost_notification USING (task_id)"
TIMES = ("created", "started", "ended")


class TaskStore:
    """The durable tables of IMM. A value that a method has stored survives `kill -9`."""

    def __init__(self, file: Path) -> None:
        self._db = Database(file, SCHEMA)

    def add_project(self, project: Project) -> bool:
        """Store a project; return False if one of that name exists."""
        values = (project.name, project.created.isoformat(), project.description, project.service_role)
        return self._execute("INSERT OR IGNORE INTO project VALUES (?,?,?,?)", *values)

    def update_project(self, project: Project) -> None:
        """Store the description and the service role of a project."""
        sql = "UPDATE project SET description = ?, service_role = ? WHERE name = ?"
        self._execute(sql, project.description, project.service_role, project.name)

    def delete_project(self, name: str) -> bool:
        """Remove a project; return False if there is none."""
        return self._execute("DELETE FROM project WHERE name = ?", name)

    def attached_to(self, project: str) -> list[str]:
        """Return the buckets that are attached to a project."""
        rows = self._db.rows("SELECT bucket FROM attachment WHERE project = ?", project)
        return [str(row["bucket"]) for row in rows]

    def projects(self) -> list[Project]:
        """Return all projects in order of their names."""
        return [Project(**_values(row)) for row in self._db.rows("SELECT * FROM project ORDER BY name")]

    def attach(self, attachment: BucketAttachment) -> None:
        """Store a bucket's attachment and replace an earlier one."""
        values = (attachment.bucket, attachment.project, attachment.created.isoformat(), attachment.description)
        self._execute("INSERT OR REPLACE INTO attachment VALUES (?,?,?,?)", *values)

    def detach(self, bucket: str) -> bool:
        """Remove a bucket's attachment; return False if it has none."""
        return self._execute("DELETE FROM attachment WHERE bucket = ?", bucket)

    def attachment(self, bucket: str) -> BucketAttachment | None:
        """Return a bucket's attachment, or None."""
        rows = self._db.rows("SELECT * FROM attachment WHERE bucket = ?", bucket)
        return BucketAttachment(**_values(rows[0])) if rows else None

    def add(self, task: MediaTask) -> None:
        """Store a new task."""
        sql = (
            "INSERT INTO task (task_id, event_id, request_id, project, work, started, status, code, message, told)"
            " VALUES (?,?,?,?,?,?,?,'','',0)"
        )
        ids = (task.task_id, task.event_id, task.request_id, task.project)
        self._execute(sql, *ids, json.dumps(task.spec.to_json()), task.started.isoformat(), task.status)

    def finish(self, task: MediaTask) -> None:
        """Store the result of a task; a task that has finished keeps its first result."""
        sql = "UPDATE task SET status=?, code=?, message=?, ended=? WHERE task_id=? AND status=?"
        ended = task.ended.isoformat() if task.ended else None
        self._execute(sql, task.status, task.code, task.message, ended, task.task_id, RUNNING)

    def mark_notified(self, task_id: str, lost: str = "") -> None:
        """Store that a task's notification was published, or why it is lost, or that the task requests none."""
        with self._db.change() as change:
            if lost:
                change.execute("INSERT OR IGNORE INTO lost_notification VALUES (?,?)", (task_id, lost))
            change.execute("UPDATE task SET told=1 WHERE task_id=?", (task_id,))

    def get(self, task_id: str) -> MediaTask | None:
        """Return a task, or None."""
        rows = self._db.rows(f"{SELECT_TASKS} WHERE task_id = ?", task_id)
        return _task(rows[0]) if rows else None

    def unfinished(self) -> list[str]:
        """Return the ids of the tasks that must still run or send their notification, oldest first."""
        rows = self._db.rows("SELECT task_id FROM task WHERE told = 0 ORDER BY number")
        return [row["task_id"] for row in rows]

    def list(self, project: str = "", status: str = "") -> list[MediaTask]:
        """Return the tasks of a project and a status ("" for any), newest first."""
        sql = f"{SELECT_TASKS} WHERE (project = ?1 OR ?1 = '') AND (status = ?2 OR ?2 = '')"
        return [_task(row) for row in self._db.rows(sql + " ORDER BY number DESC", project, status)]

    def close(self) -> None:
        """Close the file; later calls fail."""
        self._db.close()

    def _execute(self, sql: str, *values: object) -> bool:
        """Execute a statement; return True if it changed a row."""
        with self._db.change() as change:
            return change.execute(sql, values).rowcount == 1


def _values(row: sqlite3.Row) -> dict[str, Any]:
    """Return a row's columns by name, with parsed times."""
    values = dict(row)
    return values | {name: datetime.fromisoformat(values[name]) for name in TIMES if values.get(name)}


def _task(row: sqlite3.Row) -> MediaTask:
    values = _values(row)
    del values["number"]
    values["lost"] = values["lost"] or ""
    spec, notified = TaskSpec.from_json(json.loads(values.pop("work"))), bool(values.pop("told"))
    return MediaTask(**values, spec=spec, notified=notified)
