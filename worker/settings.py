"""The configuration, and the only place that reads the environment.

Order: `LEADGAUGE_*` environment variables, then files in the secrets directory, then the YAML file that
`LEADGAUGE_CONFIG` names (else `leadgauge.yaml` in the working directory). Secrets of CRM accounts are named by place
(`{env: ...}` or `{file: ...}`), never written down.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from connectors.catalog import SourceSettings
from connectors.records import Cause
from connectors.secret import secrets_of
from worker.console_settings import ConsoleSettings, WebAddress
from worker.lines import Lines
from worker.training.goal import Goal

LAYOUT = 1
"""Of the configuration file: grows when what a setting means changes, not when one is added."""
SECRETS = Path("/run/secrets")
DEMO_FILE = Path(".leadgauge/demo/leadgauge.yaml")


class ConfigurationError(Exception):
    """The configuration cannot be used. The text says where, what, and what is allowed."""


class CustomAttribute(BaseModel):
    """A field of yours that rules may use: map it under the source's `attributes`, and say here what it holds.

    `feature`: models may learn from it. `cause`: who fills it; what sales fills is left out of models of who buys.
    `stable`: where its past is not known, its first known value is assumed to have held from the beginning.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["number", "text", "flag", "date"]
    label: str = ""
    feature: bool = False
    cause: Cause | None = None
    stable: bool = False


class Retention(BaseModel):
    """How long what is kept; unset: for ever. `ledger`: closed writes but for each record's newest. `history`: scores
    of the past. `deleted`: people whose record was deleted in its CRM so long ago. `audit`: what was changed in the
    console."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ledger: Annotated[timedelta, Field(ge=timedelta(days=30))] | None = timedelta(days=400)
    history: Annotated[timedelta, Field(ge=timedelta(days=30))] | None = None
    activities: Annotated[timedelta, Field(ge=timedelta(days=180))] | None = None
    deleted: Annotated[timedelta, Field(ge=timedelta(days=1))] | None = None
    audit: Annotated[timedelta, Field(ge=timedelta(days=30))] | None = None


class Settings(BaseSettings):
    """What an operator sets. Times are seconds or ISO 8601 durations."""

    model_config = SettingsConfigDict(env_prefix="LEADGAUGE_", extra="forbid", frozen=True)

    config: Path | None = Field(default=None, description="The YAML file with everything below.")
    layout: int = Field(default=1, description="Of that file. A later one is refused, not half understood.")
    home: Path = Field(default=Path(".leadgauge"), description="Where embedded servers and heartbeat files live.")
    database_url: SecretStr | None = Field(default=None, description="PostgreSQL 16-18. Unset: the embedded server.")
    redis_url: SecretStr | None = Field(default=None, description="Redis or Valkey. Unset: the embedded server.")
    broker_url: SecretStr | None = Field(
        default=None, description="Redis as Celery spells it, where that differs (unix sockets). Unset: redis_url."
    )
    token_key: SecretStr | None = Field(
        default=None,
        description="Encrypts the CRM tokens that are kept in Redis: a Fernet key, or several with commas between "
        "them, of which the first encrypts and all decrypt. Unset: each machine has one of its own in `home`, and "
        "logs in itself.",
    )
    model_key: SecretStr | None = Field(
        default=None, description="Seals trained models; unsealed or foreign ones are refused. Any long random text."
    )
    training_time: timedelta = Field(
        default=timedelta(hours=2), gt=timedelta(0), description="How long a training may take before it is ended."
    )
    training_memory: int = Field(default=4096, ge=256, description="MiB of memory that a training may take (Linux).")
    goal: str = Field(default="default", pattern=r"^[a-z][a-z0-9_]{0,30}$", description="The primary goal's name.")
    goals: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")], Goal] = Field(
        default_factory=dict,
        description="What counts as converted, for whom, within how many days, by name. Unset: a deal won in 90 days.",
    )
    sources: tuple[Annotated[SourceSettings, Field(discriminator="kind")], ...] = Field(
        default=(), description="The CRM accounts, any number of each kind."
    )
    attributes: Mapping[str, CustomAttribute] = Field(
        default_factory=dict, description="Attributes beyond the shipped ones, by the name that rules use."
    )
    filter_bots: bool = Field(
        default=True, description="Models do not count what mail scanners and crawlers do. Changed: train anew."
    )
    language: Literal["en", "ru"] = Field(default="en", description="What reasons are said in.")
    wording: Path | None = Field(
        default=None, description="A YAML file of sentences in place of the shipped ones (docs/scoring.md)."
    )
    rules_file: Path | None = Field(default=None, description="Rules published when the database has none yet.")
    partitions: int = Field(default=8, ge=1, le=1024, description="Shares that the people are split in for scoring.")
    plan_every: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0), description="How often beat plans.")
    rescore_every: timedelta = Field(
        default=timedelta(hours=24), gt=timedelta(0), description="How long a score may stand when nothing happens."
    )
    lease: timedelta = Field(
        default=timedelta(seconds=120),
        gt=timedelta(0),
        description="How long a killed worker keeps a stream from the others. Longer than the longest call.",
    )
    verify_after: timedelta = Field(
        default=timedelta(seconds=45),  # longer than from one look at people to the next: else each write costs a call
        ge=timedelta(0),
        description="How long an accepted write may wait to be seen in a pull before it is read back.",
    )
    console_url: WebAddress | None = Field(
        default=None,
        description="Where people reach the console. Set: reasons in the CRM lead to a lead's page, where "
        "there is room.",
    )
    console: ConsoleSettings = Field(default=ConsoleSettings(), description="Who may use the console, and how long.")
    retention: Retention = Field(
        default=Retention(),
        description="How long closed writes, score history, activities, people deleted in their CRM, and the console's"
        " audit are kept (docs/reliability.md).",
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        description="Who brings it may read the console's /metrics. Unset: this machine alone. Any long random text.",
    )
    otlp_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^@\s]+$",
        description="Where traces go (OpenTelemetry over HTTP), as in http://collector:4318. Needs the extra `otel`.",
    )
    sentry_dsn: SecretStr | None = Field(
        default=None, description="Where errors go (Sentry): types and places, no data. Needs the extra `sentry`."
    )
    clock: AwareDatetime | None = Field(default=None, description="Hold the clock at this instant (tests, replays).")
    log_level: str = Field(
        default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR."
    )
    log_json: bool = Field(default=False, description="One JSON object a line instead of text.")

    @field_validator("training_time", "plan_every", "rescore_every", "lease", "verify_after", mode="before")
    @classmethod
    def _seconds(cls, time: Any) -> Any:
        """A variable and a file hold text, also where seconds are meant."""
        return float(time) if isinstance(time, str) and time.strip().replace(".", "", 1).isdecimal() else time

    @field_validator("layout")
    @classmethod
    def _known_layout(cls, layout: int) -> int:
        if layout != LAYOUT:
            raise ValueError(f"is {layout}, and this version reads {LAYOUT}; CHANGELOG.md tells what has changed")
        return layout

    @field_validator("sources")
    @classmethod
    def _fields_of_goals(cls, sources: tuple[SourceSettings, ...], given: ValidationInfo) -> tuple[SourceSettings, ...]:
        """Each account with the fields of all goals. One that is misspelt would be written by nobody."""
        primary, goals = given.data.get("goal"), given.data.get("goals")
        if primary is None or goals is None:  # which has been told
            return sources
        further = {name: goal for name, goal in goals.items() if name != primary}
        suffixes = {name: goal.field_suffix for name, goal in further.items() if goal.field_suffix}
        completed = tuple(source.with_goals(suffixes) for source in sources)
        for source in completed:
            if strange := sorted({field.goal for field in source.fields if field.goal} - further.keys()):
                why = "is the primary one, whose fields have no goal's name" if strange[0] == primary else "is none"
                raise ValueError(f"{source.name}: `fields` names the goal {strange[0]!r}, which {why}")
            names = [name for name in source.fields.values() if name is not None]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{source.name}: {twice[0]} would hold more than one score field")
        return completed

    @field_validator("sources")
    @classmethod
    def _distinct_names(cls, sources: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
        names = [source.name for source in sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two sources are named {twice[0]!r}; every CRM account needs a name of its own")
        return sources

    @field_validator("sources")
    @classmethod
    def _linked_orgs(cls, sources: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
        """An account whose org is misspelt would link nobody, and say nothing."""
        orgs = [source.name for source in sources if source.kind == "salesforce"]
        for source in sources:
            if (org := getattr(source, "salesforce", None)) not in (None, *orgs):
                there = f"there are {', '.join(orgs)}" if orgs else "there is none"
                raise ValueError(f"{source.name} names the Salesforce org {org!r}, which no source is; {there}")
        return sources

    def unreadable_secrets(self) -> Mapping[str, str]:
        """By source, which of its secrets cannot be read and why: a CRM that is asked with none says something else."""
        wrong: dict[str, str] = {}
        for i, source in enumerate(self.sources):
            for name, ref in secrets_of(source):
                try:
                    ref.read()
                except LookupError as problem:
                    what = f"`sources.{i}.{name}`: {problem}"
                    wrong[source.name] = "; ".join(filter(None, (wrong.get(source.name), what)))
        return wrong

    @field_validator("goals")
    @classmethod
    def _primary_goal(cls, goals: Mapping[str, Goal], given: ValidationInfo) -> Mapping[str, Goal]:
        primary = given.data.get("goal")
        if goals and primary and primary not in goals:
            raise ValueError(f"does not define the primary goal {primary!r}; set `goal` to one of {', '.join(goals)}")
        if goals and primary and goals[primary].field_suffix:
            raise ValueError(f"{primary} is the primary goal, whose fields have no suffix; leave `field_suffix` out")
        return goals

    @property
    def goal_names(self) -> Sequence[str]:
        """All goals, the primary one first."""
        return [self.goal, *(name for name in self.goals if name != self.goal)]

    def goal_named(self, name: str | None) -> tuple[str, Goal]:
        """A goal and its name; without one, the primary goal. Raises `ConfigurationError` for an unknown one."""
        wanted = name or self.goal
        if not self.goals and wanted == self.goal:
            return wanted, Goal()
        if wanted not in self.goals:
            raise ConfigurationError(f"no goal is named {wanted!r}; there are: {', '.join(self.goals or (self.goal,))}")
        return wanted, self.goals[wanted]

    @field_validator("broker_url")
    @classmethod
    def _redis_to_celery(cls, url: SecretStr | None) -> SecretStr | None:
        """Celery takes anything for an address, and a name for one of RabbitMQ."""
        if url is not None and not url.get_secret_value().startswith(("redis://", "rediss://", "redis+socket://")):
            raise ValueError("must start with redis://, rediss:// or redis+socket://")
        return url

    @field_validator("model_key", "metrics_token")
    @classmethod
    def _long_key(cls, key: SecretStr | None, given: ValidationInfo) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < 32:
            what = "seal anything" if given.field_name == "model_key" else "keep anybody out"
            raise ValueError(f"is too short to {what}; make one: openssl rand -hex 32")
        return key

    @field_validator("token_key")
    @classmethod
    def _fernet_keys(cls, given: SecretStr | None) -> SecretStr | None:
        try:
            for key in _parts(given):
                if len(base64.urlsafe_b64decode(key)) != 32:
                    raise ValueError
        except (binascii.Error, ValueError):
            raise ValueError(
                "is no Fernet key; make one: python -c 'from cryptography.fernet import Fernet; "
                "print(Fernet.generate_key().decode())'"
            ) from None
        return given

    @property
    def token_keys(self) -> Sequence[bytes]:
        """What encrypts CRM tokens, the newest key first; none where none is configured."""
        return _parts(self.token_key)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = config_file()
        file = (InitSettingsSource(settings_cls, _read(path)),) if path else ()
        return (init_settings, env_settings, file_secret_settings, *file)


def _parts(keys: SecretStr | None) -> Sequence[bytes]:
    return [] if keys is None else [key.strip().encode() for key in keys.get_secret_value().split(",")]


def config_file() -> Path | None:
    """The YAML file that is read: the one named, else `leadgauge.yaml` here, else what `leadgauge demo` wrote here."""
    if named := os.environ.get("LEADGAUGE_CONFIG"):
        return Path(named)
    return next((path for path in (Path("leadgauge.yaml"), DEMO_FILE) if path.is_file()), None)


def lines() -> Lines:
    """Of the configuration file."""
    return Lines.of(config_file())


def told(source: str, option: str, what: str) -> str:
    """What is wrong with an option of a source, with the line of the file where it stands."""
    return f"{lines().of_option(source, option)}: {source}: {option}: {what}"


def load() -> Settings:
    """Read the configuration. Raises `ConfigurationError` with one line for each thing that is wrong."""
    path = config_file()
    try:
        return Settings(_secrets_dir=SECRETS if SECRETS.is_dir() else None)
    except ValidationError as problem:
        file = Lines.of(path)
        wrong = [_line(error, file) for error in problem.errors(include_input=False, include_url=False)]
        raise ConfigurationError("\n".join(wrong)) from None
    except SettingsError as problem:
        raise ConfigurationError(f"{problem}: a list or mapping in the environment is written as JSON") from None


class _Alone(Settings):
    """Of what is given, whatever the environment and its files say."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *others: Any, **more: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def parse(text: str, path: Path) -> Settings:
    """The settings of a file that is yet to be written. Raises `ConfigurationError` like `load`."""
    try:
        return _Alone(**(yaml.safe_load(text) or {}))
    except ValidationError as problem:
        file = Lines(path, yaml.compose(text, yaml.SafeLoader))
        wrong = [_line(error, file) for error in problem.errors(include_input=False, include_url=False)]
        raise ConfigurationError("\n".join(wrong)) from None


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigurationError(f"LEADGAUGE_CONFIG names {path}, which is not a file")
    try:
        body = yaml.safe_load(path.read_text("utf-8"))
    except OSError as problem:
        raise ConfigurationError(f"{path} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise ConfigurationError(f"{path} is not UTF-8 text: byte {problem.start} is wrong") from None
    except yaml.YAMLError as problem:
        raise ConfigurationError(f"{path} is not valid YAML: {_at(problem)}") from None
    if not isinstance(body, dict | None) or not all(isinstance(key, str) for key in body or ()):
        raise ConfigurationError(f"{path} must be a mapping of settings, as in `plan_every: 10`")
    return body or {}


def _at(problem: yaml.YAMLError) -> str:
    """Where and what, without the lines around it: they may hold anything."""
    mark, what = getattr(problem, "problem_mark", None), getattr(problem, "problem", None)
    return f"line {mark.line + 1}, column {mark.column + 1}: {what}" if mark and what else "it cannot be parsed"


_DURATION = "is no length of time; write seconds, or ISO 8601 as in PT30S"
_PLAIN: Mapping[str, str] = {
    "missing": "is missing",
    "extra_forbidden": "is no setting",
    "time_delta_parsing": _DURATION,
    "time_delta_type": _DURATION,
    "union_tag_not_found": "needs {discriminator}, which says what the rest means",
    "union_tag_invalid": "has {discriminator} {tag!r}, which is none of {expected_tags}",
    "model_type": "must be a mapping, as in `name: value`",
    "model_attributes_type": "must be a mapping, as in `name: value`",
    "dict_type": "must be a mapping, as in `name: value`",
    "mapping_type": "must be a mapping, as in `name: value`",
    "tuple_type": "must be a list",
    "date_from_datetime_parsing": "is no date; write it as in 2026-01-31",
    "date_type": "is no date; write it as in 2026-01-31",
}
"""What is wrong by the type of the validation error, where its own text speaks to programmers."""


def _line(error: Mapping[str, Any], file: Lines) -> str:
    """Where, which setting, what is wrong, what is allowed."""
    place = _place(error["loc"])
    name = ".".join(map(str, place))
    own = error["msg"].removeprefix("Value error, ").removeprefix("Input ").removeprefix("String ")
    what = _PLAIN[error["type"]].format(**error.get("ctx", {})) if error["type"] in _PLAIN else own
    if error["type"] == "extra_forbidden" and (close := difflib.get_close_matches(name, Settings.model_fields, 1)):
        what += f"; did you mean `{close[0]}`?"
    if not place:
        return f"{file.file}: `{name}` {what}"
    variable = f"LEADGAUGE_{str(place[0]).upper()}"
    option = what.partition(" ")[0].rstrip(":").split(".")  # what is wrong with a source as a whole begins with it
    where = variable if variable in os.environ or not file.file else file.at((*place, *option))
    return f"{where}: `{name}` {what}"


def _place(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The setting's place as it is written: without the kinds that the validation passed through."""
    tags: set[int] = set()
    if location[:1] == ("sources",):
        tags = {2, *((4,) if location[3:4] == ("auth",) else ())}
    elif location[:1] == ("goals",) and location[2:3] == ("event",):
        tags = {3}
    return tuple(part for i, part in enumerate(location) if i not in tags and part != "[key]")
