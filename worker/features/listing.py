"""`python -m worker.features.listing > docs/features.md`: the catalogue as a page."""

from __future__ import annotations

import sys

from worker.features.engagement import HALF_LIFE, WEIGHTS
from worker.features.feature import Feature
from worker.features.features import Features

_WEIGHTS = ", ".join(f"{kind.value} {weight}" for kind, weight in WEIGHTS.items())
_HEAD = f"""# Features

What a model learns from and scores by. This page is made from the catalogue
(`python -m worker.features.listing > docs/features.md`), and a test keeps it true. Every feature is one small function
in `worker/features`; the same function makes the row of a live score and the row of a training snapshot, each person at
an instant of their own.

**As of an instant.** A fact counts if it had happened and was known by then, and had not been retracted. Where an
attribute is *assumed*, its first known value is taken to have held since the record was made, at instants before the
first score; the leakage report tests that assumption. Null is *missing*, which is a value of its own to every model.

**Who causes it.** What sales does or fills in follows from how good a lead looks. It is *downstream*, and left out of
models by default. `-` means that nobody has said: the leakage report looks at when it is filled.

**Direction.** `up`: more never makes a score lower; `down`: more never makes it higher; the rest is left to the data.

**Machines.** Mail scanners and crawlers open and click too. Three different links within two seconds, an open within
three seconds of the delivery or a click within ten are theirs, unless the source knows times to the minute only. They
are left out and counted in `bot_acts_filtered`, which reasons name; nothing is deleted. `filter_bots: false` counts
them like people's own, and models then need a new training. Rules count what the CRM holds.

**The engagement score** is 100 * (1 - exp(-sum / 30)). An act adds its weight, half of it after {HALF_LIFE.days} days:
{_WEIGHTS}.

**Budget, authority, need and timeline** each have a source and an age: the field that states it; else, for authority, a
job title from director up, and for need the newest demo request, inbound call or form.

**Fields of your own** become features by configuration, named `custom_` and the attribute's name:

```yaml
attributes:
  plan: {{type: text, label: Plan, feature: true, cause: prospect, stable: true}}
```

`cause` is prospect, sales or system (unset: nobody has said), `stable` allows the assumption above. A date becomes the
days since then.
"""


def page() -> str:
    """The text of docs/features.md."""
    features = list(Features.shipped())
    rows = [_row(feature) for feature in features]
    heading = "| name | what it is | family | type | unit | direction | caused by | needs | as of |"
    return (
        f"{_HEAD}\n## The {len(rows)} that come with the product\n\n{heading}\n|{'---|' * 9}\n" + "\n".join(rows) + "\n"
    )


def _row(feature: Feature) -> str:
    direction = {1: "up", -1: "down", 0: ""}[feature.monotone]
    needs = ", ".join(feature.needs) if len(feature.needs) <= 4 else f"{len(feature.needs)} kinds of acts or fields"
    cells = (
        f"`{feature.name}`", feature.label, feature.family, feature.type, feature.unit, direction, feature.cause or "-",
        needs, feature.as_of,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page())
