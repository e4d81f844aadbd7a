"""Bulk API 2.0 ingest jobs: one CSV up, worked on when Salesforce can, the outcome of each row told by its id.

No assignment rule runs in them: a job has one only if `assignmentRuleId` names it (Bulk API 2.0 guide, "Create a Job"),
so that the header which Collections need has nothing to switch off. The guide knows no header for duplicate rules: a
rule that merely warns stops a row here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from io import StringIO
from typing import Any

from requests import Response

from connectors.errors import Misconfigured, ProtocolViolation, Transient
from connectors.quota import Lane
from connectors.salesforce.bulk import CHUNK, rows_of
from connectors.salesforce.faults import Fault, blot
from connectors.salesforce.session import Session

NULL = "#N/A"
"""Clears a field; an empty cell leaves it as it is (guide, "Valid CSV Record Rows")."""
LARGEST = 100_000_000
"""Bytes of an upload: 150 MB after Salesforce has made base64 of it (guide, "Limits")."""


class State(StrEnum):
    """Of a job, as far as it matters here."""

    OPEN = "open"  # waits for its CSV, or for word that it is whole; nothing was done yet
    RUNNING = "running"
    DONE = "done"
    LOST = "lost"  # failed, aborted or deleted: any part of it may have been done


_STATES: Mapping[str, State] = {
    "Open": State.OPEN,
    "UploadComplete": State.RUNNING,
    "InProgress": State.RUNNING,
    "JobComplete": State.DONE,
}


class IngestJobs:
    """Jobs of one org that update records, in the lane of writes."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, object: str) -> str:
        """A new job's id. When the answer is lost a second one is made; without a CSV the first does nothing.

        Raises `Misconfigured` or `ProtocolViolation` where the org or the user may not have jobs.
        """
        body = {"object": object, "operation": "update", "contentType": "CSV", "columnDelimiter": "COMMA"}
        # With LF a lone carriage return in a value, quoted or not, would spoil the file (seen: MeltanoLabs' target).
        answer = self._session.post("jobs/ingest", {**body, "lineEnding": "CRLF"}, lane=Lane.WRITE)
        if not isinstance(answer, dict) or "id" not in answer:
            raise ProtocolViolation(self._session.source, "a new ingest job was answered without its id")
        return str(answer["id"])

    def submit(self, job: str, content: bytes) -> None:
        """Upload the CSV and let the job begin.

        A job takes one upload and is begun once, so either may be refused when it is tried again after a lost answer.
        It goes on then: what did not arrive has no outcome in the end.
        """
        with suppress(ProtocolViolation):
            self._session.upload(f"jobs/ingest/{job}/batches", content, lane=Lane.WRITE)
        with suppress(ProtocolViolation):
            self._session.patch(f"jobs/ingest/{job}", {"state": "UploadComplete"}, lane=Lane.WRITE)

    def state(self, job: str, pauses: Iterable[float]) -> State:
        """Looked at after each of the pauses, until the job no longer runs."""
        state = State.RUNNING
        for pause in pauses:
            self._session.wait(pause)
            try:
                answer = self._session.get(f"jobs/ingest/{job}", lane=Lane.WRITE)
            except (Misconfigured, ProtocolViolation):  # it is gone, or of another version of the API
                return State.LOST
            state = _STATES.get(str(answer.get("state")), State.LOST) if isinstance(answer, dict) else State.LOST
            if state is not State.RUNNING:
                break
        return state

    def abort(self, job: str) -> None:
        """End it. What it has done stays done."""
        with suppress(Misconfigured, ProtocolViolation):  # it has ended by itself
            self._session.patch(f"jobs/ingest/{job}", {"state": "Aborted"}, lane=Lane.WRITE)

    def outcomes(self, job: str) -> dict[str, Fault | None]:
        """By record id: None for a row that was saved, else why it was not. Rows are in no order, counters lag behind
        (github.com/forcedotcom/dataloader/pull/1033), and of a job that was lost some rows have no outcome."""
        told: dict[str, Fault | None] = {}
        try:
            for row in self._rows(job, "unprocessedrecords"):
                told[str(row.get("Id"))] = Fault("UNPROCESSED", "the job ended before it came to this record")
            for row in self._rows(job, "failedResults"):
                told[str(row.get("Id") or row.get("sf__Id"))] = fault_of_row(str(row.get("sf__Error") or ""))
            for row in self._rows(job, "successfulResults"):
                told[str(row.get("Id") or row.get("sf__Id"))] = None
        except (Misconfigured, ProtocolViolation):  # gone: what was told stands
            pass
        return told

    def _rows(self, job: str, which: str) -> list[dict[str, Any]]:
        """Without rows there is a header, or nothing at all."""

        def read(response: Response) -> list[dict[str, Any]]:
            if "csv" not in response.headers.get("Content-Type", "csv"):  # nothing at all has no type
                raise Transient(self._session.source, f"{which} of an ingest job came as something else than CSV")
            try:
                return list(rows_of(response.iter_content(CHUNK), {}))
            except csv.Error as odd:
                raise Transient(self._session.source, f"{which} of an ingest job are no CSV: {odd}") from None

        return self._session.download(f"jobs/ingest/{job}/{which}", {}, read, lane=Lane.WRITE)


def fault_of_row(text: str) -> Fault:
    """Of `CODE:message:field other --`; the part behind the message is not always there."""
    code, _, rest = text.partition(":")
    message, cut, tail = rest.rpartition(":")
    if not cut or not tail.endswith("--"):
        message, tail = rest, ""
    return Fault(code.strip() or "UNKNOWN_EXCEPTION", blot(message), tuple(tail.removesuffix("--").split()))


def files(bodies: Sequence[Mapping[str, Any]], largest: int = LARGEST) -> Iterator[bytes]:
    """Records of one object as CSV, in as few files of at most `largest` bytes as their order allows."""
    names = sorted({name for body in bodies for name in body} - {"attributes", "id"})
    header = _line(["Id", *names])
    lines, size = [header], len(header)
    for body in bodies:
        line = _line([str(body["id"]), *(_cell(body[name]) if name in body else "" for name in names)])
        if size + len(line) > largest and len(lines) > 1:
            yield b"".join(lines)
            lines, size = [header], len(header)
        lines.append(line)
        size += len(line)
    yield b"".join(lines)


def fits(body: Mapping[str, Any]) -> bool:
    """Whether a CSV can say it: a text that reads as the sign for null cannot be told from it."""
    return NULL not in body.values()


def _line(cells: Iterable[str]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None or value == "":
        return NULL
    return str(value).lower() if isinstance(value, bool) else str(value)
