"""`leadgauge evaluate` as an analyst runs it: no database, no CRM; a result, or a line that says what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from worker.cli import main

Run = Callable[..., "Ended"]


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """The command, in this process."""

    def ended(*arguments: str) -> Ended:
        monkeypatch.setattr("sys.argv", ["leadgauge", "evaluate", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        told = capfd.readouterr()
        return Ended(int(end.value.code or 0), told.out, told.err)

    return ended


@pytest.fixture(scope="module")
def leads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a person exports: Windows-1252, semicolons, decimal commas, gaps, an id, an empty column, and one that was
    filled in when the outcome was known."""
    rng = np.random.default_rng(5)
    lines = ["Kunde;Umsatz;Größe;Quelle;leer;Rabatt;gewonnen"]
    for n in range(300):
        size, source = rng.normal(), rng.choice(["Messe", "Käuferliste"])
        won = rng.random() < 1 / (1 + np.exp(0.6 - 1.4 * size - (source == "Messe")))
        revenue = "" if n % 9 == 0 else f"{1000 + 200 * size:,.2f} €".translate(str.maketrans(",.", ".,"))
        discount = f"{(3 if won else 0) + rng.normal(0, 0.2):.2f}".replace(".", ",")
        lines.append(
            f"{n};{revenue};{size:.3f};{source};;{discount};{'ja' if won else 'nein'}".replace(f"{size:.3f}", "L")
        )
    file = tmp_path_factory.mktemp("export") / "Käufer.csv"
    file.write_bytes("\n".join(lines).encode("cp1252"))
    return file


def test_a_dirty_export_gives_a_report_a_page_and_every_figure(run: Run, leads: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    ended = run(str(leads), "--target", "gewonnen", "--folds", "1", "--out", str(page), "--json")
    assert (ended.code, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert told["read_as"] == "CSV, Windows-1252, separated by semicolon"
    used = {column["name"]: column["used"] for column in told["columns"]}
    assert used == {"Kunde": False, "Umsatz": True, "Größe": False, "Quelle": True, "leer": False, "Rabatt": True}
    assert [verdict["feature"] for verdict in told["verdicts"] if not verdict["kept"]] == ["Rabatt"]
    assert 0.65 < told["figures"]["auc"]["value"] < 0.95
    for fold in told["folds"].values():
        assert set(fold) == {"this model", "base rate", "naive Bayes"}
        assert {"auc", "gini", "ks", "log_loss", "brier", "ece", "best", "lift"} <= fold["naive Bayes"].keys()
    assert "Käufer.csv: gewonnen = ja" in page.read_text(encoding="utf-8")


def test_on_a_screen_it_says_what_it_comes_to_and_keeps_a_column_for_a_reason(run: Run, leads: Path) -> None:
    ended = run(
        str(leads),
        "--target",
        "gewonnen",
        "--folds",
        "1",
        "--drop",
        "Quelle",
        "--keep",
        "Rabatt=agreed before the call",
        "--revenue",
        "Umsatz",
    )
    assert ended.code == 0
    assert ended.out.startswith("The best fifth of the leads holds")
    for words in ("Rabatt", "kept", "leer", "empty in every row", "left out as asked", "naive Bayes", "Whom to call?"):
        assert words in ended.out, words
    said = re.search(r"a lead brought ([\d,]+) against ([\d,]+) in\s+revenue", ended.out)
    assert said is not None
    best, rest = (float(each.replace(",", "")) for each in said.groups())
    assert best > 2 * rest, "whoever converts brings about 1,000"
    assert "Umsatz" not in ended.out, "nothing is learnt from it"


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("", (), "is empty"),
        ("a,y\n", (), "has no rows"),
        ("a,y\n1,0\n2\n", (), "row 3: has 1 cells, the header 2"),
        ("a,b\n1,0\n", (), "no column 'y'"),
        ("a,y\n" + "1,0\n2,0\n" * 30, (), "'y' is '0' in every row"),
        ("a,y\n" + "5,0\n5,1\n" * 30, (), "no column is left to learn from"),
        ("a,y\n" + ",0\n,1\n" * 30, (), "no column is left to learn from"),
        ("a,y\n1,0\n2,1\n", (), "at least 10 of each are needed"),
        ("a,y\n" + "1,b\n2,c\n3,d\n" * 30, (), "Say --converted VALUE"),
        ("a,y\n" + "1,0\n2,1\n" * 30, ("--time", "a"), "'a' is no time"),
        ("a,y\n" + "x,0\nz,1\n" * 30, ("--revenue", "a"), "'a' cannot be a revenue: it holds no numbers"),
        ("a,y\n" + "1,0\n2,1\n" * 30, ("--keep", "b=because"), "no column is called 'b'"),
        ("a,y\n" + "1,0\n2,1\n" * 30, ("--keep", "a"), "write COLUMN=REASON"),
        ("a,y\n" + "1,0\n2,1\n" * 30, ("--out", "/nowhere/page.html"), "there is no directory /nowhere"),
        (",".join(f"c{n}" for n in range(1001)) + ",y\n" + "1," * 1001 + "1\n", (), "columns are more than 1,000"),
    ],
)
def test_a_file_that_will_not_do_is_one_line_and_no_stack(
    run: Run, tmp_path: Path, text: str, arguments: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "leads.csv"
    file.write_text(text)
    ended = run(str(file), "--target", "y", *arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert "Traceback" not in ended.err


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    ended = run(str(tmp_path / "none.csv"), "--target", "y")
    assert ended.code == 2
    assert "none.csv: cannot be read (No such file or directory)" in ended.err
