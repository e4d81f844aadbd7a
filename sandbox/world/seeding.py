"""Writes a generated world into both practice CRMs."""

from __future__ import annotations

from sandbox.hubspot.portal import Portal
from sandbox.salesforce.org import Org
from sandbox.world.history import World
from sandbox.world.hubspot import HubspotRecorder
from sandbox.world.salesforce import SalesforceRecorder


def seed(world: World, org: Org, portal: Portal) -> None:
    """Insert everything in order of time, so that ids, stamps and histories come out as they would have by living."""
    people = {person.number: person for person in world.people}
    salesforce = SalesforceRecorder(org, people)
    hubspot = HubspotRecorder(portal, people, salesforce.records, world.now)
    for moment in world.moments:
        salesforce.record(moment)
        hubspot.record(moment)
