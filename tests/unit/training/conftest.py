"""What the tests of the models share."""

from __future__ import annotations

import pytest


@pytest.fixture
def whole_forests() -> None:
    """Forests of as many trees as are shipped, for whoever asks how good a model is."""


@pytest.fixture(autouse=True)
def _small_forests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What holds of a small forest holds of a large one, and its trees are most of what a fit costs."""
    if "whole_forests" not in request.fixturenames:
        monkeypatch.setattr("worker.training.trees.FOREST", 24)
