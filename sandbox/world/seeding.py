"""Writes a generated world into both practice CRMs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sandbox.hubspot.portal import Portal
from sandbox.salesforce.org import Org
from sandbox.world.history import World
from sandbox.world.hubspot import HubspotRecorder
from sandbox.world.moments import Moment
from sandbox.world.people import Person
from sandbox.world.salesforce import SalesforceRecorder

Elsewhere = Callable[[Person, Moment], bool]


def nowhere(person: Person, moment: Moment) -> bool:
    """Nothing is recorded elsewhere."""
    return False


def seed(world: World, org: Org, portal: Portal, elsewhere: Elsewhere = nowhere) -> Mapping[int, tuple[str, str]]:
    """Insert everything in order of time, so that ids, stamps and histories come out as they would have by living.

    What is recorded `elsewhere` leaves no trace in HubSpot. Returns the object and id in Salesforce, by person.
    """
    people = {person.number: person for person in world.people}
    salesforce = SalesforceRecorder(org, people)
    hubspot = HubspotRecorder(portal, people, salesforce.records, world.now)
    for moment in world.moments:
        salesforce.record(moment)
        if not elsewhere(people[moment.person], moment):
            hubspot.record(moment)
    return salesforce.records
