"""`leadgauge label`: what a person sees of a goal's labels."""

from __future__ import annotations

import json

import polars as pl

from tests.integration.cli.product import Product

FIRST = "By the month in which people could first be scored"


def test_the_shipped_goal_is_previewed_in_80_columns(product: Product) -> None:
    ended = product.run("label", "--preview", COLUMNS="80")
    assert ended.code == 0, ended.err
    assert "a deal won within 90 days" in ended.out
    assert FIRST in ended.out
    assert "rules only: " in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80


def test_machines_get_every_count(product: Product) -> None:
    report = json.loads(product.run("label", "--json").out)
    assert report["goal"]["name"] == "default"
    assert report["needed"] == {"conversions": 40, "others": 40}
    assert report["ready"] is False
    assert sum(month["people"] for month in report["months"]) == report["eligible"] > 20
    assert report["eligible"] == report["trainable"] + report["immature"]
    assert report["converted"] + report["others"] == report["trainable"]


def test_several_goals_stand_side_by_side(product: Product) -> None:
    goals = {"won": {}, "met": {"event": {"kind": "activity", "activity": "meeting"}, "horizon_days": 14}}
    config = product.config | {"goal": "won", "goals": goals}
    assert "Goal won (primary)" in product.run("label", config=config).out
    ended = product.run("label", "--goal", "met", config=config)
    assert "Goal met: meeting within 14 days" in ended.out
    ended = product.run("label", "--goal", "lost", config=config)
    assert (ended.code, "no goal is named 'lost'; there are: " in ended.err) == (2, True)


def test_a_goal_that_nobody_reached_says_what_there_is(product: Product) -> None:
    stage = {"event": {"kind": "deal_stage", "stages": ["Closed Wun"]}}
    ended = product.run("label", config=product.config | {"goals": {"default": stage}})
    assert ended.code == 0
    assert "the stages seen are: " in ended.err
    field = {"event": {"kind": "field", "name": "status", "values": ["Nonesuch"]}}
    ended = product.run("label", config=product.config | {"goals": {"default": field}})
    assert "status never had such a value; frequent ones are: " in " ".join(ended.err.split())


def test_a_misspelt_attribute_is_refused(product: Product) -> None:
    goals = {"default": {"segment": "industri"}}
    ended = product.run("label", config=product.config | {"goals": goals})
    assert (ended.code, "did you mean industry?" in ended.err) == (2, True)


def test_segments_too_small_are_scored_by_the_model_of_all(product: Product) -> None:
    ended = product.run("label", config=product.config | {"goals": {"default": {"segment": "country"}}}, COLUMNS="80")
    assert "own model from 200 converted" in " ".join(ended.out.split())
    assert "of all" in ended.out
    assert "Germany" in ended.out


def test_snapshots_are_exported_as_a_file(product: Product) -> None:
    ended = product.run("snapshots", "export", "--out", "snapshots.parquet", "--per-person", "2")
    assert ended.code == 0, ended.err
    assert " snapshots of a deal won within 90 days in snapshots.parquet" in ended.out
    frame = pl.read_parquet(product.directory / "snapshots.parquet")
    assert frame.height == int(ended.out.split()[0]) > 20
    assert {"person_id", "as_of", "label", "weight", "segment", "page_views_30d"} <= set(frame.columns)


def test_an_export_that_cannot_be_is_refused_before_any_work(product: Product) -> None:
    ended = product.run("snapshots", "export", "--out", "nowhere/snapshots.parquet")
    assert (ended.code, "there is no directory" in ended.err) == (2, True)
    ended = product.run("snapshots", "export", "--out", "a.parquet", "--at", "noon")
    assert (ended.code, "write time or acts" in ended.err) == (2, True)
