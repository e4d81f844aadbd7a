"""What people are scored by for each goal: its revisions, its models, and what a training of it works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from worker.lifecycle import policy as policies
from worker.lifecycle.policy import Policy
from worker.settings import Settings, lines
from worker.store import models, revisions
from worker.store.migrate import NotReady
from worker.store.people import Scale
from worker.training.refusal import ModelRefused
from worker.vocabulary import Vocabulary

if TYPE_CHECKING:
    import adbc_driver_postgresql.dbapi as adbc

    from worker.rescoring.basis import Basis, Trained
    from worker.scoring.rules import Ruleset
    from worker.training.shop import Shop


class Goals:
    """One process's view of them. Models and what people are scored by are loaded once and kept."""

    def __init__(self, settings: Settings, vocabulary: Vocabulary, engine: Engine, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._vocabulary = vocabulary
        self._engine = engine
        self._now = now
        self._bases: tuple[object, Sequence[Basis]] = (None, ())
        self._models: dict[tuple[str, int], Trained] = {}
        self._rulesets: dict[tuple[str, int], Ruleset] = {}

    def begin(self) -> None:
        """Publish the shipped policy of every goal and the first rules of the primary one where there are none. What
        they say of leads holds of no other goal. Raises `RulesError`, and `ConfigurationError` for wrong files."""
        body = self._vocabulary.first_rules()
        self._vocabulary.wording  # noqa: B018 - a wrong file is refused here, not by the first score
        first: Mapping[str, object] = {"policy": Policy().model_dump(mode="json"), "rules": body}
        for goal in self._settings.goal_names:
            for table, content in first.items():
                if table == "rules" and goal != self._settings.goal:
                    continue
                with self._engine.begin() as connection:
                    if revisions.current(connection, table, goal) is None:
                        self._publish_first(connection, table, goal, content)

    def _publish_first(self, connection: Connection, table: str, goal: str, content: object) -> None:
        with suppress(revisions.EditConflict):  # two processes migrate at once; either one's is the same
            revisions.publish(
                connection, table, goal, content, after=0, author="leadgauge", comment="shipped default",
                now=self._now(),
            )  # fmt: skip

    def scales(self, connection: Connection) -> Sequence[Scale]:
        """All goals with their newest revisions, the primary one first; a further one that has no policy yet is left
        out, and `status` says so. Raises `NotReady` where the primary one has none."""
        held = [_scale(connection, goal) for goal in self._settings.goal_names]
        if held[0] is None or not held[0].rules:
            raise NotReady("the database holds no rules or no policy yet: run `leadgauge migrate`")
        return [scale for scale in held if scale is not None]

    def scale(self, connection: Connection, goal: str) -> Scale:
        """A goal with its newest revisions. Raises `NotReady` where it has no policy."""
        found = next((scale for scale in self.scales(connection) if scale.goal == goal), None)
        if found is None:
            raise NotReady(f"goal {goal} has no policy yet: run `leadgauge migrate`")
        return found

    def policy(self, connection: Connection, goal: str | None = None) -> Policy:
        """The policy in force for a goal (the primary one). Raises `NotReady`."""
        current = revisions.current(connection, "policy", goal or self._settings.goal)
        if current is None:
            raise NotReady(f"goal {goal or self._settings.goal} has no policy yet: run `leadgauge migrate`")
        return policies.parse(current.body)

    def bases(self) -> Sequence[Basis]:
        """What people are scored by now for each goal, the primary one first; made again only when a revision was
        published or a challenger came or went.

        Raises `NotReady`, and `ModelRefused` for a champion of the primary goal that cannot be used: nobody is scored
        by anything else. A further goal's scores stay as they are then, and its history tells.
        """
        with self._engine.connect() as connection:
            held = [(scale, tuple(models.shadowing(connection, scale.goal))) for scale in self.scales(connection)]
        if self._bases[0] != held:
            bases = []
            for scale, watching in held:
                try:
                    challengers = [trained for number in watching if (trained := self._challenger(scale.goal, number))]
                    bases.append(self.basis_of(scale, challengers))
                except ModelRefused:
                    if not bases:
                        raise
            together = self._together(bases)
            if len(bases) < len(held):  # whoever mends the model waits for no restart
                return together
            self._bases = held, together
        return self._bases[1]

    def _together(self, bases: Sequence[Basis]) -> Sequence[Basis]:
        """With the features of the models of all of them, so that these are built once."""
        used = {feature.name: None for basis in bases if basis.features for feature in basis.features}
        features = self._vocabulary.features.only(used) if used else None
        return [replace(basis, features=features) for basis in bases]

    def basis_of(self, scale: Scale, challengers: Sequence[Trained] = ()) -> Basis:
        """What people were scored by under these revisions. Raises `ModelRefused`."""
        from worker.rescoring.basis import Basis

        with self._engine.connect() as connection:
            policy = revisions.get(connection, "policy", scale.goal, scale.policy)
            _, roster = models.champions(connection, scale.goal, scale.champions)
        assert policy is not None, "revisions are never deleted"
        words = self._vocabulary
        champions = {segment: self.model(scale.goal, number) for segment, number in roster.items()}
        _, goal = self._settings.goal_named(scale.goal)
        used = [feature.name for its in (*champions.values(), *challengers) for feature in its.model.features]
        features = words.features.only(dict.fromkeys(used)) if champions or challengers else None
        return Basis(
            scale, self._ruleset(scale), policies.parse(policy.body), goal, champions, challengers, features,
            primary=scale.goal == self._settings.goal, wording=words.wording,
        )  # fmt: skip

    def _ruleset(self, scale: Scale) -> Ruleset:
        """Parsed once a process: a revision never changes."""
        key = (scale.goal, scale.rules)
        if key not in self._rulesets:
            with self._engine.connect() as connection:
                rules = revisions.get(connection, "rules", *key)
            words = self._vocabulary
            read = words.read_rules(rules.body, f"rules revision {scale.rules}") if rules else words.no_rules
            self._rulesets[key] = read
        return self._rulesets[key]

    def drafted(
        self, goal: str, *, policy: Policy | None = None, rules: Ruleset | None = None, model: int | None = None
    ) -> tuple[Basis, Basis]:
        """What scores a goal's people now, and what would with a draft in place of its policy, its rules, or the
        champion of a model's segment. Both have the features of both. Raises `NotReady` and `ModelRefused`."""
        with self._engine.connect() as connection:
            scale = self.scale(connection, goal)
        current = self.basis_of(scale)
        draft = replace(current, policy=policy or current.policy)
        if rules is not None:
            draft = replace(draft, rules=rules, scale=replace(draft.scale, rules=max(1, draft.scale.rules)))
        if model is not None:
            trained = self.model(goal, model)
            draft = replace(draft, champions={**draft.champions, trained.segment: trained})
        used = [f.name for basis in (current, draft) for its in basis.champions.values() for f in its.model.features]
        features = self._vocabulary.features.only(dict.fromkeys(used)) if used else None
        return replace(current, features=features), replace(draft, features=features)

    def model(self, goal: str, number: int) -> Trained:
        """A registered model, checked and loaded once a process. Raises `ModelRefused`, and says so in its history."""
        from worker.rescoring.basis import Trained
        from worker.scoring.rates import Rates
        from worker.training.artefact import check_features, unpack

        if (goal, number) not in self._models:
            what = f"model {number} of goal {goal}"
            with self._engine.connect() as connection:
                artefact = models.stored(connection, goal, number)
                registered = models.get(connection, goal, number)
            if artefact is None or registered is None:
                raise ModelRefused(f"there is no {what}; `leadgauge model list` names those there are")
            try:
                model = unpack(artefact, self.model_key, what)
                check_features(model, {feature.name: feature for feature in self._vocabulary.features}, what)
            except ModelRefused as problem:
                with self._engine.begin() as connection:
                    models.record_unusable(connection, goal, number, str(problem), self._now())
                raise
            converted = registered.manifest.get("data", {}).get("conversions")
            rates = Rates.read(registered.manifest.get("rates"), registered.manifest.get("rule_rates"))
            self._models[goal, number] = Trained(number, model, registered.segment, converted, rates)
        return self._models[goal, number]

    def _challenger(self, goal: str, number: int) -> Trained | None:
        """None for one that cannot be used, which its history tells: whoever only watches stops nobody."""
        from worker.training.registry import brought_scale

        try:
            trained = self.model(goal, number)
        except ModelRefused:
            return None
        with self._engine.connect() as connection:
            return replace(trained, brings=brought_scale(connection, goal, number))

    def shop(self, name: str, overrides: Mapping[str, str], arrow: adbc.Connection) -> Shop:
        """What a training of a goal works with. Raises `ConfigurationError` for a goal that cannot be read."""
        from worker.store import labels
        from worker.training.shop import Shop

        name, goal = self._settings.goal_named(name)
        goal.check(name, self._vocabulary.catalogue.attributes, lines().at)
        with self._engine.connect() as connection:
            until, _ = labels.known_until(connection, [its.name for its in self._settings.sources], self._now())
        return Shop(
            self._engine, arrow, name, goal, self._vocabulary.features,
            lambda number: self.model(name, number).model, self._now, until, self.model_key, overrides,
            self._basis_now(name),
        )  # fmt: skip

    def _basis_now(self, goal: str) -> Basis | None:
        """What scores a goal's people now; None where its champion cannot be used."""
        with self._engine.connect() as connection:
            scale = self.scale(connection, goal)
        try:
            return self.basis_of(scale)
        except ModelRefused:
            return None

    @property
    def model_key(self) -> str | None:
        """What seals models; kept outside the database."""
        return self._settings.model_key.get_secret_value() if self._settings.model_key else None


def _scale(connection: Connection, goal: str) -> Scale | None:
    policy = revisions.current(connection, "policy", goal)
    if policy is None:
        return None
    first = revisions.get(connection, "policy", goal, 1)
    rules = revisions.current(connection, "rules", goal)
    champions, _ = models.champions(connection, goal)
    since = first.created_at if first else None
    return Scale(goal, rules.revision if rules else 0, policy.revision, champions, since)
