"""How writing to one account is held back, as an operator sets it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveInt


class Brakes(BaseModel):
    """Under `writes` of a source. A CRM runs its own automation on every write, so a mistake there costs its people."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dry_run: bool = Field(
        default=False, description="write nothing: what would be written is shown by `leadgauge ledger preview`"
    )
    per_hour: PositiveInt = Field(default=100_000, description="records that are updated in an hour at most")
    per_record: PositiveInt = Field(default=12, description="writes to one record in an hour at most")
    rounds: PositiveInt = Field(
        default=3, description="how often a value is written again that something else has changed, before it stops"
    )
