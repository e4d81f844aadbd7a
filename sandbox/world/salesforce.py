"""Writes the practice world into the practice Salesforce, every record with its true instants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sandbox.salesforce.org import Org
from sandbox.world.campaigns import Campaign
from sandbox.world.moments import Kind, Moment, Progress, Stage
from sandbox.world.people import Person
from sandbox.world.vocabulary import CAMPAIGNS, SALESFORCE_INDUSTRIES

REPS = (("Mara", "Lindqvist"), ("Tom", "Okafor"), ("Irina", "Belova"), ("Luis", "Ferrer"))
"""Sales representatives, users of either CRM."""

_STATUS = {
    Progress.WORKING: "Working - Contacted",
    Progress.CONNECTED: "Working - Contacted",
    Progress.RECYCLED: "Open - Not Contacted",
    Progress.UNQUALIFIED: "Closed - Not Converted",
}
_STAGE = {
    Stage.QUALIFICATION: "Qualification",
    Stage.PROPOSAL: "Proposal/Price Quote",
    Stage.NEGOTIATION: "Negotiation/Review",
    Stage.WON: "Closed Won",
    Stage.LOST: "Closed Lost",
}
_FIELDS = {
    "budget": "Budget__c",
    "timeline": "Timeline__c",
    "need": "Need__c",
    "authority": "Authority__c",
    "discovery_notes": "Discovery_Notes__c",
    "demo_completed": "Demo_Completed__c",
}
_SOURCES = ("Web", "Web", "Purchased List", "Partner Referral", "Phone Inquiry", "Other")


class SalesforceRecorder:
    """Keeps which record is whose while moments come in, in order of time.

    May be made anew on a loaded org: users, accounts and campaigns are found again by name, people are not.
    """

    def __init__(self, org: Org, people: Mapping[int, Person]) -> None:
        self._org = org
        self._people = people
        self.records: dict[int, tuple[str, str]] = {}
        self._deals: dict[int, str] = {}
        self._members: dict[tuple[str, int], str] = {}
        self._accounts: dict[str, str] = {row["Website"]: row["Id"] for row in org.rows("Account") if row["Website"]}
        self._campaigns: dict[str, str] = {row["Name"]: row["Id"] for row in org.rows("Campaign")}
        self._users: dict[str, str] = {row["Username"]: row["Id"] for row in org.rows("User")}
        self._write: dict[Kind, Callable[[Person, datetime, Mapping[str, Any]], None]] = {
            Kind.CREATED: self._created,
            Kind.CAMPAIGN: self._campaign_response,
            Kind.OPTED_OUT: self._opted_out,
            Kind.STATUS: self._status,
            Kind.TASK: self._task,
            Kind.CALL: self._call,
            Kind.SALES_MAIL: self._mail,
            Kind.MEETING: self._meeting,
            Kind.NOTE: self._note,
            Kind.FIELDS: self._fields,
            Kind.DEAL: self._deal,
            Kind.STAGE: self._stage,
            Kind.MERGED: self._merged,
            Kind.DELETED: self._deleted,
            Kind.PURGED: self._purged,
            Kind.ERASED: self._purged,
        }

    def record(self, moment: Moment) -> None:
        """Write what of `moment` Salesforce would know; nothing for people it does not hold (any more)."""
        person = self._people[moment.person]
        write = self._write.get(moment.kind)
        if write and person.in_salesforce and (moment.kind is Kind.CREATED or person.number in self.records):
            write(person, moment.at, moment.detail)

    def user(self, person: Person, at: datetime) -> str:
        """The representative who owns `person`, hired a while before the first record if not there yet."""
        first, last = REPS[person.number % len(REPS)]
        username = f"{first}.{last}@gaugewright.example".lower()
        if username not in self._users:
            user = {"Username": username, "FirstName": first, "LastName": last, "Email": username}
            self._users[username] = self._org.insert("User", user, at=at - timedelta(days=30))
        return self._users[username]

    def _created(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        fields: dict[str, Any] = {
            "FirstName": person.first,
            "LastName": person.last,
            "Title": person.title,
            "Email": person.salesforce_email,
            "Phone": person.phone,
            "LeadSource": _SOURCES[person.number % len(_SOURCES)],
            "OwnerId": self.user(person, at),
        }
        if person.salesforce_object == "Contact":
            fields |= {"AccountId": self._account(person, at), "MailingCountry": person.company.country.name}
        else:
            fields |= {"Company": person.company.name, "Country": person.company.country.name}
            if not person.traits.free_mail:
                fields["Website"] = f"https://www.{person.company.domain}"
            if not person.bare:
                fields |= {
                    "Industry": SALESFORCE_INDUSTRIES[person.company.industry],
                    "NumberOfEmployees": person.company.employees,
                    "AnnualRevenue": person.company.revenue,
                }
        object = person.salesforce_object
        self.records[person.number] = (object, self._org.insert(object, fields, at=at))

    def _account(self, person: Person, at: datetime) -> str:
        company = person.company
        website = f"https://www.{company.domain}"
        if website not in self._accounts:
            fields = {
                "Name": company.name,
                "Industry": SALESFORCE_INDUSTRIES[company.industry],
                "NumberOfEmployees": company.employees,
                "AnnualRevenue": company.revenue,
                "BillingCountry": company.country.name,
                "Website": website,
                "Type": "Prospect",
                "OwnerId": self.user(person, at),
            }
            self._accounts[website] = self._org.insert("Account", fields, at=at)
        return self._accounts[website]

    def _campaign_response(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        campaign: Campaign = detail["campaign"]
        _, response = CAMPAIGNS[campaign.kind]
        key = (self.campaign(campaign), person.number)
        object, id = self.records[person.number]
        status = {"Status": response} if detail["responded"] else {}
        if key in self._members:
            if status:
                self._org.update("CampaignMember", self._members[key], status, at=at)
        else:
            who = {"CampaignId": key[0], f"{object}Id": id}
            self._members[key] = self._org.insert("CampaignMember", {**who, **status}, at=at)
        if detail["told"]:
            self._org.update(object, id, _named(detail["told"]), at=at)

    def campaign(self, campaign: Campaign) -> str:
        """The id of `campaign`, which is made when there is none of that name."""
        if campaign.name not in self._campaigns:
            type, _ = CAMPAIGNS[campaign.kind]
            fields = {
                "Name": campaign.name,
                "Type": type,
                "Status": "In Progress",
                "IsActive": True,
                "StartDate": campaign.starts_at.date(),
            }
            self._campaigns[campaign.name] = self._org.insert("Campaign", fields, at=campaign.starts_at)
        return self._campaigns[campaign.name]

    def _opted_out(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        self._change(person, {"HasOptedOutOfEmail": True}, at, by=None)

    def _status(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        if self.records[person.number][0] == "Lead":
            self._change(person, {"Status": _STATUS[detail["status"]]}, at, by=self.user(person, at))

    def _task(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        self._log(person, at, {"Subject": detail["subject"], "Type": "Other"})

    def _call(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        call = {
            "Subject": "Call",
            "TaskSubtype": "Call",
            "Type": "Call",
            "CallType": "Outbound",
            "CallDurationInSeconds": 60 * detail["minutes"],
            "CallDisposition": "Connected" if detail["connected"] else "No answer",
        }
        self._log(person, at, call)

    def _mail(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        """An e-mail is a Task, an EmailMessage on it, and a relation to each of the two people (Enhanced Email)."""
        rep, incoming = self.user(person, at), detail["incoming"]
        task = self._log(
            person, at, {"Subject": f"Email: {detail['subject']}", "TaskSubtype": "Email", "Type": "Email"}
        )
        ours, theirs = f"sales-{person.number % len(REPS)}@gaugewright.example", person.salesforce_email
        message = {
            "ActivityId": task,
            "Subject": detail["subject"],
            "FromAddress": theirs if incoming else ours,
            "ToAddress": ours if incoming else theirs,
            "Incoming": incoming,
            "MessageDate": at,
            "Status": "1" if incoming else "3",
        }
        id = self._org.insert("EmailMessage", message, at=at, by=rep)
        roles = ("ToAddress", "FromAddress") if incoming else ("FromAddress", "ToAddress")
        parties = ((rep, ours, roles[0]), (self.records[person.number][1], theirs, roles[1]))
        for party, address, role in parties:
            relation = {"EmailMessageId": id, "RelationId": party, "RelationType": role, "RelationAddress": address}
            self._org.insert("EmailMessageRelation", relation, at=at, by=rep)

    def _meeting(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        rep = self.user(person, at)
        event = {
            "Subject": detail["subject"],
            "Type": "Demo" if "demo" in detail["subject"].lower() else "Meeting",
            "StartDateTime": at,
            "DurationInMinutes": detail["minutes"],
            **self._about(person),
            "OwnerId": rep,
        }
        booked = max(at - timedelta(hours=3), person.created_at)
        self._org.insert("Event", event, at=booked, by=rep)

    def _note(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        self._log(person, at, {"Subject": "Note", "Type": "Other", "Description": detail["text"]})

    def _fields(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        if fields := _named(detail):
            self._change(person, fields, at, by=self.user(person, at))

    def _deal(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        rep = self.user(person, at)
        object, id = self.records[person.number]
        terms = {"Amount": detail["amount"], "CloseDate": (at + timedelta(days=30)).date()}
        if object == "Lead":
            made = self._org.convert(id, account=self._account(person, at), opportunity=detail["name"], at=at, by=rep)
            assert made.opportunity is not None
            self.records[person.number] = ("Contact", made.contact)
            self._deals[person.number] = made.opportunity
            self._org.update("Opportunity", made.opportunity, {**terms, "StageName": "Qualification"}, at=at, by=rep)
            return
        deal = {
            "Name": detail["name"],
            "AccountId": self._account(person, at),
            "ContactId": id,
            "StageName": "Qualification",
            "OwnerId": rep,
            **terms,
        }
        self._deals[person.number] = self._org.insert("Opportunity", deal, at=at, by=rep)

    def _stage(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        stage, rep = detail["stage"], self.user(person, at)
        change: dict[str, Any] = {"StageName": _STAGE[stage]}
        if stage in (Stage.WON, Stage.LOST):
            change["CloseDate"] = at.date()
        if detail["reason"]:
            change["Description"] = f"Lost: {detail['reason']}"
        self._org.update("Opportunity", self._deals[person.number], change, at=at, by=rep)
        if stage is Stage.WON:
            self._org.update("Account", self._account(person, at), {"Type": "Customer - Direct"}, at=at, by=rep)

    def _merged(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        object, id = self.records[person.number]
        kept_object, kept = self.records.get(detail["into"], ("", ""))
        if object == kept_object:
            self._org.merge(object, kept, [id], at=at, by=self.user(person, at))
            del self.records[person.number]

    def _deleted(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        self._org.delete(*self.records.pop(person.number), at=at)

    def _purged(self, person: Person, at: datetime, detail: Mapping[str, Any]) -> None:
        self._org.delete(*self.records.pop(person.number), at=at, purge=True)

    def _change(self, person: Person, fields: Mapping[str, Any], at: datetime, *, by: str | None) -> None:
        self._org.update(*self.records[person.number], fields, at=at, by=by)

    def _log(self, person: Person, at: datetime, fields: Mapping[str, Any]) -> str:
        rep = self.user(person, at)
        done = {"Status": "Completed", "ActivityDate": self._org.local_day(at), **self._about(person), "OwnerId": rep}
        return self._org.insert("Task", {**done, **fields}, at=at, by=rep)

    def _about(self, person: Person) -> dict[str, str]:
        about = {"WhoId": self.records[person.number][1]}
        if person.number in self._deals:
            about["WhatId"] = self._deals[person.number]
        return about


def _named(told: Mapping[str, Any]) -> dict[str, Any]:
    named = {_FIELDS[name]: value for name, value in told.items() if name in _FIELDS}
    if "Budget__c" in named:
        named["Budget__c"] = float(named["Budget__c"])
    return named
