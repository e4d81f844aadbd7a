"""`leadgauge model`, `train` and `policy scale` as a person runs them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.integration.cli.product import Product
from tests.integration.models.conftest import GOAL, NOW, House, alter, by_hand, without_memory
from worker.cli.rescoring import follow
from worker.lifecycle.materiality import Writes
from worker.lifecycle.rollout import Rollout
from worker.rescoring.past import retell
from worker.store import tallies, training
from worker.training.promotion import Figures
from worker.training.refusal import ModelRefused


@pytest.fixture
def product(house: House, tmp_path: Path) -> Product:
    addresses = house.process.addresses
    environment = {
        "LEADGAUGE_DATABASE_URL": addresses.database,
        "LEADGAUGE_REDIS_URL": addresses.redis,
        "LEADGAUGE_CLOCK": NOW.isoformat(),
        "COLUMNS": "80",
    }
    return Product(tmp_path, environment)


GOOD = {name: getattr(Figures(500, 100, 0.8, 0.75, 0.85, 0.4, 0.5, 0.02), name) for name in Figures.__slots__}
FIGURES = {"model": GOOD, "champion": None, "champion_number": None}


def test_from_nothing_to_a_champion_and_back(house: House, product: Product) -> None:
    assert "no model yet" in product.run("model", "list").out
    house.meet(150)
    number = house.register(figures=FIGURES)
    house.rescore()
    listed = product.run("model", "list")
    assert listed.code == 0
    assert "challenger" in listed.out
    assert "0.800" in listed.out
    shown = product.run("model", "show", str(number))
    assert "0.800 (0.750 to 0.850)" in shown.out
    assert json.loads(product.run("model", "show", str(number), "--json").out)["figures"]["model"] == GOOD
    compared = json.loads(product.run("model", "compare", str(number), "--json").out)
    assert (compared["champion"], compared["objections"]) == (None, [])
    assert compared["people"] == 150
    assert "nothing speaks against it" in product.run("model", "compare", str(number)).out

    proposed = json.loads(product.run("policy", "scale", "--model", str(number), "--json").out)
    promoted = product.run("model", "promote", str(number), "--reason", "the first")
    assert promoted.code == 0, promoted.said
    assert f"{proposed['proposed']['reference_odds']:g} odds are 50 points" in promoted.out
    assert product.run("model", "promote", str(number)).code == 1
    assert house.rescore() == 150

    assert "rules score again" in product.run("model", "rollback", "--reason", "why not").out
    told = product.run("model", "show", str(number)).out
    assert all(event in told for event in ("registered", "promoted", "rolled back"))
    again = product.run("model", "rollback")
    assert f"model {number} scores again" in again.out


def test_a_refusal_shows_the_figures_and_is_remembered(house: House, product: Product) -> None:
    number = house.register(figures=FIGURES | {"model": GOOD | {"conversions": 12}})
    refused = product.run("model", "promote", str(number))
    assert refused.code == 1
    assert "12 conversions and 488 others" in refused.err
    assert product.run("model", "promote", str(number), "--force").code == 2, "a reason is asked for"
    forced = product.run("model", "promote", str(number), "--force", "--reason", "we know better")
    assert forced.code == 0
    assert "overruled: too few matured outcomes" in forced.err
    events = house.rows("SELECT event, reason, figures FROM model_event ORDER BY id")
    assert [event.event for event in events] == ["registered", "refused", "promoted"]
    assert events[-1].reason == "we know better"
    assert "too few" in events[-1].figures["overruled"][0]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("model", "show", "9"), 1, "no model 9"),
        (("model", "promote", "9"), 1, "no model 9"),
        (("model", "compare", "9"), 1, "no model 9"),
        (("model", "rollback"), 1, "nothing to go back from"),
        (("model", "list", "--goal", "other"), 2, "no goal is named 'other'"),
        (("model", "retire", "9"), 1, "no model 9"),
        (("policy", "scale"), 2, "no model scores"),
        (("train", "--goal", "other"), 2, "no goal is named 'other'"),
    ],
)
def test_a_mistake_is_named(product: Product, arguments: tuple[str, ...], code: int, said: str) -> None:
    ended = product.run(*arguments)
    assert ended.code == code
    assert said in ended.err


def test_a_model_travels_as_a_file_and_a_foreign_file_does_not(house: House, product: Product, tmp_path: Path) -> None:
    number = house.register(figures=FIGURES)
    file = tmp_path / "model.zip"
    assert product.run("model", "export", str(number), "--out", str(file)).code == 0
    assert "registered model 2" in product.run("model", "import", str(file)).out
    file.write_bytes(file.read_bytes()[:-40])
    refused = product.run("model", "import", str(file))
    assert refused.code == 1
    assert "no model of Leadgauge" in refused.err


def test_a_key_refuses_what_it_did_not_seal(house: House, product: Product) -> None:
    number = house.register(figures=FIGURES)
    refused = product.run("model", "promote", str(number), LEADGAUGE_MODEL_KEY="k" * 40)
    assert refused.code == 1
    assert "has no seal" in refused.err
    short = product.run("model", "list", LEADGAUGE_MODEL_KEY="k")
    assert short.code == 2
    assert "too short" in short.err


def test_a_challenger_is_retired(house: House, product: Product) -> None:
    number = house.register()
    assert product.run("model", "retire", str(number)).code == 0
    assert "no challenger" in product.run("model", "retire", str(number)).err
    house.register(by_hand({feature.name: feature for feature in house.process.vocabulary.features}))
    listed = json.loads(product.run("model", "list", "--json").out)
    assert [model["state"] for model in listed] == ["challenger", "retired"]


def test_train_without_a_trainer_does_it_itself_and_with_one_leaves_it_alone(house: House, product: Product) -> None:
    ended = product.run("train")
    assert ended.code == 0, ended.said
    assert "leadgauge label" in ended.out, "nobody is there to learn from"
    with house.process.engine.begin() as connection:
        assert not training.alive(connection, NOW), "the command is no trainer once it has ended"
        training.seen(connection, "another", NOW)
    waits = product.run("train")
    assert "waits for a trainer" in waits.out
    assert "was open already" in product.run("train").err
    with house.process.engine.connect() as connection:
        request = training.newest(connection, GOAL, training.Kind.TRAIN)
    assert request is not None
    assert request.state is training.RequestState.WAITING


def test_status_tells_of_the_models_and_needs_none_of_them_to_load(house: House, product: Product) -> None:
    house.meet(5)
    house.rescore()
    number = house.register(figures=FIGURES)
    assert f"{number}, challenger: drift unchecked" in product.run("status").out
    assert product.run("model", "promote", str(number)).code == 0
    alter(house, number, "artefact = artefact || 'x'")
    without_memory(house)
    with pytest.raises(ModelRefused):
        house.process.goals.bases()
    told = product.run("status")
    assert told.code == 1
    assert f"{number}, champion: drift unchecked" in told.out
    assert "not those that were registered" in told.err
    assert json.loads(product.run("status", "--json").out)["models"][0]["state"] == "champion"


def test_a_model_and_a_rule_file_are_replayed_from_the_facts(house: House, product: Product, tmp_path: Path) -> None:
    """Scores in force are told again as they were recorded; a draft's are those that it gives once it is in force."""
    house.meet(60)
    house.rescore()
    recorded = {row.person_id: row.score for row in house.rows("SELECT person_id, score FROM score")}
    house.later(days=2)
    number = house.register(figures=FIGURES, data={"conversions": 60})
    told = _replayed(product, house, "model", "replay", str(number))
    assert told["retold"] >= 2 * len(recorded)
    assert told["limits"] == [f"nobody was scored before {NOW:%Y-%m-%d %H:%M} UTC: the replay begins then"]
    more = product.run("rules", "show").out.replace("base: 54", "base: 80", 1)
    file = tmp_path / "more.yaml"
    file.write_text(more)
    told = _replayed(product, house, "rules", "replay", str(file))
    assert told["difference"]["entered"][0] == 0
    assert told["difference"]["entered"][1] > 0
    assert {person["record"] for person in told["becoming"]} <= {f"crm/Lead/{n:04}" for n in range(60)}
    assert told["groups"]["owner"] == {"(none)": [len(told["becoming"]), 0]}
    basis, _ = house.process.goals.drafted(GOAL)
    paths = retell(house.process.arrow, sorted(recorded), [basis], NOW, NOW + timedelta(hours=1)).paths[0]
    assert dict(zip(paths.person.tolist(), paths.score.tolist(), strict=True)) == recorded


def _replayed(product: Product, house: House, *words: str) -> dict[str, Any]:
    ended = product.run(*words, "--days", "30", "--json", LEADGAUGE_CLOCK=house.time[0].isoformat())
    assert ended.code == 0, ended.said
    found: dict[str, Any] = json.loads(ended.out)
    return found


def test_status_tells_how_far_a_change_is_and_what_was_saved(house: House, product: Product) -> None:
    house.meet(40)
    house.rescore()
    with house.process.engine.begin() as connection:
        tallies.add(connection, {"crm": Writes(900, 90)}, NOW)
    assert json.loads(product.run("status", "--json").out)["rollouts"] == []
    product.run("policy", "set", "mql.enter=75")
    shown = product.run("status")
    assert "40 of 40 left, no pace yet" in shown.out
    assert "810 writes" in shown.out
    house.later(seconds=10)
    assert house.rescore() == 40
    assert json.loads(product.run("status", "--json").out)["rollouts"] == []
    halfway = Rollout(people=100, left=40, began=NOW, lately=60, span=timedelta(minutes=3))
    assert (halfway.share, halfway.done_at(NOW)) == (0.6, NOW + timedelta(minutes=2))
    with house.process.engine.connect() as connection:
        (scale,) = house.process.goals.scales(connection)
    follow(house.process.engine, scale, house.process.now)
    with pytest.raises(typer.Exit):
        follow(house.process.engine, replace(scale, policy=9), house.process.now, patience=0)
