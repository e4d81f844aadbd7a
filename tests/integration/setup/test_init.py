"""`leadgauge init` writes a configuration that works, over nothing that is there; then doctor and backfill as typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.secret import secrets_of
from tests.integration.cli import forks
from tests.integration.cli.forks import Ended
from tests.integration.setup.bench import HUBSPOT, SALESFORCE, Bench
from worker.settings import ConfigurationError, parse
from worker.setup.answers import Answers
from worker.setup.init import answered, read_answers, write
from worker.setup.written import written

REPOSITORY = Path(__file__).parents[3]
UNHURRIED = {"calls_per_second": 200}, {"calls_per_10_seconds": 2000, "searches_per_second": 100}
"""What practice CRMs stand, and real ones do not: at the usual pace a first read takes ten seconds, a look four."""
ORG = {"url": "acme.my.salesforce.com", "key": "3MVG9..."}


def test_the_example_in_the_repository_is_what_init_writes() -> None:
    def place(name: str) -> str:
        return f"file:/run/secrets/{name}"

    told = answered(
        {
            "salesforce": [{**ORG, "secret": place("salesforce"), "time_zone": "Europe/Berlin"}],
            "hubspot": [{"secret": place("hubspot")}],
            "marketo": [{"host": "123-ABC-456", "client": "1c7d...", "secret": place("marketo")}],
            "amplitude": [
                {"project": 153957, "api_key": place("amplitude_key"), "secret": place("amplitude_secret"),
                 "owner": "ann@acme.com"}
            ],
            "mixpanel": [
                {"project": 2195193, "user": "leadgauge.8f2c1d.mp-service-account", "secret": place("mixpanel_secret"),
                 "token": place("mixpanel_token")}
            ],
        }
    )  # fmt: skip
    assert (REPOSITORY / "deploy/leadgauge.example.yaml").read_text("utf-8") == written(told)


def test_all_that_can_be_answered_is_valid_and_what_is_commented_too() -> None:
    told = Answers.model_validate(
        {
            "salesforce": [{**ORG, "user": 'it\'s "me"', "secret": "file:/a b/key", "ca_bundle": "ca.pem"}],
            "hubspot": [{"name": "one", "starter": True}, {"name": "two", "secret": "env:TWO", "host": "https://h"}],
            "marketo": [
                {"host": "123-ABC-456", "client": "c", "ca_bundle": "ca.pem"},
                {"name": "second", "host": "987-XYZ-654", "client": "d", "since": "2020-01-01T00:00:00Z"},
            ],
            "amplitude": [
                {"project": 1, "region": "eu", "ca_bundle": "ca.pem"},
                {"name": "web", "project": 2, "owner": "ann", "host": "https://a", "cohorts": {"hot": "The hot"}},
            ],
            "mixpanel": [
                {"project": 3, "user": "reader"},
                {"name": "phone", "project": 4, "user": "u", "limit": 600, "host": "https://m", "ca_bundle": "c"},
            ],
            "files": [{"directory": "/data/exports"}],
            "language": "ru",
        }
    )
    text = written(told)
    settings = parse(text, Path("x.yaml"))
    assert [source.name for source in settings.sources] == [
        "salesforce", "one", "two", "marketo", "second", "amplitude", "web", "mixpanel", "phone", "files",
    ]  # fmt: skip
    org = settings.sources[0]
    assert org.kind == "salesforce"
    assert org.auth.type == "jwt_bearer"
    assert org.auth.username == 'it\'s "me"'
    name = ""
    for line in text.splitlines():
        name = yaml.safe_load(line)["name"] if line.startswith("    name: ") else name
        if line.startswith("    # "):
            body: dict[str, Any] = yaml.safe_load(text)
            next(source for source in body["sources"] if source["name"] == name).update(
                yaml.safe_load(line.partition("# ")[2])
            )
            parse(yaml.safe_dump(body), Path("x.yaml"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "names no CRM"),
        ({"salesforce": [{"url": "https://acme.my.salesforce.com"}]}, r"`salesforce\.0\.key` is missing"),
        ({"salesforce": [{**ORG, "url": "https://acme.lightning.force.com"}]}, "https://acme.my.salesforce.com"),
        ({"salesforce": [{**ORG, "time_zone": "Mars"}]}, "Europe/Berlin"),
        ({"hubspot": [{"secret": "pat-na1-1"}]}, "env:NAME or file:PATH"),
        ({"hubspot": [{"tier": "starter"}]}, r"`hubspot\.0\.tier`"),
        ({"marketo": [{"host": "https://app-ab12.marketo.com/homepage", "client": "c"}]}, r"mktorest\.com"),
        ({"marketo": [{"host": "123-ABC-456"}]}, r"`marketo\.0\.client` is missing"),
    ],
)
def test_answers_that_cannot_be_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as refused:
        answered(given)
    assert "pat-na1" not in str(refused.value)


@pytest.mark.parametrize("host", ["123-ABC-456", "123-ABC-456.mktorest.com", "https://123-ABC-456.mktorest.com/rest"])
def test_an_instance_goes_by_what_its_pages_show(host: str) -> None:
    (its,) = answered({"marketo": [{"host": host, "client": "c"}]}).marketo
    assert its.host == "https://123-ABC-456.mktorest.com"


def test_options_are_enough_for_one_account_of_each_kind_and_secrets_are_named(tmp_path: Path) -> None:
    options = (
        "--salesforce", "acme.my.salesforce.com", "--salesforce-key", "3MVG9...", "--hubspot",
        "--marketo", "123-ABC-456", "--marketo-client", "c", "--amplitude", "153957",
        "--mixpanel", "2195193", "--mixpanel-user", "reader",
    )  # fmt: skip
    ended = forks.run(("init", *options), {"PATH": "/usr/bin:/bin"}, tmp_path, within=110)
    assert ended.code == 0, ended.said
    sources = parse((tmp_path / "leadgauge.yaml").read_text("utf-8"), Path("x.yaml")).sources
    assert [source.kind for source in sources] == ["salesforce", "hubspot", "marketo", "amplitude", "mixpanel"]
    for _, ref in (each for source in sources for each in secrets_of(source)):
        assert f"set the variable {ref.env}" in ended.out


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    file = tmp_path / "leadgauge.yaml"
    file.write_text("precious", "utf-8")
    told = answered({"hubspot": [{}]})
    with pytest.raises(ConfigurationError, match="--force"):
        write(told, file, force=False)
    assert file.read_text("utf-8") == "precious"
    write(told, file, force=True)
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_answers(tmp_path / "nothing")


def test_a_new_user_gets_from_nothing_to_all_read(well: Bench, tmp_path: Path) -> None:
    secrets = {SALESFORCE: "S3CRET", HUBSPOT: next(iter(well.tokens))}
    servers = {f"LEADGAUGE_{name.upper()}": well.config[name] for name in ("database_url", "redis_url")}

    def type_in(*arguments: str) -> Ended:
        ended = forks.run(arguments, {"PATH": "/usr/bin:/bin", **secrets, **servers}, tmp_path, within=110)
        assert "Traceback" not in ended.said, ended.said
        assert not any(secret in ended.said for secret in secrets.values())
        return ended

    org, account = well.salesforce, well.hubspot
    answers = {
        "salesforce": [{"url": org["login_url"], "key": org["auth"]["consumer_key"], "secret": f"env:{SALESFORCE}",
                        "time_zone": "Europe/Berlin", "ca_bundle": org["ca_bundle"]}],
        "hubspot": [{"secret": f"env:{HUBSPOT}", "host": account["host"], "ca_bundle": account["ca_bundle"]}],
    }  # fmt: skip
    (tmp_path / "answers.yaml").write_text(yaml.safe_dump(answers), "utf-8")
    assert type_in("init", "--answers", "answers.yaml").code == 0
    file = tmp_path / "leadgauge.yaml"
    made = yaml.safe_load(file.read_text("utf-8"))
    for source, pace in zip(made["sources"], UNHURRIED, strict=True):
        source |= pace
    file.write_text(yaml.safe_dump(made), "utf-8")
    looked = type_in("doctor", "--json")
    told = json.loads(looked.out)
    assert (looked.code, [problem["code"] for problem in told["problems"]]) == (1, ["database_fsync"]), looked.said
    assert told["sources"]["salesforce"]["objects"]["Lead"] == 1
    assert told["sources"]["hubspot"]["account"].startswith("account 9001")

    planned = type_in("provision", "--dry-run")
    assert (planned.code, "Leadgauge writer" in planned.out, "by hand" in planned.err) == (0, True, True), planned.said

    read = json.loads(type_in("backfill", "--json").out)
    assert (read["left"], read["problems"]) == ([], {})
    assert read["facts"]["salesforce/leads"] == 1
    again = json.loads(type_in("backfill", "--json", "--again", "--stream", "contacts", "--source", "hubspot").out)
    assert again["facts"].keys() == {"hubspot/contacts"}
