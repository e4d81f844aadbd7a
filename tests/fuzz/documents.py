"""YAML, policies, CSV, model files and command lines that people got wrong: one of the named errors, and no other."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from connectors.errors import CrmError
from connectors.files.crm import FilesCrm
from connectors.files.settings import FilesSettings
from connectors.port import Tier
from tests.fuzz.answers import Try, sound
from tests.fuzz.mutations import Dice, bent, spoilt
from worker.cli.screen import Exit
from worker.features.catalogue import Catalogue
from worker.lifecycle import document, policy
from worker.lifecycle.policy import Policy, PolicyError
from worker.scoring import rules, wording
from worker.scoring.document import RulesError
from worker.settings import ConfigurationError, load

CONFIGURATION: dict[str, Any] = {
    "home": ".leadgauge",
    "plan_every": 10,
    "partitions": 8,
    "language": "en",
    "attributes": {"seats": {"type": "number", "label": "Seats", "feature": True, "cause": "prospect"}},
    "goals": {
        "default": {"event": {"kind": "deal_won"}, "horizon_days": 90, "population": {"since": "2026-01-01"}},
        "upgrade": {"event": {"kind": "deal_won"}, "horizon_days": 30, "field_suffix": "Up"},
    },
    "sources": [
        {
            "kind": "salesforce",
            "name": "org",
            "login_url": "https://login.example.com",
            "auth": {"type": "client_credentials", "consumer_key": "k", "consumer_secret": {"env": "SECRET"}},
        },
        {
            "kind": "hubspot",
            "name": "portal",
            "salesforce": "org",
            "auth": {"type": "token", "token": {"env": "TOKEN"}},
        },
        {"kind": "files", "name": "export", "directory": "."},
    ],
}
MAPPING = """
leads:
  file: leads.csv
  columns: {email: mail, name: name}
  attributes: {title: title, seats: {column: seats, type: number}}
accounts: {file: accounts.csv}
activities: {file: acts.csv, columns: {type: kind}, types: [{pattern: click, kind: email_click}]}
outcomes: {file: deals.csv}
erasures: {file: gone.csv}
"""
TABLES = {
    "leads.csv": "id,created_at,mail,name,title,seats\n1,2026-01-02,a@x.com,Ann,CTO,12\n2,2026-01-03,b@x.com,,,\n",
    "accounts.csv": "id,created_at,name\nA,2026-01-02T03:04:05Z,Acme\n",
    "acts.csv": "id,lead_id,kind,occurred_at\n7,1,click,2026-01-05T00:00:00Z\n",
    "deals.csv": "lead_id,outcome,occurred_at\n1,won,2026-01-05T00:00:00Z\n",
    "gone.csv": "lead_id\n9\n",
}
EXAMPLE = Path(__file__).parents[2] / "deploy" / "leadgauge.example.yaml"
COMMANDS = (
    "status --json", "sync --once", "explain org/Lead/1", "policy show", "policy set mql.enter=70", "policy history",
    "rules show", "rules check FILE", "label --goal default", "train --goal default", "model list", "model show 1",
    "model promote 1 --reason x", "snapshots export --out FILE", "migrate", "ledger list", "pause --reason x", "resume",
    "due", "evaluate FILE", "worker --queues plan,sync", "restored", "user list",
    "ledger list --state refused --code X --older 2d --source org --record 00Q5g --person 812", "ledger show 4711",
    "ledger retry 1 2 --code X", "ledger dismiss 4711 --reason x", "ledger figure --days 7", "ledger preview",
    "results --days 90 --json", "whatif org/Lead/1 title=CTO", "stage set org/Lead/1 mql --reason x", "doctor --json",
    "init --out FILE --hubspot --language en --time-zone UTC", "provision --source org --dry-run",
    "backfill --source org --stream leads --again", "backup FILE --keep 3", "restore FILE --replace",
    "healthy --older 300", "policy capacity --reps 12 --each 15", "policy draft NAME mql.enter=70", "policy diff NAME",
    "policy publish NAME --comment x", "policy replay NAME --days 30", "policy revert 1", "policy scale",
    "rules replay FILE", "rules publish FILE --comment x", "model compare 1 2", "model rollback --reason x",
    "model retire 1 --reason x",
    "model import FILE", "user add ann --role viewer", "user token ann --days 30", "label --preview --json",
)  # fmt: skip


def _refused(attempt: Callable[[], object], *named: type[Exception]) -> bool:
    """Whether it was refused, with one of the named errors."""
    try:
        attempt()
    except named as told:
        said = str(told)
    else:
        return False
    assert said.strip(), "an error without words"
    assert "Traceback" not in said
    return True


def _document(body: Any, raw: bytes, dice: Dice) -> bytes:
    if dice.random() < 0.5:
        return bent(raw, dice)
    return yaml.safe_dump(spoilt(body, dice), allow_unicode=True).encode("utf-8", "surrogatepass")


@contextmanager
def configuration() -> Iterator[Try]:
    """The configuration file."""
    raws = {body: yaml.safe_load(body) for body in (yaml.safe_dump(CONFIGURATION), EXAMPLE.read_text("utf-8"))}
    with tempfile.TemporaryDirectory() as place, patch.dict(os.environ):
        file = Path(place, "leadgauge.yaml")
        os.environ["LEADGAUGE_CONFIG"] = str(file)

        def attempt(dice: Dice) -> bool:
            raw, body = dice.choice(list(raws.items()))
            file.write_bytes(_document(body, raw.encode(), dice))
            return _refused(load, ConfigurationError)

        yield attempt


@contextmanager
def rule_files() -> Iterator[Try]:
    """Rules, and sentences in place of the shipped ones."""
    shipped, catalogue = rules.shipped(), Catalogue.shipped()
    words = Path(wording.__file__).with_name("wording.en.yaml").read_text("utf-8")
    bodies = {text: yaml.safe_load(text) for text in (shipped, words)}

    def attempt(dice: Dice) -> bool:
        text = dice.choice((shipped, words))
        variant = _document(bodies[text], text.encode(), dice).decode("utf-8", "replace")
        if text is shipped:
            return _refused(lambda: rules.load(variant, "rules.yaml", catalogue), RulesError)
        return _refused(lambda: wording.load(variant, "wording.yaml", "en", ["pages"]), RulesError)

    yield attempt


@contextmanager
def policies() -> Iterator[Try]:
    """Policies as documents, as bodies, and as assignments."""
    standing = Policy()
    body, text = standing.model_dump(mode="json"), document.write(standing)
    names = list(policy.settings(standing))

    def attempt(dice: Dice) -> bool:
        match dice.randrange(3):
            case 0:
                variant = bent(text.encode(), dice).decode("utf-8", "replace")
                return _refused(lambda: document.read(variant, "policy.yaml", standing), PolicyError)
            case 1:
                return _refused(lambda: policy.parse(spoilt(body, dice)), PolicyError)
            case _:
                value = bent(dice.choice(("70", "true", "[1, 2]", "{a: 1}", "P3D")).encode(), dice).decode(
                    "utf-8", "replace"
                )
                name = (
                    bent(dice.choice(names).encode(), dice).decode("utf-8", "replace") if dice.random() < 0.5 else None
                )
                assignment = f"{name or dice.choice(names)}={value}"
                return _refused(lambda: policy.change(standing, assignment), PolicyError)

    yield attempt


@contextmanager
def tables() -> Iterator[Try]:
    """A folder of exported files and their mapping."""
    held = yaml.safe_load(MAPPING)

    def attempt(dice: Dice) -> bool:
        place = Path(tempfile.mkdtemp())
        wrong = dice.choice((*TABLES, "mapping.yaml"))
        for name, text in TABLES.items():
            (place / name).write_bytes(bent(text.encode(), dice) if name == wrong else text.encode())
        raw = _document(held, MAPPING.encode(), dice) if wrong == "mapping.yaml" else MAPPING.encode()
        (place / "mapping.yaml").write_bytes(raw)
        settings = {"kind": "files", "name": "export", "directory": place}
        crm = FilesCrm(FilesSettings.model_validate(settings))

        def read() -> None:
            for stream in crm.streams:
                sound(crm.pull(stream.name, None, Tier.COMPLETE))

        try:
            for problem in crm.check():
                assert problem.what
            return _refused(read, CrmError)
        finally:
            crm.close()
            shutil.rmtree(place)

    yield attempt


@contextmanager
def spreadsheets() -> Iterator[Try]:
    """A file that an analyst judges."""
    from worker.training import files

    rows = "".join(f"{i},{i % 3},{'yes' if i % 4 else 'no'},2026-01-{1 + i % 28:02}\n" for i in range(60))
    raw = f"id,visits,converted,day\n{rows}".encode()

    def attempt(dice: Dice) -> bool:
        with tempfile.NamedTemporaryFile(suffix=dice.choice((".csv", ".parquet"))) as file:
            file.write(bent(raw, dice))
            file.flush()
            return _refused(lambda: files.read(Path(file.name)), files.BadFile)

    yield attempt


@contextmanager
def command_lines() -> Iterator[Try]:
    """Commands, on a machine whose servers cannot be reached."""
    from worker.cli import main

    with tempfile.TemporaryDirectory() as place, patch.dict(os.environ):
        nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
        os.environ |= {f"LEADGAUGE_{name}": value for name, value in nowhere.items()} | {"LEADGAUGE_HOME": place}
        before = os.getcwd()
        os.chdir(place)
        try:
            yield lambda dice: _command(main, dice)
        finally:
            os.chdir(before)


def _command(main: Callable[[], None], dice: Dice) -> bool:
    """With other words than it knows, or with one that was mistyped."""
    right = dice.choice(COMMANDS).split()
    words: Any = spoilt(right, dice)
    if dice.random() < 0.5:
        words, at = list(right), dice.randrange(len(right))
        words[at] = bent(right[at].encode(), dice).decode("utf-8", "replace")
    arguments = [str(word).replace("\0", "").encode("utf-8", "replace").decode() for word in words or ()] \
        if isinstance(words, list) else [str(words)]  # fmt: skip
    if not arguments or {"demo", "down", "up", "beat", "console", "trainer"} & set(arguments):
        return False
    said = io.StringIO()
    code: Any = 0
    with patch.object(sys, "argv", ["leadgauge", *arguments]), patch.object(sys, "stdin", io.StringIO()), \
         contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):  # fmt: skip
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    assert code != Exit.BUG, f"{arguments}: {said.getvalue()[-300:]}"
    assert "Traceback" not in said.getvalue(), arguments
    return bool(code)
