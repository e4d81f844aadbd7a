"""The documentation is true as far as a machine can tell: links, commands, settings, generated pages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from tests.unit.docs.pages import PAGES, ROOT, Block, blocks
from worker.cli.main import app
from worker.features.catalogue import Catalogue
from worker.lifecycle import document
from worker.lifecycle.policy import Policy
from worker.scoring import rules
from worker.settings import Settings, parse
from worker.setup.reference import page as configuration

COMMANDS = typer.main.get_command(app)
BLOCKS = [block for page in PAGES for block in blocks(page)]
OURS = ("leadgauge ", ".venv/bin/leadgauge ")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """Without blocks, in which nothing is a link."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The places of a page, as GitHub names them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "]", head).lower()).replace(" ", "-") for head in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not link.startswith(("http://", "https://")) and (
            not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target))
        ):
            broken.append(link)
    assert broken == []


def test_every_page_is_reached_from_the_first_one() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md" and page.is_file():
            reached.add(page)
            waiting += [(page.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(prose(page))]
    listed = {page for page in PAGES if page.parent.name != "decisions"}  # which are linked as a folder
    assert listed - reached == set()


def named(text: str) -> Iterator[str]:
    """Commands of ours that a text names, as far as their words are certain."""
    for told in re.findall(r"leadgauge ((?:[a-z]+ ?)+(?: ?-[^`|]*)?)", text):
        yield told.split(" | ")[0].split(",")[0]


def misspelt(told: str) -> str | None:
    """What of a command there is not: a word of its name, or an option."""
    command: Any = COMMANDS
    words = shlex.split(told.replace("[", "").replace("]", "").replace("'", ""))
    while hasattr(command, "commands") and words:
        if words[0] not in command.commands:
            return words[0]
        command = command.commands[words.pop(0)]
    options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    given = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    return next((word for word in given if word not in options), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_is_named_exists(page: Path) -> None:
    spans = re.findall(r"`(leadgauge [^`]+)`", " ".join(prose(page).split()))
    fenced = [command for block in blocks(page) for command in block.commands if command.startswith(OURS)]
    told = [(text, command) for text in (*spans, *fenced) for command in named(text)]
    assert {text: wrong for text, command in told if (wrong := misspelt(command))} == {}


def test_every_make_target_and_benchmark_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    known = {path.stem for path in ROOT.glob("benchmarks/*.py")}
    text = " ".join(page.read_text("utf-8") for page in PAGES)
    assert set(re.findall(r"(?:`|\n)make ([a-z-]+)", text)) - targets == set()
    assert set(re.findall(r"make bench ONLY=([a-z]+)", text)) - known == set()


def test_every_command_is_run_or_says_why_not() -> None:
    silent = [
        f"{block}: {command}"
        for block in BLOCKS
        for command in block.commands
        if not command.startswith(OURS) and not block.unrun(command)
    ]
    assert silent == [], "write <!-- not run: WHY --> on the line before the block"
    idle = [str(b) for b in BLOCKS for p in b.only if not any(c.startswith(p) for c in b.commands)]
    assert idle == [], "a mark names a command that is not there"


SETTINGS, POLICY = Settings.model_fields.keys(), Policy.model_fields.keys()
OTHERS: Mapping[str, str] = {
    "scrape_configs": "Prometheus", "image": "the chart's values", "features": "sentences (tests/unit/scoring)",
    "leads": "the mapping file (tests/unit/connectors/files)", "time_zone": "the same", "salesforce": "answers",
}  # fmt: skip
"""Blocks that are neither configuration nor policy nor rules, by a name in them."""


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml"], ids=str)
def test_every_setting_that_is_shown_is_one(block: Block) -> None:
    body: dict[str, Any] = yaml.safe_load(block.text)
    if body.keys() & OTHERS.keys():
        return
    if "rules" in body:
        rules.load(block.text, str(block), Catalogue.shipped())
    elif body.keys() <= POLICY:
        document.read(block.text, str(block), Policy())
    else:
        for source in body.get("sources", ()):
            auth = {"type": "client_credentials", "consumer_key": "k", "consumer_secret": {"env": "S"}}
            told = {"salesforce": auth, "hubspot": {"type": "token", "token": {"env": "T"}}}.get(source["kind"])
            source |= {"auth": source.get("auth", told)} if told else {}
        if "goals" in body and "goal" not in body:
            body["goal"] = next(iter(body["goals"]))
        parse(yaml.safe_dump(body), Path("leadgauge.yaml"))


def test_the_configuration_reference_is_current() -> None:
    written = (ROOT / "docs/configuration.md").read_text("utf-8")
    assert written == configuration(), "run `python -m worker.setup.reference > docs/configuration.md`"


def test_a_heading_of_the_reference_is_met_once() -> None:
    headings = sorted(re.findall(r"^#+ .*$", configuration(), flags=re.MULTILINE))
    assert [one for one, other in pairwise(headings) if one == other] == []
