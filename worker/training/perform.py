"""What the process of a training request does, from the lease that its trainer holds to the end of the request."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from worker.lifecycle.policy import Policy
from worker.store import models, training
from worker.store.models import Event
from worker.store.training import Kind, Request, RequestLost
from worker.training import registry
from worker.training.drift import Level
from worker.training.refusal import PromotionRefused
from worker.training.retrain import Made, RulesOnly, Unwilling, register, train
from worker.training.schedule import AUTHOR, ask_for_drift
from worker.training.shop import Progress, Shop
from worker.training.watch import watch

SEED = 0
_EVERY = 0.5  # seconds between two words on progress

Result = Mapping[str, Any]


def end_with_parent() -> None:
    """The trainer never writes to our standard input: when that ends, the trainer has."""

    def wait() -> None:
        os.read(0, 1)  # not through sys.stdin, whose lock would still be held when the interpreter ends
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def perform(request: Request, shop: Shop, policy: Policy) -> None:
    """Do a request and end it, with a result or with what was wrong. Raises `RequestLost` when it is another's now.

    Everything that it makes is stored with the end of the request, in one transaction: a run that was given up, or
    killed, has stored nothing.
    """
    try:
        store = _work(request, shop, policy, _progress(request, shop))
        with shop.engine.begin() as connection:
            training.finish(connection, request.id, request.epoch, store(connection), shop.now())
    except RequestLost:
        raise
    except MemoryError:
        _fail(request, shop, "there was too little memory; give the machine more, or train on fewer people")
    except Unwilling as problem:
        _fail(request, shop, str(problem))
    except Exception as bug:
        traceback.print_exc()
        _fail(
            request, shop,
            f"this is a bug in Leadgauge: {type(bug).__name__}. The trainer's log has the details, and so does "
            "LEADGAUGE_LOG_LEVEL=DEBUG leadgauge train --wait",
        )  # fmt: skip


def _work(request: Request, shop: Shop, policy: Policy, progress: Progress) -> Callable[[Connection], Result]:
    """The work, and what is left of it to store."""
    if request.kind is Kind.WATCH:
        levels = watch(shop, progress)
        return lambda connection: _watched(connection, shop, policy, levels)
    try:
        made = train(shop, SEED, progress)
    except RulesOnly as little:
        text = str(little)
        return lambda _: {"models": [], "rules_only": text}
    progress(1.0, "registering")
    return lambda connection: _registered(connection, request, shop, policy, made)


def _registered(connection: Connection, request: Request, shop: Shop, policy: Policy, made: Sequence[Made]) -> Result:
    numbers = register(connection, shop, made, request.author, f"training request {request.id} ({request.cause})")
    promoted, refused = [], {}
    for number, one in zip(numbers, made, strict=True):
        first = one.segment not in models.champions(connection, shop.name)[1]
        if first or not policy.promotion.automatic:
            continue
        try:
            registry.promote(
                connection, shop.name, number, author=AUTHOR, reason="it passed, and the policy promotes by itself",
                force=False, now=shop.now(),
            )  # fmt: skip
            promoted.append(number)
        except PromotionRefused as objections:
            refused[number] = str(objections)
            models.record(connection, shop.name, number, Event.REFUSED, AUTHOR, str(objections), shop.now())
    return {"models": numbers, "promoted": promoted, "refused": refused}


def _watched(connection: Connection, shop: Shop, policy: Policy, levels: Mapping[int, Level]) -> Result:
    _, roster = models.champions(connection, shop.name)
    drifted = [number for number in roster.values() if levels.get(number) is Level.ALERT]
    asked = ask_for_drift(connection, shop.name, policy.retraining, shop.now()) if drifted else None
    return {"levels": {str(number): level.value for number, level in levels.items()}, "asked": asked}


def _progress(request: Request, shop: Shop) -> Progress:
    """Tells the database, but not more often than anybody looks."""
    last, step_before = 0.0, ""

    def tell(done: float, step: str) -> None:
        nonlocal last, step_before
        step = step or step_before
        if step == step_before and time.monotonic() - last < _EVERY:
            return
        last, step_before = time.monotonic(), step
        with shop.engine.begin() as connection:
            training.progress(connection, request.id, request.epoch, done, step)

    return tell


def _fail(request: Request, shop: Shop, problem: str) -> None:
    with shop.engine.begin() as connection:
        training.fail(connection, request.id, request.epoch, problem, shop.now())
