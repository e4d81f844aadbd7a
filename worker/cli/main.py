"""Puts the commands together, and turns whatever goes wrong into a line that says what, where, and what to do."""

from __future__ import annotations

import sys

import click
import typer
from celery.exceptions import CeleryError
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, OperationalError

from connectors.errors import CrmError
from worker.cli import (
    backfill,
    backup,
    console,
    demo,
    doctor,
    due,
    evaluate,
    explain,
    healthy,
    init,
    label,
    ledger,
    model,
    pause,
    policy,
    provision,
    restored,
    results,
    rules,
    run,
    snapshots,
    status,
    sync,
    train,
)
from worker.cli.screen import Exit, err, error
from worker.embedded import EmbeddedError
from worker.lifecycle.policy import PolicyError
from worker.scoring.document import RulesError
from worker.settings import ConfigurationError, load
from worker.store.accounts import AccountError
from worker.store.database import BrokenUrl, DatabaseError
from worker.store.dump import DumpError
from worker.store.migrate import NotReady
from worker.store.revisions import EditConflict
from worker.training.goal import UnknownAttribute
from worker.training.refusal import ModelRefused, PromotionRefused

app = typer.Typer(
    name="leadgauge",
    help="Lead scores with reasons that add up, in your CRM, with proof that every write landed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (
    init, doctor, provision, backfill, demo, run, healthy, sync, status, explain, results, label, train, evaluate,
    pause, due, console, backup, restored,
):  # fmt: skip
    module.add_to(app)
app.add_typer(ledger.app, name="ledger")
app.add_typer(policy.app, name="policy")
app.add_typer(rules.app, name="rules")
app.add_typer(snapshots.app, name="snapshots")
app.add_typer(model.app, name="model")

ENDINGS: tuple[tuple[tuple[type[Exception], ...], Exit], ...] = (
    (
        (
            ConfigurationError,
            PolicyError,
            RulesError,
            EditConflict,
            AccountError,
            NotReady,
            BrokenUrl,
            UnknownAttribute,
        ),
        Exit.WRONG,
    ),
    ((ModelRefused, PromotionRefused, DumpError), Exit.NOT_WELL),
    ((DatabaseError, EmbeddedError, CrmError), Exit.UNAVAILABLE),
)


def main() -> None:
    """Run a command and exit. Never shows a stack trace unless LEADGAUGE_LOG_LEVEL is DEBUG."""
    try:
        app(prog_name="leadgauge")
    except click.ClickException as problem:  # of Celery's command line; Typer reports its own, and exits
        problem.show()
        sys.exit(Exit.WRONG)
    except Exception as problem:
        sys.exit(_explain(problem))


def _explain(problem: Exception) -> int:
    for kinds, code in ENDINGS:
        if isinstance(problem, kinds):
            error(str(problem))
            return code
    if isinstance(problem, OperationalError):
        error(f"PostgreSQL: {' '.join(str(problem.orig).split())}")
        return Exit.UNAVAILABLE
    if isinstance(problem, RedisError | CeleryError):
        error(f"Redis: {problem}")
        return Exit.UNAVAILABLE
    if _lost_columns(problem):
        error(f"PostgreSQL: {' '.join(str(problem).split())}")
        return Exit.UNAVAILABLE
    kind = "a statement was refused" if isinstance(problem, DBAPIError) else type(problem).__name__
    error(
        f"this is a bug in Leadgauge: {kind}. Nothing was lost. "
        "Run again with LEADGAUGE_LOG_LEVEL=DEBUG for the details, and report them."
    )
    if _debugging():
        err.print_exception()
    return Exit.BUG


def _lost_columns(problem: Exception) -> bool:
    """Whether it is the other driver that cannot reach PostgreSQL. Imported late: it brings Arrow."""
    from adbc_driver_postgresql import dbapi

    return isinstance(problem, dbapi.OperationalError)


def _debugging() -> bool:
    try:
        return load().log_level == "DEBUG"
    except ConfigurationError:
        return False
