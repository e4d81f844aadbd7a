"""`leadgauge model`: which models there are, how they do, and which of them scores."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.bootstrap import Process
from worker.cli import replaying
from worker.cli.drafting import Desk
from worker.cli.revisions import author
from worker.cli.screen import ago, emit, local, note, out, table
from worker.settings import ConfigurationError, load
from worker.store import drifts, models, reports
from worker.store.models import Event, Registered
from worker.training import registry
from worker.training.promotion import Figures
from worker.training.refusal import PromotionRefused

app = typer.Typer(help="Trained models: list, show, compare, promote, roll back.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
Goal = Annotated[str | None, typer.Option("--goal", help="One of `goals`; the primary one if left out.")]
Number = Annotated[int, typer.Argument(help="As in `leadgauge model list`.")]
Why = Annotated[str, typer.Option("--reason", "-m", help="Why, for the history.")]


@app.command("list")
def list_(goal: Goal = None, as_json: AsJson = False) -> None:
    """All models of a goal, newest first."""
    process, name = _open(goal)
    with process.engine.connect() as connection:
        found = models.listing(connection, name)
        levels = {m.number: check.level for m in found if (check := drifts.newest(connection, name, m.number))}
    if as_json:
        emit([_plain(model) | {"drift": levels.get(model.number)} for model in found])
        return
    if not found:
        out.print(f"goal {name} has no model yet: `leadgauge train` makes one; rules score until one is promoted")
        return
    table(
        f"Models of goal {name}",
        ("model", "state", "kind", "segment", "AUC", "ECE", "drift", "trained"),
        (
            (m.number, m.state.value, m.kind, m.segment or "everybody", *_two(m), levels.get(m.number, ""),
             ago(m.created_at, process.now()))
            for m in found
        ),
        right=[0, 4, 5],
    )  # fmt: skip


@app.command()
def show(
    number: Number,
    goal: Goal = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the validation report (HTML) here.", dir_okay=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What a model was made from, how it does, what became of it."""
    process, name = _open(goal)
    with process.engine.connect() as connection:
        model = registry.find(connection, name, number)
        events = models.events(connection, name, number)
        check = drifts.newest(connection, name, number)
        page = reports.page(connection, name, number) if report else None
    if report:
        if page is None:
            raise ConfigurationError(
                f"model {number} came without a report: it was imported, or too few people were held out to judge it"
            )
        _write(report, page.encode())
        note(f"the report is in {report}")
    if as_json:
        emit(
            _plain(model)
            | {"manifest": model.manifest, "drift": asdict(check) if check else None}
            | {"events": [dict(event._mapping) for event in events]}
        )
        return
    _show(model)
    if check:
        out.print(f"\n[bold]Drift[/]    {check.level}, checked {ago(check.at, process.now())}")
        for why in check.body.get("why", ())[:5]:
            out.print(f"         {why}", markup=False)
    out.print()
    table(
        "History",
        ("when", "what", "by", "why"),
        ((local(e.at), e.event, e.author, e.reason) for e in events),
        text=[3],
    )


@app.command()
def compare(number: Number, goal: Goal = None, as_json: AsJson = False) -> None:
    """A challenger beside the champion: figures, agreement on the people of today, and what speaks against it."""
    process, name = _open(goal)
    with process.engine.connect() as connection:
        compared = registry.compare(connection, name, number)
    if as_json:
        emit(
            {
                "challenger": number,
                "champion": compared.champion.number if compared.champion else None,
                "held_out": [asdict(f) if f else None for f in compared.held_out],
                "closed": [asdict(f) if f else None for f in compared.closed],
                "people": compared.moves.people,
                "moved": compared.moves.share,
                "mean_change": compared.mean_change,
                "moves": [
                    {"from": was, "to": then, "people": n} for (was, then), n in compared.moves.by_bucket.items()
                ],
                "objections": compared.objections,
            }
        )
        return
    against = f"champion {compared.champion.number}" if compared.champion else "rules"
    titles = ("figure", f"model {number}", against)
    for title, (its, held) in (
        ("Held out when it was trained", compared.held_out),
        ("Matured since", compared.closed),
    ):
        if its or held:
            table(title, titles, _figures(its, held), right=[1, 2])
            out.print()
    moves = compared.moves
    if moves.people:
        out.print(
            f"[bold]{moves.share:.0%} of {moves.people:,} people would change their bucket[/]; scores differ by "
            f"{compared.mean_change:.1f} on average"
        )
        table(
            "",
            ("now", "then", "people"),
            ((was, then, f"{n:,}") for (was, then), n in sorted(moves.by_bucket.items(), key=lambda m: -m[1])),
            right=[2],
        )
        out.print()
    for objection in compared.objections:
        note(f"against a promotion: {objection}")
    if not compared.objections:
        out.print(f"nothing speaks against it: `leadgauge model promote {number}`")


@app.command()
def replay(number: Number, days: replaying.Days = 90, goal: Goal = None, as_json: AsJson = False) -> None:
    """What a model would have done in the last days, beside whoever scores now: everybody's scores are told again by
    both, and who becomes and who ceases to be marketing qualified, and the writes to the CRM."""
    desk = Desk.open(goal)
    with desk.engine.connect() as connection:
        policy = registry.policy_with(connection, desk.goal, number)
    sides = desk.process.goals.drafted(desk.goal, policy=policy, model=number)
    replaying.show(desk, sides, days, f"model {number}", as_json=as_json)


@app.command()
def promote(
    number: Number,
    goal: Goal = None,
    reason: Why = "",
    force: Annotated[bool, typer.Option("--force", help="Whatever speaks against it; needs --reason.")] = False,
) -> None:
    """Let a model score from now on. Refused, with the figures, when it would do worse or change too much."""
    if force and not reason.strip():
        raise ConfigurationError("--force overrules figures: say why with --reason")
    process, name = _open(goal)
    process.goals.model(name, number)  # whatever cannot be loaded must not score
    try:
        with process.engine.begin() as connection:
            made = registry.promote(
                connection, name, number, author=author(), reason=reason, force=force, now=process.now()
            )
    except PromotionRefused as problem:
        with process.engine.begin() as connection:
            models.record(connection, name, number, Event.REFUSED, author(), str(problem), process.now())
        raise
    process.close()
    for objection in made.overruled:
        note(f"overruled: {objection}")
    if made.scale:
        out.print(
            f"the scale came with it: {made.scale.reference_odds:g} odds are 50 points, {made.scale.pdo:g} more points "
            "double them (`leadgauge policy show`)"
        )
    out.print(f"model {number} scores from now on; everybody is scored anew, and `model rollback` undoes it")


@app.command()
def rollback(
    goal: Goal = None,
    segment: Annotated[str, typer.Option("--segment", help="Of this segment; left out: of everybody.")] = "",
    reason: Why = "",
) -> None:
    """Undo the last promotion (or rollback): who scored before scores again, and their scores go to the CRM."""
    process, name = _open(goal)
    with process.engine.begin() as connection:
        number = registry.rollback(connection, name, segment, author=author(), reason=reason, now=process.now())
        number = number if number is not None else models.champions(connection, name)[1].get("")
    process.close()
    whom = f" segment {segment}" if segment else ""
    who = f"model {number} scores" if number is not None else "rules score"
    out.print(f"{who}{whom} again; everybody is scored anew")


@app.command()
def retire(number: Number, goal: Goal = None, reason: Why = "") -> None:
    """Take a challenger out of the shadow."""
    process, name = _open(goal)
    with process.engine.begin() as connection:
        registry.retire(connection, name, number, author=author(), reason=reason, now=process.now())
    out.print(f"model {number} is retired")


@app.command()
def export(
    number: Number,
    file: Annotated[Path, typer.Option("--out", help="The file to write.", dir_okay=False)],
    goal: Goal = None,
) -> None:
    """Write a model to a file that `model import` reads, here or elsewhere."""
    process, name = _open(goal)
    from worker.training.artefact import to_file

    with process.engine.connect() as connection:
        registry.find(connection, name, number)
        stored = models.stored(connection, name, number)
    assert stored is not None, "it was found"
    _write(file, to_file(stored))
    out.print(f"model {number} is in {file}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file that `model export` wrote.", exists=True, dir_okay=False)],
    goal: Goal = None,
) -> None:
    """Register a model from a file as a challenger; a foreign or altered one is refused."""
    from worker.training.artefact import check_features, from_file, read_manifest, unpack

    process, name = _open(goal)
    artefact = from_file(file.read_bytes(), str(file))
    model = unpack(artefact, process.goals.model_key, str(file))
    check_features(model, {feature.name: feature for feature in process.vocabulary.features}, str(file))
    manifest = read_manifest(artefact.body, str(file))
    with process.engine.begin() as connection:
        number = models.register(
            connection, name, manifest.get("segment", ""), model.kind, artefact, manifest, None, author(),
            f"imported from {file.name}", process.now(),
        )  # fmt: skip
    out.print(f"registered model {number} as a challenger; it scores in the shadow")


def _open(goal: str | None) -> tuple[Process, str]:
    process = Process(load())
    process.check_schema()
    return process, process.settings.goal_named(goal)[0]


def _write(file: Path, body: bytes) -> None:
    try:
        file.write_bytes(body)
    except OSError as problem:
        raise ConfigurationError(f"{file} cannot be written: {problem.strerror}") from None


def _plain(model: Registered) -> dict[str, Any]:
    told = asdict(model)
    del told["manifest"]
    return told | {"figures": model.manifest.get("figures")}


def _two(model: Registered) -> tuple[str, str]:
    figures = Figures.read(model.manifest.get("figures", {}).get("model"))
    return (f"{figures.auc:.3f}", f"{figures.ece:.3f}") if figures else ("no signal", "")


def _show(model: Registered) -> None:
    told, data = model.manifest, model.manifest.get("data", {})
    whom = f"segment {model.segment}" if model.segment else "everybody"
    out.print(f"[bold]Model {model.number}[/], {model.state}, {model.kind}, for {whom}", highlight=False)
    out.print(f"Goal     {told.get('label', model.goal)}", markup=False)
    if data:
        out.print(
            f"From     {data['rows']:,} snapshots of {data['people']:,} people, {data['conversions']:,} converted, "
            f"{data['first'][:10]} to {data['last'][:10]}"
        )
    out.print(f"Held out {told.get('held_out', '')}", markup=False)
    if anchor := told.get("anchor"):
        out.print(f"Mix      {anchor['reason']}", markup=False)
    out.print(f"Made     {local(model.created_at)} by {model.author}, {model.digest[:12]}")
    figures = Figures.read(told.get("figures", {}).get("model"))
    if figures:
        out.print()
        table("Figures", ("figure", f"model {model.number}"), (row[:2] for row in _figures(figures, None)), right=[1])
    else:
        out.print("It found no signal: everybody gets the base rate.")
    for why in told.get("live_against_training", ())[:3]:
        note(f"today's people are not those it was trained on: {why}")
    if left_out := told.get("left_out"):
        out.print()
        together: dict[tuple[str, str], list[str]] = {}
        for verdict in left_out:
            together.setdefault((verdict["verdict"], verdict["why"]), []).append(verdict["feature"])
        table(
            "Left out", ("verdict", "why", "features"),
            ((verdict, why, ", ".join(names)) for (verdict, why), names in together.items()), text=[1, 2],
        )  # fmt: skip


def _figures(one: Figures | None, other: Figures | None) -> list[tuple[str, str, str]]:
    def cell(figures: Figures | None, form: str, *names: str) -> str:
        return form.format(*(getattr(figures, name) for name in names)) if figures else ""

    rows = (
        ("people", "{:,}", ("people",)),
        ("converted", "{:,}", ("conversions",)),
        ("AUC", "{:.3f} ({:.3f} to {:.3f})", ("auc", "auc_low", "auc_high")),
        ("log-loss", "{:.4f}", ("log_loss",)),
        ("log-loss of the base rate", "{:.4f}", ("base_log_loss",)),
        ("calibration error (ECE)", "{:.3f}", ("ece",)),
    )
    return [(title, cell(one, form, *names), cell(other, form, *names)) for title, form, names in rows]
