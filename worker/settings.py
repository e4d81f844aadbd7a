"""The configuration, and the only place that reads the environment.

Order: `LEADGAUGE_*` environment variables, then files in the secrets directory, then the YAML file that
`LEADGAUGE_CONFIG` names (else `leadgauge.yaml` in the working directory). Secrets of CRM accounts are named by place
(`{env: ...}` or `{file: ...}`), never written down.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)

from connectors.catalog import SourceSettings

SECRETS = Path("/run/secrets")
DEMO_FILE = Path(".leadgauge/demo/leadgauge.yaml")


class ConfigurationError(Exception):
    """The configuration cannot be used. The text says where, what, and what is allowed."""


class CustomAttribute(BaseModel):
    """A field of yours that rules may use: map it under the source's `attributes`, and say here what it holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["number", "text", "flag", "date"]
    label: str = ""


class Settings(BaseSettings):
    """What an operator sets. Times are seconds or ISO 8601 durations."""

    model_config = SettingsConfigDict(env_prefix="LEADGAUGE_", extra="forbid", frozen=True)

    config: Path | None = Field(default=None, description="The YAML file with everything below.")
    home: Path = Field(default=Path(".leadgauge"), description="Where embedded servers and heartbeat files live.")
    database_url: SecretStr | None = Field(default=None, description="PostgreSQL 16-18. Unset: the embedded server.")
    redis_url: SecretStr | None = Field(default=None, description="Redis or Valkey. Unset: the embedded server.")
    broker_url: SecretStr | None = Field(
        default=None, description="Redis as Celery spells it, where that differs (unix sockets). Unset: redis_url."
    )
    token_key: SecretStr | None = Field(default=None, description="Fernet key that encrypts CRM tokens kept in Redis.")
    sources: tuple[Annotated[SourceSettings, Field(discriminator="kind")], ...] = Field(
        default=(), description="The CRM accounts, any number of each kind."
    )
    attributes: Mapping[str, CustomAttribute] = Field(
        default_factory=dict, description="Attributes beyond the shipped ones, by the name that rules use."
    )
    goal: str = Field(default="default", pattern=r"^[a-z][a-z0-9_]{0,30}$", description="The primary goal's name.")
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
        default=timedelta(seconds=20),
        ge=timedelta(0),
        description="How long an accepted write may wait to be seen in a pull before it is read back.",
    )
    clock: AwareDatetime | None = Field(default=None, description="Hold the clock at this instant (tests, replays).")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    log_json: bool = Field(default=False, description="One JSON object a line instead of text.")

    @field_validator("sources")
    @classmethod
    def _distinct_names(cls, sources: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
        names = [source.name for source in sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two sources are named {twice[0]!r}; every CRM account needs a name of its own")
        return sources

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
        file = (YamlConfigSettingsSource(settings_cls, yaml_file=path),) if path else ()
        return (init_settings, env_settings, file_secret_settings, *file)


def config_file() -> Path | None:
    """The YAML file that is read: the one named, else `leadgauge.yaml` here, else what `leadgauge demo` wrote here."""
    if named := os.environ.get("LEADGAUGE_CONFIG"):
        return Path(named)
    return next((path for path in (Path("leadgauge.yaml"), DEMO_FILE) if path.is_file()), None)


def load() -> Settings:
    """Read the configuration. Raises `ConfigurationError` with one line for each thing that is wrong."""
    path = config_file()
    if path and not path.is_file():
        raise ConfigurationError(f"LEADGAUGE_CONFIG names {path}, which is not a file")
    try:
        return Settings(_secrets_dir=SECRETS if SECRETS.is_dir() else None)
    except ValidationError as problem:
        lines = [f"{_place(error['loc'], path)}: {error['msg']}" for error in problem.errors(include_input=False)]
        raise ConfigurationError("\n".join(lines)) from None
    except yaml.YAMLError as problem:
        raise ConfigurationError(f"{path}: not valid YAML: {' '.join(str(problem).split())}") from None
    except SettingsError as problem:
        raise ConfigurationError(str(problem)) from None


def _place(location: tuple[int | str, ...], path: Path | None) -> str:
    name = ".".join(map(str, location))
    return f"{path}, or the environment: {name}" if path else f"LEADGAUGE_{name.upper()}"
