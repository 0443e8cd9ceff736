"""Keeps projects, attachments and tasks on disk. Knows SQL and rows, decides nothing; the task service uses it."""

import json
import sqlite3
from datetime import datetime
from pathlib import Path

from localyun.imm.values import RUNNING, Attachment, Project, Task
from localyun.imm.work import Work
from localyun.sqlite import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS project (name TEXT PRIMARY KEY, created TEXT, description TEXT, service_role TEXT);
CREATE TABLE IF NOT EXISTS attachment (bucket TEXT PRIMARY KEY, project TEXT, created TEXT, description TEXT);
CREATE TABLE IF NOT EXISTS task (
  number INTEGER PRIMARY KEY AUTOINCREMENT, task_id TEXT UNIQUE, event_id TEXT, request_id TEXT, project TEXT,
  work TEXT, started TEXT, status TEXT, code TEXT, message TEXT, ended TEXT, told INTEGER);
CREATE INDEX IF NOT EXISTS task_unfinished ON task (told) WHERE told = 0;
"""


class TaskStore:
    """Durable tables of IMM. What a method has stored is there after `kill -9`."""

    def __init__(self, file: Path) -> None:
        self._db = Database(file, SCHEMA)

    def add_project(self, project: Project) -> bool:
        """Store a project; False if there is one of that name."""
        values = (project.name, project.created.isoformat(), project.description, project.service_role)
        with self._db.change() as change:
            return change.execute("INSERT OR IGNORE INTO project VALUES (?,?,?,?)", values).rowcount == 1

    def projects(self) -> list[Project]:
        """Return all projects by name."""
        rows = self._db.rows("SELECT * FROM project ORDER BY name")
        return [Project(row["name"], _time(row["created"]), row["description"], row["service_role"]) for row in rows]

    def attach(self, attachment: Attachment) -> None:
        """Store a bucket's attachment in the place of an earlier one."""
        values = (attachment.bucket, attachment.project, attachment.created.isoformat(), attachment.description)
        with self._db.change() as change:
            change.execute("INSERT OR REPLACE INTO attachment VALUES (?,?,?,?)", values)

    def detach(self, bucket: str) -> bool:
        """Remove a bucket's attachment; False if it has none."""
        with self._db.change() as change:
            return change.execute("DELETE FROM attachment WHERE bucket = ?", (bucket,)).rowcount == 1

    def attachment(self, bucket: str) -> Attachment | None:
        """Return a bucket's attachment."""
        for row in self._db.rows("SELECT * FROM attachment WHERE bucket = ?", bucket):
            return Attachment(row["bucket"], row["project"], _time(row["created"]), row["description"])
        return None

    def add(self, task: Task) -> None:
        """Store a new task."""
        sql = (
            "INSERT INTO task (task_id, event_id, request_id, project, work, started, status, code, message, told)"
            " VALUES (?,?,?,?,?,?,?,'','',0)"
        )
        work = json.dumps(task.work.to_map())
        ids = (task.task_id, task.event_id, task.request_id, task.project)
        with self._db.change() as change:
            change.execute(sql, (*ids, work, task.started.isoformat(), task.status))

    def finish(self, task: Task) -> None:
        """Store how a task ended; one that has ended stays as it is."""
        sql = "UPDATE task SET status=?, code=?, message=?, ended=? WHERE task_id=? AND status=?"
        ended = task.ended.isoformat() if task.ended else None
        with self._db.change() as change:
            change.execute(sql, (task.status, task.code, task.message, ended, task.task_id, RUNNING))

    def told(self, task_id: str) -> None:
        """Store that a task's notice went out, or that it wants none."""
        with self._db.change() as change:
            change.execute("UPDATE task SET told=1 WHERE task_id=?", (task_id,))

    def get(self, task_id: str) -> Task | None:
        """Return a task."""
        for row in self._db.rows("SELECT * FROM task WHERE task_id = ?", task_id):
            return _task(row)
        return None

    def unfinished(self) -> list[str]:
        """Return the ids of the tasks that still have to be run or told about, oldest first."""
        rows = self._db.rows("SELECT task_id FROM task WHERE told = 0 ORDER BY number")
        return [row["task_id"] for row in rows]

    def list(self, project: str = "", status: str = "") -> list[Task]:
        """Return the tasks of a project and a status ("" for any), newest first."""
        sql = "SELECT * FROM task WHERE (project = ?1 OR ?1 = '') AND (status = ?2 OR ?2 = '')"
        return [_task(row) for row in self._db.rows(sql + " ORDER BY number DESC", project, status)]

    def close(self) -> None:
        """Close the file; later calls fail."""
        self._db.close()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _task(row: sqlite3.Row) -> Task:
    """Read a task's row."""
    return Task(
        task_id=row["task_id"],
        event_id=row["event_id"],
        request_id=row["request_id"],
        project=row["project"],
        work=Work.from_map(json.loads(row["work"])),
        started=_time(row["started"]),
        status=row["status"],
        code=row["code"],
        message=row["message"],
        ended=_time(row["ended"]) if row["ended"] else None,
        told=bool(row["told"]),
    )
