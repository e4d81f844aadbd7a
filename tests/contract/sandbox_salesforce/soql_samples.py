"""Queries to try a SOQL parser on: those that clients emit, and made-up ones, well-formed and spoilt."""

from __future__ import annotations

from random import Random

# By simple-salesforce, jsforce, singer's and Airbyte's connectors, this project's, and the developer guide's examples.
CLIENTS = (
    "SELECT Id FROM Lead",
    "select Id, Email from Lead where Email != null limit 10",
    "SELECT Id, Owner.Name FROM Lead WHERE SystemModstamp >= 2026-01-02T03:04:05Z ORDER BY SystemModstamp ASC",
    "SELECT Id FROM Lead WHERE SystemModstamp > 2026-01-02T03:04:05.000+0000 AND SystemModstamp <= 2026-01-03T00:00:00Z"
    " LIMIT 2000",
    "SELECT Id FROM Lead WHERE (SystemModstamp = 2026-01-02T03:04:05.000Z AND Id > '00Q000000000001') OR"
    " SystemModstamp > 2026-01-02T03:04:05.000Z ORDER BY SystemModstamp, Id LIMIT 2000",
    "SELECT Id, IsDeleted, MasterRecordId FROM Contact WHERE IsDeleted = true",
    "SELECT COUNT() FROM Lead",
    "SELECT COUNT(Id) FROM Lead WHERE IsConverted = false",
    "SELECT COUNT(Id) total, MAX(SystemModstamp) newest FROM Task",
    "SELECT Status, COUNT(Id) n FROM Lead GROUP BY Status ORDER BY COUNT(Id) DESC",
    "SELECT Id, (SELECT Id, Subject FROM Tasks ORDER BY CreatedDate DESC LIMIT 5) FROM Lead",
    "SELECT Id FROM Lead WHERE Id IN (SELECT LeadId FROM CampaignMember WHERE Campaign.Name = 'Webinar')",
    "SELECT Id FROM Lead WHERE Id NOT IN (SELECT WhoId FROM Task)",
    "SELECT Id FROM Lead WHERE Email IN ('a@b.example', 'c@d.example')",
    "SELECT Id FROM Lead WHERE Status NOT IN ('Open', 'Closed')",
    "SELECT Id FROM Lead WHERE LastName LIKE 'O\\'Ne%'",
    "SELECT Id FROM Lead WHERE NOT LastName = 'x'",
    "SELECT Id FROM Lead WHERE (NOT LastName = 'x') AND Rating = 'Hot'",
    "SELECT Id FROM Lead WHERE CreatedDate = LAST_N_DAYS:30",
    "SELECT Id FROM Lead WHERE CreatedDate >= YESTERDAY AND CreatedDate < TODAY",
    "SELECT Id FROM Opportunity WHERE CloseDate = 2026-01-31 AND Amount > 1000.50",
    "SELECT Id FROM Opportunity WHERE Amount >= 1e6 OR Amount = -5",
    "SELECT Id FROM Lead WHERE Interests__c INCLUDES ('A;B', 'C')",
    "SELECT Id FROM Lead WHERE Interests__c EXCLUDES ('A')",
    "SELECT l.Id, l.LastName FROM Lead l WHERE l.IsConverted = false",
    "SELECT Id, Who.Type, Who.Name, Account.Owner.Manager.Name FROM Task",
    "SELECT FIELDS(ALL) FROM Lead LIMIT 200",
    "SELECT FIELDS(STANDARD) FROM Lead",
    "SELECT Id FROM Lead ORDER BY LastName DESC NULLS LAST, Id ASC NULLS FIRST LIMIT 10 OFFSET 20",
    "SELECT DAY_ONLY(CreatedDate), COUNT(Id) FROM Lead GROUP BY DAY_ONLY(CreatedDate)",
    "SELECT CALENDAR_YEAR(CreatedDate) y FROM Lead GROUP BY CALENDAR_YEAR(CreatedDate)",
    "SELECT Id\nFROM Lead\nWHERE LastName = 'a\\nb'\tLIMIT 1",
    "SELECT Id FROM Lead WHERE LastName = ''",
    "SELECT Id FROM Lead WHERE a = 1 AND b = 2 OR c = 3",
    "SELECT Id FROM Lead WHERE NOT a = 1 AND b = 2",
    "SELECT Id FROM Lead WHERE a = 1 AND (b = 2 OR c = 3)",
    "SELECT Id FROM Lead WHERE ((a = 1))",
    "SELECT Id FROM Lead WHERE a <> 1",
    "SELECT TYPEOF What WHEN Account THEN Phone ELSE Name END FROM Event",
    "SELECT Name, COUNT(Id) FROM Account GROUP BY Name HAVING COUNT(Id) > 1",
    "SELECT LeadSource, COUNT(Name) FROM Lead GROUP BY ROLLUP(LeadSource)",
    "SELECT Id FROM Lead USING SCOPE mine",
    "SELECT Id FROM Lead FOR VIEW",
    "SELECT Id FROM Lead FOR UPDATE",
    "SELECT Id FROM Lead ALL ROWS",
    "SELECT toLabel(Status) FROM Lead",
    "SELECT FORMAT(Amount) a FROM Opportunity",
    "SELECT convertCurrency(Amount) FROM Opportunity",
    "SELECT Title FROM KnowledgeArticleVersion WITH DATA CATEGORY Geography__c AT usa__c",
    "SELECT Id FROM Account WITH SECURITY_ENFORCED",
    "SELECT Id FROM Account WHERE DISTANCE(Location__c, GEOLOCATION(37,122), 'mi') < 20",
    "SELECT Id FROM Lead WHERE Amount > USD5000",
    "SELECT Id, FROM Lead",
    "SELECT FROM Lead",
    "SELECT * FROM Lead",
    "SELECT Id FROM",
    "SELECT Id Lead",
    "SELECT Id FROM Lead WHERE",
    'SELECT Id FROM Lead WHERE LastName = "x"',
    "SELECT Id FROM Lead WHERE LastName = 'x",
    "SELECT Id FROM Lead WHERE LastName == 'x'",
    "SELECT Id FROM Lead WHERE LastName IS NULL",
    "SELECT Id FROM Lead WHERE CreatedDate BETWEEN 1 AND 2",
    "SELECT Id FROM Lead WHERE Id IN ()",
    "SELECT Id FROM Lead WHERE (a = 1",
    "SELECT Id FROM Lead WHERE a = 1)",
    "SELECT Id FROM Lead ORDER BY",
    "SELECT Id FROM Lead LIMIT",
    "SELECT Id FROM Lead LIMIT x",
    "SELECT Id FROM Lead OFFSET 5 LIMIT 5",
    "SELECT Id FROM Lead ORDER BY Id WHERE a = 1",
    "SELECT Id FROM Lead;",
    "SELECT DISTINCT Id FROM Lead",
    "SELECT Id FROM Lead JOIN Contact",
    "SELECT Id FROM Lead, Contact",
    "UPDATE Lead SET a = 1",
    "DELETE FROM Lead",
    "",
)

_FIELDS = ("Id", "LastName", "Email", "Owner.Name", "CreatedDate", "Budget__c", "Account.Owner.Id", "IsConverted")
_VALUES = (
    "'x'", "'it\\'s'", "''", "5", "-2.5", "true", "FALSE", "null", "2026-01-02", "2026-01-02T03:04:05Z",
    "2026-01-02T03:04:05.000+02:00", "TODAY", "LAST_N_DAYS:7", "THIS_QUARTER",
)  # fmt: skip
_TOKENS = ("SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "(", ")", ",", "=", "'x'", "5", "LIMIT", "ORDER BY", "Id")


def made_up(dice: Random) -> str:
    """A well-formed query."""
    return _query(dice, depth=0)


def spoilt(dice: Random) -> str:
    """A well-formed query with a word taken out, put in, doubled, or two exchanged; it may still be well-formed."""
    words = made_up(dice).replace(",", " , ").replace("(", " ( ").replace(")", " ) ").split()
    at = dice.randrange(len(words))
    edit = dice.randrange(4)
    if edit == 0:
        del words[at]
    elif edit == 1:
        words.insert(at, dice.choice(_TOKENS))
    elif edit == 2:
        words.insert(at, words[at])
    else:
        other = dice.randrange(len(words))
        words[at], words[other] = words[other], words[at]
    return " ".join(words)


def _query(dice: Random, depth: int) -> str:
    items = dice.sample(_FIELDS, dice.randint(1, 4))
    if depth == 0 and dice.random() < 0.2:
        items.append(f"({_query(dice, depth=1)})")
    parts = [f"SELECT {', '.join(items)} FROM {dice.choice(('Lead', 'Contact', 'Task'))}"]
    if dice.random() < 0.8:
        parts.append(f"WHERE {_condition(dice, 0, depth)}")
    if dice.random() < 0.5:
        by = [f"{field}{dice.choice(('', ' ASC', ' DESC'))}{dice.choice(('', ' NULLS LAST'))}" for field in items[:2]]
        parts.append(f"ORDER BY {', '.join(one for one in by if not one.startswith('('))}")
    if dice.random() < 0.5:
        parts.append(f"LIMIT {dice.randint(0, 2000)}")
        if dice.random() < 0.5:
            parts.append(f"OFFSET {dice.randint(0, 2000)}")
    return " ".join(parts)


def _condition(dice: Random, level: int, depth: int) -> str:
    kind = dice.random()
    if level < 3 and kind < 0.35:
        word = dice.choice((" AND ", " OR "))
        return word.join(_operand(dice, level, depth) for _ in range(dice.randint(2, 3)))
    if level < 3 and kind < 0.45:
        return f"NOT {_operand(dice, level, depth)}"
    field = dice.choice(_FIELDS)
    if kind < 0.6:
        values = ", ".join(dice.sample(("'a'", "'b'", "'c'"), dice.randint(1, 3)))
        return f"{field} {dice.choice(('IN', 'NOT IN'))} ({values})"
    if depth == 0 and kind < 0.65:
        return f"Id IN (SELECT WhoId FROM Task WHERE {_condition(dice, 2, depth=1)})"
    if kind < 0.7:
        return f"{field} LIKE '%x_'"
    return f"{field} {dice.choice(('=', '!=', '<', '<=', '>', '>='))} {dice.choice(_VALUES)}"


def _operand(dice: Random, level: int, depth: int) -> str:
    inner = _condition(dice, level + 1, depth)
    bare = not inner.startswith("NOT ") and " AND " not in inner and " OR " not in inner
    return inner if bare and dice.random() < 0.7 else f"({inner})"
