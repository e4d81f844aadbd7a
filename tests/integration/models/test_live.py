"""A promotion gives everybody a model's score, with reasons that add up; a rollback gives back the old ones."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, replace

import pytest
from sqlalchemy import text

from tests.integration.models.conftest import GOAL, House, alter, by_hand, configure, without_memory
from worker.features.matrix import matrix
from worker.lifecycle import policy as policies
from worker.scoring.scale import PointScale, probability
from worker.store import facts, models, people, revisions
from worker.store.models import State
from worker.training import registry
from worker.training.promotion import Figures
from worker.training.refusal import ModelRefused, PromotionRefused


def promote(house: House, number: int, *, force: bool = True) -> registry.Promoted:
    with house.process.engine.begin() as connection:
        return registry.promote(connection, GOAL, number, author="ann", reason="better", force=force, now=house.time[0])


def roll_back(house: House) -> int | None:
    with house.process.engine.begin() as connection:
        return registry.rollback(connection, GOAL, "", author="ann", reason="worse", now=house.time[0])


def states(house: House) -> dict[int, State]:
    with house.process.engine.connect() as connection:
        return {model.number: model.state for model in models.listing(connection, GOAL)}


def log_odds(house: House) -> dict[int, float]:
    """What the model says of everybody, computed apart from the way that scores go."""
    process = house.process
    model = by_hand({feature.name: feature for feature in process.vocabulary.features})
    everybody = [row.id for row in house.rows("SELECT id FROM person")]
    known = facts.read(process.arrow, facts.At(house.time[0], everybody))
    frame = matrix(known, process.vocabulary.features.only([feature.name for feature in model.features]))
    return dict(zip(frame["person_id"].to_list(), model.log_odds(frame).tolist(), strict=True))


def scale(house: House) -> PointScale:
    with house.process.engine.connect() as connection:
        current = revisions.current(connection, "policy", GOAL)
    assert current is not None
    held = policies.parse(current.body).scale
    return PointScale(held.pdo, held.reference_odds)


def test_rules_score_until_a_model_is_promoted_and_again_after_a_rollback(house: House) -> None:
    house.meet(120)
    assert house.rescore() == 120
    by_rules = house.wanted()
    number = house.register(log_odds=[-4.0, -3.0, -2.0])
    assert house.rescore() == 0, "a challenger makes nobody due"
    house.later(minutes=5)

    assert promote(house, number).scale is not None
    with house.process.engine.connect() as connection:
        counted = people.counts(connection, house.process.goals.scales(connection), house.time[0])
    assert counted == {"people": 120, "dirty": 120}
    assert house.rescore() == 120, "a promotion makes everybody due"
    held = scale(house)
    for person, said in log_odds(house).items():
        wanted = house.wanted()[person]
        assert wanted["score"] == held.score(said)
        assert wanted["probability"] == probability(said)
        assert wanted["version"] == "model 1, policy 3, 90 days"
        assert "ricing" in wanted["reasons"]

    house.later(minutes=5)
    assert roll_back(house) is None
    assert house.rescore() == 120
    after = house.wanted()
    for person, before in by_rules.items():
        changed = {name for name in before if before[name] != after[person][name]}
        # Whoever came to be an MQL, or into a higher bucket, leaves it only below the lower line.
        kept = {"stage", "mql_date", "bucket", "action"}
        assert changed <= kept | {"version"}, "the scores in the CRM are those of before"
        assert after[person]["version"] == "rules 1, policy 3"
    assert house.rescore() == 0
    assert states(house) == {1: State.RETIRED}


def test_whoever_has_no_record_any_more_is_due_once_and_has_no_score(house: House) -> None:
    house.meet(3)
    house.rescore()
    with house.process.engine.begin() as connection:  # as when a corrected address takes the last record elsewhere
        connection.execute(text("UPDATE subject SET person_id = 2 WHERE id = 1"))
        revisions.publish(connection, "policy", GOAL, {}, after=2, author="ann", comment="", now=house.time[0])
    house.later(minutes=1)
    assert house.rescore() == 3
    assert [row.person_id for row in house.rows("SELECT person_id FROM score ORDER BY 1")] == [2, 3]


def test_every_reason_is_in_whole_points_that_add_up(house: House) -> None:
    from worker.rescoring.basis import judge, read

    house.meet(30)
    promote(house, house.register())
    everybody = [row.id for row in house.rows("SELECT id FROM person")]
    basis = house.process.goals.bases()[0]
    verdicts = judge(read(house.process.arrow, facts.At(house.time[0], everybody), basis.features), basis)
    assert len(verdicts.people) == 30
    for verdict in verdicts.people.values():
        assert verdict.model == 1
        assert sum(reason.points for reason in verdict.reasons) == verdict.score


def test_the_first_model_brings_a_scale_and_the_next_one_keeps_it(house: House) -> None:
    house.meet(200)
    first = house.register()
    house.rescore()
    brought = promote(house, first).scale
    assert brought is not None
    said = sorted(log_odds(house).values())
    assert brought.score(said[(len(said) - 1) // 2]) == 50
    house.rescore()
    second = house.register(by_hand({f.name: f for f in house.process.vocabulary.features}, base=-1.0))
    assert promote(house, second).scale is None
    assert scale(house) == brought, "70 means the same after every retraining"


def test_a_scale_that_somebody_set_stays(house: House) -> None:
    house.meet(200)
    with house.process.engine.begin() as connection:
        registry.publish_scale(connection, GOAL, PointScale(13.0, 0.2), "ann", "ours", house.time[0])
    number = house.register()
    house.rescore()
    assert promote(house, number).scale is None
    assert scale(house) == PointScale(13.0, 0.2)


def test_a_challenger_scores_in_the_shadow_and_changes_nothing(house: House) -> None:
    house.meet(60)
    house.rescore()
    before = house.wanted()
    number = house.register()
    house.dirty()
    assert house.rescore() == 60
    assert house.wanted() == before
    shadows = {row.person_id: row.log_odds for row in house.rows("SELECT person_id, log_odds FROM shadow_score")}
    assert shadows == pytest.approx(log_odds(house))
    with house.process.engine.connect() as connection:
        compared = registry.compare(connection, GOAL, number)
    assert compared.moves.people == 60
    assert compared.champion is None


def test_what_a_promotion_would_move_is_what_it_moves(house: House) -> None:
    """With the rules' share beside the model, the scale that it brings, and the hysteresis of buckets."""
    house.meet(150)
    house.rescore()
    number = house.register(data={"conversions": 60})
    for _ in range(2):  # the first look tells which scale it would bring
        house.dirty()
        house.rescore()
        without_memory(house)
    with house.process.engine.connect() as connection:
        told = registry.compare(connection, GOAL, number)
    before = {row.person_id: row.bucket for row in house.rows("SELECT person_id, bucket FROM score")}
    promoted = promote(house, number)
    assert promoted.scale is not None
    assert house.rescore() == 150
    rows = house.rows("SELECT person_id, bucket, score, model FROM score")
    assert {row.model for row in rows} == {number}
    moved = Counter((before[row.person_id], row.bucket) for row in rows)
    assert len(moved) > 1
    assert told.moves.by_bucket == moved


def test_who_has_a_model_of_the_segment_is_scored_by_it_and_the_rest_by_everybodys(house: House) -> None:
    goal = house.process.settings.goal_named(None)[1].model_copy(update={"segment": "country"})
    configure(house.process, goals={"default": goal})
    house.meet(60)
    features = {feature.name: feature for feature in house.process.vocabulary.features}
    own = house.register(by_hand(features, base=-1.0), segment="US")
    promote(house, own)
    house.rescore()
    told = {row.model for row in house.rows("SELECT model FROM score WHERE model IS NOT NULL")}
    assert told == {own}
    others = house.rows("SELECT person_id FROM score WHERE model IS NULL")
    assert others, "rules score whoever has no model"
    everybody = house.register()
    promote(house, everybody)
    assert house.rescore() == 60
    by_model = house.rows("""
        SELECT s.model, r.attributes ->> 'country' AS country FROM score s
        JOIN subject b ON b.person_id = s.person_id JOIN record r ON r.subject_id = b.id""")
    assert {(row.model, row.country == "US") for row in by_model} == {(own, True), (everybody, False)}


def test_a_segments_challenger_watches_its_segment_alone_beside_whoever_scores_it(house: House) -> None:
    goal = house.process.settings.goal_named(None)[1].model_copy(update={"segment": "country"})
    configure(house.process, goals={"default": goal})
    house.meet(60)
    everybody = house.register()
    promote(house, everybody)
    own = house.register(segment="US", figures={"model": asdict(Figures(900, 100, 0.8, 0.7, 0.9, 0.3, 0.4, 0.01))})
    house.rescore()
    watched = house.rows("""
        SELECT r.attributes ->> 'country' AS country FROM shadow_score w
        JOIN subject b USING (person_id) JOIN record r ON r.subject_id = b.id""")
    assert {row.country for row in watched} == {"US"}
    with house.process.engine.connect() as connection:
        compared = registry.compare(connection, GOAL, own)
    assert compared.champion is not None
    assert compared.champion.number == everybody
    assert compared.moves.people == len(watched)
    assert f"model {everybody}, which scores now, was not measured" in compared.objections[0]


def test_a_champion_that_was_altered_scores_nobody_and_says_so_once(house: House) -> None:
    house.meet(5)
    promote(house, house.register())
    alter(house, 1, "artefact = artefact || 'x'")
    without_memory(house)
    for _ in range(2):
        with pytest.raises(ModelRefused, match="not those that were registered"):
            house.process.goals.bases()
    events = house.rows("SELECT event FROM model_event ORDER BY id")
    assert [event.event for event in events] == ["registered", "promoted", "unusable"]


def test_a_challenger_that_was_altered_stops_nobody(house: House) -> None:
    house.meet(5)
    house.register()
    alter(house, 1, "artefact = artefact || 'x'")
    assert house.rescore() == 5


def test_a_model_of_another_catalogue_is_refused_by_the_features_name(house: House) -> None:
    features = {feature.name: feature for feature in house.process.vocabulary.features}
    gone = replace(features["country"], name="planet")
    model = by_hand(features | {"country": gone})
    house.register(model)
    with pytest.raises(ModelRefused, match="planet"):
        house.process.goals.model(GOAL, 1)


def test_a_promotion_without_figures_is_refused(house: House) -> None:
    number = house.register()
    with pytest.raises(PromotionRefused, match="figures"):
        promote(house, number, force=False)


def test_a_champion_is_not_promoted_twice_and_nothing_is_rolled_back_before_a_promotion(house: House) -> None:
    with pytest.raises(ModelRefused, match="nothing to go back"):
        roll_back(house)
    number = house.register()
    promote(house, number)
    with pytest.raises(ModelRefused, match="already"):
        promote(house, number)
    with pytest.raises(ModelRefused, match="no model 9"):
        promote(house, 9)


def test_a_second_rollback_undoes_the_first(house: House) -> None:
    first, second = house.register(), house.register()
    promote(house, first)
    promote(house, second)
    assert roll_back(house) == first
    assert states(house) == {first: State.CHAMPION, second: State.RETIRED}
    assert roll_back(house) == second


def test_probability_is_that_of_the_odds(house: House) -> None:
    house.meet(3)
    promote(house, house.register())
    house.rescore()
    for row in house.rows("SELECT person_id, log_odds FROM score"):
        chance = 1 / (1 + math.exp(-row.log_odds))
        assert house.wanted()[row.person_id]["probability"] == pytest.approx(100 * chance, abs=0.05)
    with house.process.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM score_history WHERE model = 1")).scalar_one() == 3
