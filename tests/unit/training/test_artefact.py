"""Whatever is not exactly a model of ours, made with what we have and sealed with our key, is refused by name."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import skops.io

from tests.unit.scoring.modelling import COUNTRY, MODEL, VISITS, matrix
from worker.store.models import Stored
from worker.training import artefact
from worker.training.artefact import check_features, fingerprint, from_file, pack, to_file, unpack, versions
from worker.training.refusal import ModelRefused

KEY = "k" * 32
Parts = dict[str, bytes]
Change = Callable[[Parts], Parts]

ROWS = matrix([(1, 3.0, "DE", True), (2, None, "FR", None), (3, 9.0, None, False)])
STORED, MANIFEST = pack(MODEL, {"goal": "won", "seed": 7}, None)
SEALED, _ = pack(MODEL, {"goal": "won"}, KEY)


def rebuilt(change: Change) -> Stored:
    """An artefact whose parts were changed and whose digest was made to fit, as one who can write to the database
    would."""
    with zipfile.ZipFile(io.BytesIO(STORED.body)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, part in change(parts).items():
            archive.writestr(name, part)
    return Stored(file.getvalue(), hashlib.sha256(file.getvalue()).hexdigest(), None)


def told(**changes: Any) -> Change:
    """The manifest says something else."""

    def change(parts: Parts) -> Parts:
        manifest = json.loads(parts["manifest.json"]) | changes
        return parts | {"manifest.json": json.dumps(manifest).encode()}

    return change


def holding(thing: object) -> Change:
    """The dump is of something else, and the manifest fits it."""
    dump = skops.io.dumps(thing)
    return lambda parts: told(dump=hashlib.sha256(dump).hexdigest())(parts) | {"model.skops": dump}


@dataclass
class Foreign:
    """A type that no model of ours holds."""

    text: str = ""


def test_a_model_comes_back_as_it_was() -> None:
    back = unpack(STORED, None, "model 1")
    assert back.log_odds(ROWS).tolist() == MODEL.log_odds(ROWS).tolist()
    assert back.features == MODEL.features
    assert np.array_equal(back.contributions(ROWS)[1], MODEL.contributions(ROWS)[1])


def test_the_manifest_says_what_it_was_made_with() -> None:
    assert MANIFEST["versions"] == versions()
    assert MANIFEST["goal"] == "won"
    assert MANIFEST["seed"] == 7
    assert [feature["name"] for feature in MANIFEST["features"]] == ["visits", "country", "asked"]
    assert artefact.read_manifest(STORED.body, "x") == MANIFEST


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Stored(STORED.body + b"x", STORED.digest, None), "not those that were registered"),
        (Stored(b"", hashlib.sha256(b"").hexdigest(), None), "no model of Leadgauge"),
        (Stored(STORED.body[:200], hashlib.sha256(STORED.body[:200]).hexdigest(), None), "no model of Leadgauge"),
        (rebuilt(lambda parts: parts | {"more.txt": b"x"}), "no model of Leadgauge"),
        (rebuilt(lambda parts: {"manifest.json": parts["manifest.json"]}), "no model of Leadgauge"),
        (rebuilt(lambda parts: parts | {"manifest.json": b"[]"}), "another format"),
        (rebuilt(lambda parts: parts | {"manifest.json": b"\xff"}), "no model of Leadgauge"),
        (rebuilt(told(format=99)), "another format"),
        (rebuilt(lambda parts: parts | {"model.skops": parts["model.skops"] + b"x"}), "was altered"),
        (rebuilt(told(fingerprint="0" * 64)), "not those of its manifest"),
        (rebuilt(holding(Foreign())), "would build .*Foreign"),
        (rebuilt(holding(os.getcwd)), "would build posix.getcwd"),
        (rebuilt(holding({"visits": 1})), "holds a dict, no model"),
        (rebuilt(lambda parts: told(dump=hashlib.sha256(b"x").hexdigest())(parts) | {"model.skops": b"x"}), "dump"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_ours_is_refused(broken: Stored, said: str) -> None:
    with pytest.raises(ModelRefused, match=f"model 1: .*{said}"):
        unpack(broken, None, "model 1")


@pytest.mark.parametrize(
    ("sealed", "said"),
    [
        (STORED, "has no seal"),
        (replace(SEALED, seal="0" * 64), "was not made with LEADGAUGE_MODEL_KEY"),
        (Stored(STORED.body, STORED.digest, SEALED.seal), "was not made with LEADGAUGE_MODEL_KEY"),
    ],
)
def test_with_a_key_only_what_it_sealed_is_loaded(sealed: Stored, said: str) -> None:
    with pytest.raises(ModelRefused, match=said):
        unpack(sealed, KEY, "model 1")
    with pytest.raises(ModelRefused, match="was not made with"):
        unpack(SEALED, "another key of the same length..", "model 1")
    assert unpack(SEALED, KEY, "model 1").kind == MODEL.kind


def test_tables_outlive_another_scikit_learn_and_estimators_do_not() -> None:
    from sklearn.linear_model import LogisticRegression

    made = told(versions=versions() | {"scikit-learn": "0.1.0"})
    assert unpack(rebuilt(made), None, "model 1").kind == MODEL.kind

    def both(parts: Parts) -> Parts:
        return made(holding(LogisticRegression())(parts))

    with pytest.raises(ModelRefused, match=r"made with scikit-learn 0\.1\.0"):
        unpack(rebuilt(both), None, "model 1")


def test_features_that_are_computed_otherwise_are_refused() -> None:
    known = {feature.name: feature for feature in MODEL.features}
    check_features(MODEL, known, "model 1")
    check_features(MODEL, known | {"country": replace(COUNTRY, label="Land")}, "model 1")
    with pytest.raises(ModelRefused, match="visits is computed in another way"):
        check_features(MODEL, known | {"visits": replace(VISITS, needs=("email_open",))}, "model 1")
    with pytest.raises(ModelRefused, match="needs country, which is not computed"):
        check_features(MODEL, {"visits": VISITS}, "model 1")


def test_the_order_of_features_is_part_of_the_fingerprint() -> None:
    assert fingerprint([VISITS, COUNTRY]) != fingerprint([COUNTRY, VISITS])


def test_a_file_carries_a_model_and_its_seal() -> None:
    assert from_file(to_file(SEALED), "a file") == SEALED
    with pytest.raises(ModelRefused, match="a file: it is no model"):
        from_file(b"PK", "a file")
    with pytest.raises(ModelRefused, match="a file: it is no model"):
        from_file(STORED.body, "a file")
