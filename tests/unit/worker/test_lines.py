"""What is wrong with a configuration is told with the line where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.settings import ConfigurationError, load, told

TEXT = """\
plan_every: 10
sources:
  - kind: hubspot
    name: portal
    auth: {type: token, token: {env: TOKEN}}
  - name: acme
    kind: salesforce
    login_url: https://acme.my.salesforce.com
    auth:
      type: client_credentials
      consumer_key: a
      consumer_secret: {env: SECRET}
    lead_status:
      stages:
        mql: Marketing Qualified
        recycled: Nurturing
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEADGAUGE_CONFIG", str(tmp_path / "leadgauge.yaml"))
    (tmp_path / "leadgauge.yaml").write_text(TEXT, "utf-8")
    return tmp_path / "leadgauge.yaml"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("plan_every: 10", "plan_every: often", 1, "`plan_every` is no length of time"),
        ("kind: hubspot", "kind: hubspots", 3, "has 'kind' 'hubspots', which is none of"),
        ("name: acme", "name: acme\n    colour: red", 7, "`sources.1.colour` is no setting"),
        ("      consumer_key: a\n", "", 10, "`sources.1.auth.consumer_key` is missing"),
        ("mql: Marketing Qualified", "mqll: Marketing Qualified", 15, "no stage is called mqll"),
        ("    lead_status:\n", "    fields: {stage: Status}\n    lead_status:\n", 15, "both write Status"),
    ],
)
def test_a_mistake_is_told_with_its_line(file: Path, old: str, new: str, line: int, said: str) -> None:
    file.write_text(TEXT.replace(old, new), "utf-8")
    with pytest.raises(ConfigurationError) as wrong:
        load()
    assert str(wrong.value).startswith(f"{file}:{line}: ")
    assert said in str(wrong.value)


@pytest.mark.parametrize(
    ("source", "option", "line"),
    [
        ("acme", "lead_status.stages.recycled", ":16"),
        ("acme", "lead_status", ":14"),
        ("portal", "lead_status.stages.mql", ":3"),
        ("nobody", "lead_status", ":3"),
    ],
)
def test_an_option_is_told_by_the_nearest_line_that_there_is(file: Path, source: str, option: str, line: str) -> None:
    assert told(source, option, "no") == f"{file}{line}: {source}: {option}: no"


def test_what_the_environment_says_is_told_by_its_variable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADGAUGE_PARTITIONS", "many")
    with pytest.raises(ConfigurationError, match=r"^LEADGAUGE_PARTITIONS: `partitions`"):
        load()
