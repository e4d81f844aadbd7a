"""A user who runs Python: root or the ordinary user of this run, or an ordinary user whom root lends a process."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from worker import embedded

_PRELUDE = """
import json, sys
from pathlib import Path
import psycopg, redis
from worker import embedded
home = Path(sys.argv[1])
def rows(query):
    with psycopg.connect(embedded.running(home).libpq_url, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []
def valkey():
    return redis.Redis.from_url(embedded.running(home).redis_url, decode_responses=True)
def say(value):
    print(json.dumps(value), flush=True)
"""
_SETPRIV = ("setpriv", "--reuid=nobody", "--regid=65534", "--clear-groups")
# Lets a private interpreter be read, and nothing be written.
_READ_ANYTHING = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")


@dataclass(frozen=True)
class Caller:
    uid: int
    prefix: tuple[str, ...] = ()

    def popen(self, code: str, home: Path) -> subprocess.Popen[str]:
        command = [*self.prefix, sys.executable, "-c", _PRELUDE + code, str(home)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("LEADGAUGE_", "PG"))}
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", env=environment
        )

    def run(self, code: str, home: Path) -> Any:
        """What the code said with `say`; fails with its standard error."""
        with self.popen(code, home) as process:
            out, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
        return json.loads(out) if out else None

    def remove(self, home: Path) -> None:
        """Stop and delete, without a process of its own where that is not needed."""
        if self.prefix:
            self.run("embedded.remove(home)", home)
        else:
            embedded.remove(home)

    def directory(self, path: Path) -> Path:
        """Make a private directory of this user."""
        path.mkdir(mode=0o700)
        os.chown(path, self.uid, -1)
        return path


def myself() -> Caller:
    return Caller(os.geteuid())


@cache
def ordinary() -> Caller | None:
    """An ordinary user, or None where this process is none and can become none."""
    if os.geteuid() != 0:
        return myself()
    if shutil.which("setpriv") is None:
        return None
    for prefix in (_SETPRIV, (*_SETPRIV, *_READ_ANYTHING)):
        caller = Caller(pwd.getpwnam("nobody").pw_uid, prefix)
        with caller.popen("say(1)", Path("/")) as process:
            process.communicate()
        if process.returncode == 0:
            return caller
    return None
