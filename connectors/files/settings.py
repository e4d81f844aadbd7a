"""How one folder of files is read and where its scores go. Imports neither SQLite nor pyarrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors.brakes import Brakes
from connectors.files.flaw import Flaw
from connectors.files.mapping import load
from connectors.options import further
from connectors.quota import Budget
from connectors.records import Follower, ScoreField

CONTRACT: Mapping[ScoreField, str] = {field: field.value for field in ScoreField}
"""The columns of the scored file, beside `id`."""

KEY = "id"
"""The scored file's first column: the lead's id as in the file that it was read from."""


class FilesSettings(BaseModel):
    """One folder. What its files and columns mean is said by the mapping file (docs/connectors.md)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["files"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")] = Field(
        description="your name for the folder, in every record that comes from it: keep it"
    )
    directory: Path = Field(description="where the files lie")
    mapping: Path = Field(default=Path("mapping.yaml"), description="the mapping file, from `directory` on")
    output: Path = Field(default=Path("scored.csv"), description="a .csv or .parquet file, from `directory` on")
    state: Path | None = Field(
        default=None, description="what was read of the files so far (SQLite); default: beside the output"
    )
    fields: Mapping[ScoreField, str | None] = Field(
        default_factory=lambda: dict(CONTRACT),
        description="columns for the score fields, where they differ; null leaves one out",
    )
    followers: ClassVar[Sequence[Follower]] = ()
    alert: ClassVar[None] = None
    every: timedelta = Field(
        default=timedelta(seconds=30), gt=timedelta(0), description="how often to look for changes"
    )
    writes: Brakes = Field(default=Brakes(), description="how writing to it is held back")
    page_size: Annotated[int, Field(ge=1, le=50_000)] = Field(default=5000, description="rows that are read at once")

    @field_validator("fields", mode="before")
    @classmethod
    def _over_the_contract(cls, given: Any) -> Any:
        """What is named replaces the contract's column, null leaves it out, the rest stays."""
        return {**CONTRACT, **given} if isinstance(given, Mapping) else given

    @field_validator("fields")
    @classmethod
    def _one_each(cls, fields: Mapping[ScoreField, str | None]) -> Mapping[ScoreField, str | None]:
        names = [KEY, *(name for name in fields.values() if name is not None)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} would name more than one column of the scored file")
        return fields

    @field_validator("output")
    @classmethod
    def _known_format(cls, output: Path) -> Path:
        if output.suffix not in (".csv", ".parquet"):
            raise ValueError(f"{output.name!r} must end in .csv or .parquet")
        return output

    def with_goals(self, suffixes: Mapping[str, str]) -> Self:
        """With the places of further goals' score fields, see `further`."""
        fields = further(self.fields, CONTRACT, suffixes, lambda name, suffix: f"{name}_{suffix}")
        return self.model_copy(update={"fields": fields})

    @property
    def mapped(self) -> Mapping[ScoreField, str]:
        """The score fields that the output holds, with their columns there."""
        return {field: name for field, name in self.fields.items() if name is not None}

    @property
    def attributes(self) -> Mapping[str, str]:
        """The attributes that the mapping file names, with their columns; none as long as it is not valid."""
        try:
            mappings = load(self.mapping_file)
        except Flaw:
            return {}
        tables = (mappings.accounts, mappings.leads)
        return {name: each.column for table in tables if table for name, each in table.attributes.items()}

    @property
    def ca_bundle(self) -> None:
        """There is no host to trust."""

    @property
    def mapping_file(self) -> Path:
        return self.directory / self.mapping

    @property
    def output_file(self) -> Path:
        return self.directory / self.output

    @property
    def state_file(self) -> Path:
        return self.directory / (self.state or self.output.with_name(self.output.name + ".state"))

    @property
    def budget(self) -> Budget:
        """Files have no limits."""
        return Budget({})
