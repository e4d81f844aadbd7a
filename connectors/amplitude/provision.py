"""Making what the field contract needs in an Amplitude project: the cohorts. User properties come with the first write.

Amplitude makes no cohort without members. So it is made with a user who is found, and who is taken out again at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from connectors.amplitude.cohorts import Cohorts, change
from connectors.amplitude.session import Session
from connectors.amplitude.settings import AmplitudeSettings
from connectors.errors import CrmError
from connectors.provisioning import Deed, Step
from connectors.quota import Lane
from connectors.understood import ODD

_LANE = Lane.INBOUND
_WHERE = "cohorts"
_BEGINNINGS = "1ua2e35c46b789d0fghijklmnopqrstvwxyz"
"""What ids of users begin with, the likelier ones first: one call in ten seconds may ask."""


class Provision:
    """One project."""

    def __init__(self, settings: AmplitudeSettings, session: Session, cohorts: Cohorts) -> None:
        self._settings, self._session, self._cohorts = settings, session, cohorts

    def steps(self, *, dry_run: bool) -> Iterator[Step]:
        """Each cohort. Raises nothing of the project's."""
        note = "Amplitude makes them with the first write; they show in charts from each user's next event on"
        yield Step("users", f"{len(self._settings.mapped)} user properties", Deed.THERE, note)
        if not self._settings.cohorts:
            return
        try:
            there = self._cohorts.ids(_LANE, fresh=True)
            for name in self._settings.cohorts.values():
                yield Step(_WHERE, repr(name), Deed.THERE) if name in there else self._made(name, dry_run)
            self._cohorts.ids(_LANE, fresh=True)
        except CrmError as problem:
            yield Step(_WHERE, "all", Deed.FAILED, problem.message)
        except ODD:
            yield Step(_WHERE, "all", Deed.FAILED, "an answer is not of the expected shape")

    def _made(self, name: str, dry_run: bool) -> Step:
        what, owner = repr(name), self._settings.cohort_owner
        if owner is None:
            return Step(_WHERE, what, Deed.FAILED, "a cohort needs an owner: name an Amplitude login as `cohort_owner`")
        if dry_run:
            return Step(_WHERE, what, Deed.WOULD)
        if (somebody := self._somebody) is None:
            return Step(
                _WHERE, what, Deed.FAILED, "Amplitude makes no empty cohort, and no user was found to begin with"
            )
        made = self._session.upload(
            {"name": name, "app_id": self._settings.project, "id_type": "BY_USER_ID", "ids": [somebody],
             "owner": owner, "published": True},
            _LANE,
        )  # fmt: skip
        self._session.membership(made, [change([somebody], "REMOVE")], _LANE)
        return Step(_WHERE, what, Deed.MADE)

    @cached_property
    def _somebody(self) -> str | None:
        for text in _BEGINNINGS:
            for match in self._session.search(text, _LANE):
                if user := match.get("user_id"):
                    return str(user)
        return None
