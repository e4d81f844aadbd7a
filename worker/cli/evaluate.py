"""`leadgauge evaluate FILE`: what a model could make of a CSV or Parquet file, without a CRM and without a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from worker.cli.screen import Exit, emit, err, error, note, out, table
from worker.settings import ConfigurationError

if TYPE_CHECKING:
    from worker.training.dataset import Column
    from worker.training.validation import Figures, Report
    from worker.training.worth import BucketOutcome


_HORIZON = (
    "Days within which people convert: rows whose outcome was not known when the held-out rows begin are not learnt "
    "from."
)
_REVENUE = "The column with what each row brought that converted: nothing is learnt from it, and leads' worth is told."
_FOLDS = "Shuffled folds, where there is no --time. Default: 5; 1 from 100,000 rows on."


def add_to(app: typer.Typer) -> None:
    app.command()(evaluate)


def evaluate(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet, one row a lead.", show_default=False)],
    target: Annotated[str, typer.Option("--target", help="The column that says who converted.", show_default=False)],
    converted: Annotated[
        str | None, typer.Option("--converted", help="The value of the target that counts, where it is not plain.")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", help="The column with the time of each row: the newest fifth is held out.")
    ] = None,
    person: Annotated[
        str | None, typer.Option("--person", help="The column that says whose row it is, where people have several.")
    ] = None,
    horizon: Annotated[int, typer.Option("--horizon", min=0, max=3650, help=_HORIZON)] = 0,
    folds: Annotated[int | None, typer.Option("--folds", min=1, max=20, help=_FOLDS, show_default=False)] = None,
    revenue: Annotated[str | None, typer.Option("--revenue", help=_REVENUE)] = None,
    drop: Annotated[list[str] | None, typer.Option("--drop", help="A column to leave out; again for more.")] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar="COLUMN=REASON", help="Keep a suspicious column; again for more."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--out", help="Write the report here, one HTML file.", dir_okay=False)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same one gives the same result.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="For machines: every figure of every fold.")] = False,
) -> None:
    """Train and judge the default model on a file, and say which columns know too much."""
    from worker.training.dataset import BadData, dataset
    from worker.training.evaluation import CannotJudge
    from worker.training.evaluation import evaluate as judged
    from worker.training.files import BadFile, read
    from worker.training.leakage import BadOverride
    from worker.training.report import html, plain

    overrides = _overrides(keep or ())
    if to is not None and not to.parent.is_dir():
        raise ConfigurationError(f"--out {to}: there is no directory {to.parent}")
    bars = (TextColumn("{task.description}"), BarColumn(24), TaskProgressColumn(), TimeElapsedColumn())
    try:
        with Progress(*bars, console=err, transient=True, disable=as_json or not err.is_terminal) as progress:
            task = progress.add_task("reading the file", total=1.0)
            frame, how = read(file)
            data = dataset(
                frame, target, converted=converted, time=time, person=person, revenue=revenue, drop=drop or ()
            )
            rows = len(data.table)
            del frame  # text of every cell: not held while models are fitted
            report = judged(
                data.table,
                title=f"{file.name}: {target} = {data.converted}",
                subject={"File": f"{file.name} ({how})", "Rows": f"{rows:,}"},
                horizon=timedelta(days=horizon), folds=folds, overrides=overrides, notes=data.notes,
                revenue=data.revenue, seed=seed,
                progress=lambda share, what: progress.update(task, completed=share, description=what[:44]),
            )  # fmt: skip
    except (BadFile, BadData, BadOverride, CannotJudge) as problem:
        error(str(problem))
        raise typer.Exit(Exit.WRONG) from None
    if to is not None:
        _write(to, html(report))
    if as_json:
        emit(
            {"file": file.name, "read_as": how, "columns": [asdict(column) for column in data.columns], **plain(report)}
        )
    else:
        _show(report, data.columns, to)


def _overrides(keep: Sequence[str]) -> dict[str, str]:
    found = {}
    for each in keep:
        name, sign, reason = each.partition("=")
        if not sign or not reason.strip():
            raise ConfigurationError(f"--keep {each}: write COLUMN=REASON; the reason is kept with the result")
        found[name.strip()] = reason.strip()
    return found


def _write(to: Path, page: str) -> None:
    try:
        to.write_text(page, encoding="utf-8")
    except OSError as problem:
        raise ConfigurationError(f"--out {to} cannot be written: {problem.strerror}") from None


def _show(report: Report, columns: Sequence[Column], to: Path | None) -> None:
    from worker.training.findings import compared, headline, sentences, summary

    about = report.about
    out.print(f"[bold]{escape(headline(report))}[/]\n")
    for question, answer in sentences(report):
        out.print(f"[dim]{escape(question)}[/] {escape(answer)}")
    out.print()
    for name, text in {**about.subject, "Model": about.choice}.items():
        out.print(f"[dim]{name:9}[/] {escape(text)}")
    out.print()
    for text in about.notes:
        note(text)
    table("Figures on rows not seen", ("", "", "meaning"), summary(report.figures), text=[2])
    if report.business:
        heads = ("leads", "how many", "converted", "close rate", "revenue a lead")
        worth = ((its.bucket, f"{its.leads:,}", f"{its.won:,}", *_worth(its)) for its in report.business)
        table("What leads were worth", heads, worth, right=[1, 2, 3, 4])
    table(
        "Against what it must beat",
        ("", "AUC", "best 20 %", "log-loss", "ECE"),
        ((name, *_compared(its)) for name, its in compared(report).items()),
        right=[1, 2, 3, 4],
    )
    blamed = [verdict for verdict in about.verdicts if not verdict.kept or verdict.override]
    if blamed:
        table(
            "Suspicious columns",
            ("column", "", "why"),
            ((v.feature, "kept" if v.kept else "left out", f"{v.level}: {v.sentence}") for v in blamed),
            text=[0, 2],
        )
        if any(not verdict.kept for verdict in blamed):
            out.print("[dim]--keep COLUMN=REASON keeps one all the same.[/]\n")
    unused = [column for column in columns if not column.used]
    if unused:
        table("Columns not used", ("column", "why"), ((c.name, c.read_as) for c in unused), text=[0, 1])
    if report.importance:
        strongest = report.importance[:8]
        table("What moves a lead", ("column", "log-odds"), ((i.label, f"{i.weight:.2f}") for i in strongest), right=[1])
    out.print(f"\nreport: {escape(str(to))}" if to else "\n[dim]--out report.html writes the whole report.[/]")


def _worth(its: BucketOutcome) -> tuple[str, str]:
    brought = its.revenue_per_lead
    return f"{100 * its.close_rate:.1f} %", "-" if brought is None else f"{brought:,.0f}"


def _compared(figures: Figures) -> list[str]:
    ranks = figures.auc.value if figures.auc else None
    ranked, lost, off = (
        f"{value:.3f}" if value is not None else "-" for value in (ranks, figures.log_loss, figures.ece)
    )
    return [ranked, f"{100 * figures.best['0.2']:.1f} %", lost, off]
