from __future__ import annotations

from pathlib import Path

import pytest

from connectors.records import ActivityKind, Cause
from tests.unit.features.making import DAY, NOW, facts, value
from worker.features.catalogue import Attribute, AttributeType, Catalogue
from worker.features.feature import FeatureType
from worker.features.features import Features
from worker.features.listing import page
from worker.features.matrix import matrix

SHIPPED = Features.shipped()
OWN = {
    "plan": Attribute(AttributeType.TEXT, "Plan", cause=Cause.PROSPECT, stable=True, feature=True),
    "renewal": Attribute(AttributeType.DATE, "Renewal", feature=True),
    "verdict": Attribute(AttributeType.NUMBER, "Verdict", cause=Cause.SALES, feature=True),
    "shoe_size": Attribute(AttributeType.NUMBER, "Shoe size"),
}


def test_names_and_labels_are_told_apart() -> None:
    features = list(SHIPPED)
    assert len({feature.name for feature in features}) == len(features)
    assert len({feature.label for feature in features}) == len(features)


def test_only_what_has_an_order_has_a_direction() -> None:
    assert [each.name for each in SHIPPED if each.monotone and each.type is FeatureType.CATEGORY] == []


def test_every_need_is_an_attribute_or_a_kind_of_act() -> None:
    known = {*Catalogue.shipped().attributes, *(kind.value for kind in ActivityKind)}
    assert {need for feature in SHIPPED for need in feature.needs} <= known


def test_every_kind_of_act_is_counted_or_a_sign_of_nothing() -> None:
    needed = {need for feature in SHIPPED for need in feature.needs}
    assert {kind.value for kind in ActivityKind} - needed == {"campaign_send", "email_bounce"}


def test_what_sales_causes_is_downstream_and_nothing_else() -> None:
    left_out = {feature.name for feature in SHIPPED} - {feature.name for feature in SHIPPED.upstream()}
    assert left_out == {
        "sales_emails_90d", "sales_calls_90d", "meetings_90d", "notes_90d", "tasks_90d", "days_since_sales", "status",
        "lifecycle_stage", "owner",
    }  # fmt: skip


def test_a_self_served_demo_video_is_not_sales_doing() -> None:
    assert {feature.name: feature.cause for feature in SHIPPED}["demo_videos_90d"] is Cause.PROSPECT


def test_fields_of_the_users_own_become_features_by_configuration() -> None:
    features = Features.of(Catalogue.shipped().extended(OWN))
    own = {feature.name: feature for feature in features if feature.name.startswith("custom_")}
    assert list(own) == ["custom_plan", "custom_renewal", "custom_verdict"]
    assert (own["custom_plan"].cause, own["custom_plan"].stable) == (Cause.PROSPECT, True)
    assert own["custom_renewal"].unit == "days"
    assert own["custom_verdict"].cause is Cause.SALES
    assert "custom_verdict" not in {feature.name for feature in features.upstream()}
    made = facts([value("plan", "Gold"), value("renewal", "2025-06-03T12:00:00Z"), value("verdict", "many")])
    assert matrix(made, features.only(list(own))).row(0)[2:] == ("Gold", -2, None)
    assert features.stable >= {"plan", "country"}
    assert "renewal" not in features.stable


def test_a_feature_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"no feature is named shoe_size.*custom_NAME"):
        SHIPPED.only(["seniority", "shoe_size"])


def test_columns_come_in_the_order_asked_for() -> None:
    names = ["seniority", "acts_7d", "country"]
    assert matrix(facts(), SHIPPED.only(names)).columns[2:] == names


def test_a_recipe_of_the_wrong_length_is_refused() -> None:
    recipe = SHIPPED.only(["acts_7d"]).recipes[0]
    broken = Features((type(recipe)(recipe.feature, lambda known: known.as_of.head(0)),), SHIPPED.catalogue)
    with pytest.raises(ValueError, match="acts_7d: 0 values for 1 people"):
        matrix(facts(), broken)


def test_the_page_of_the_catalogue_is_current() -> None:
    written = Path(__file__).parents[3].joinpath("docs", "features.md").read_text(encoding="utf-8")
    assert written == page(), "run `python -m worker.features.listing > docs/features.md`"


def test_a_value_held_since_the_future_is_not_held() -> None:
    made = facts([value("budget", "5", at=NOW + DAY, known=NOW)])
    assert matrix(made, SHIPPED.only(["budget_stated", "budget_age_days"])).row(0)[2:] == (False, None)
