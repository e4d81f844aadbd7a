"""Reading: the file front to back, and of it what changed since the reader last knew it; then what vanished."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from connectors.files import facts
from connectors.files.facts import Facts, Reading
from connectors.files.flaw import Changed, Flaw
from connectors.files.mapping import Mappings, Table
from connectors.files.output import Output
from connectors.files.parts import Parts, found, stamp_of
from connectors.files.settings import FilesSettings
from connectors.files.source import Line, Place, Stamp
from connectors.files.state import Fate, Known, Seen, State
from connectors.port import Census, Cursor, Page
from connectors.records import Deletion, RecordRef

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where a stream stands: everything of generation `base` is known, and `generation` is read up to `place`.

    Then come the rows that vanished, by id after `removed`; then `generation` is the next `base`.
    """

    state: str
    file: str
    generation: int
    base: int
    place: Place | None = None
    removed: str | None = None
    done: bool = False
    backfill: bool = False

    def json(self) -> Cursor:
        at = None if self.place is None else [self.place.at, self.place.row]
        return {"state": self.state, "file": self.file, "generation": self.generation, "base": self.base, "place": at,
                "removed": self.removed, "done": self.done, "backfill": self.backfill}  # fmt: skip

    @classmethod
    def of(cls, cursor: Cursor) -> Bookmark:
        given = dict(cursor)
        at = given.pop("place")
        return cls(**given, place=None if at is None else Place(*at))


class Opened:
    """One version of the files of one table, open for reading."""

    def __init__(self, settings: FilesSettings, mappings: Mappings, stream: str) -> None:
        self.table: Table = mappings.tables[stream]
        self._settings = settings
        self.stamp: Stamp = stamp_of(self._paths())
        meaning = f"{mappings.time_zone} {self.table.model_dump_json()}"  # another mapping makes other facts of a file
        self.meaning = blake2b(meaning.encode(), digest_size=8).hexdigest()
        self.version = f"{self.stamp}-{self.meaning}"
        with self.steady():
            self.parts = Parts(self._paths(), self.table)
        self.reading: Reading = facts.reading(settings.name, stream, self.parts.locate, mappings)

    def lines(self, place: Place | None) -> Iterator[Line]:
        return self.parts.lines(place or self.parts.start)

    def page(self, place: Place | None, size: int) -> list[Line]:
        """Up to `size` rows. Raises `Flaw`, or `Changed` if they may be of two versions."""
        with self.steady():
            return list(islice(self.lines(place), size))

    @contextmanager
    def steady(self) -> Iterator[None]:
        """What is read, or found wrong, meanwhile is of one version: `Changed` is raised otherwise."""
        try:
            yield
        finally:
            now = None
            with suppress(Flaw):  # it was taken away
                now = stamp_of(self._paths())
            if now != self.stamp:
                raise Changed

    def _paths(self) -> list[Path]:
        ours = (self._settings.output_file, self._settings.state_file)
        return found(self._settings.directory, self.table, ours)


class Reader:
    """Pulls the streams of one folder."""

    def __init__(self, settings: FilesSettings, state: State, output: Output) -> None:
        self._settings = settings
        self._state = state
        self._output = output

    def pull(self, mappings: Mappings, stream: str, cursor: Cursor | None) -> Page:
        """One page; see `Crm.pull`. Raises `Flaw` and `Changed`."""
        if stream not in mappings.tables:
            return Page(cursor or {}, done=True)
        opened = Opened(self._settings, mappings, stream)
        with self._state.transaction():
            mark = self._resumed(stream, opened, cursor)
            if mark.done:
                return Page(mark.json(), done=True)
            found, after = self._rows(stream, opened, mark)
            gone = found.deletions
            if after is None:
                vanished, mark = self._removed(stream, mark)
                # Who is no longer on the list of the forgotten is forgotten all the same.
                gone = [*gone, *(vanished if stream != facts.ERASURES else ())]
            else:
                mark = replace(mark, place=after)
        self._report(opened.reading)
        leads = self._with_scores(found)
        next = replace(mark, backfill=mark.backfill and not mark.done)
        return Page(
            next.json(), mark.done, leads, found.accounts, found.activities, found.outcomes, gone,
            backfill=mark.backfill,
        )  # fmt: skip

    def census(self, mappings: Mappings, object: str, cursor: Cursor | None) -> Census:
        """The people or companies that the file holds; begun again if it was changed meanwhile."""
        opened = Opened(self._settings, mappings, object)
        place = Place(*cursor["place"]) if cursor and cursor.get("file") == opened.version else None
        lines = opened.page(place, self._settings.page_size)
        refs = [opened.reading.ref(str(opened.reading.id(line))) for line in lines]
        at = lines[-1].after if lines else place or opened.parts.start
        after = {"file": opened.version, "place": [at.at, at.row]}
        return Census(refs, after, done=len(lines) < self._settings.page_size)

    def fetch(self, mappings: Mappings, refs: Sequence[RecordRef]) -> Page:
        """See `Crm.fetch`."""
        object = refs[0].object if refs and refs[0].object in mappings.tables else facts.LEADS
        opened = Opened(self._settings, mappings, object)
        found = Facts()
        ids = [ref.id for ref in refs if ref.object == object]
        places = self.places(opened, object, ids)
        known, exported = self._state.known(object, ids), self._state.exported(object)
        for id, place in sorted(places.items(), key=lambda each: each[1].at):
            (line,) = opened.page(place, 1)
            opened.reading.add(found, line, id, _since(opened.table, known.get(id), exported))
        at = max([*exported.values(), opened.stamp.at])
        gone = [Deletion(ref, at) for ref in refs if ref.object != object or ref.id not in places]
        return Page({}, done=True, leads=self._with_scores(found), accounts=found.accounts, deletions=gone)

    def living(self, mappings: Mappings, ids: Sequence[str]) -> Collection[str]:
        """Those of `ids` that the file of people holds now."""
        return self.places(Opened(self._settings, mappings, facts.LEADS), facts.LEADS, ids).keys()

    def places(self, opened: Opened, object: str, ids: Sequence[str]) -> dict[str, Place]:
        """Where rows stand: as noted if this version was read to its end, else looked for in the file."""
        generation = self._state.generation(object)
        if generation is not None and generation.complete and generation.stamp == opened.version:
            return self._state.places(object, ids)
        wanted, found = set(ids), {}
        with opened.steady():
            for line in opened.lines(None) if wanted else ():
                id = opened.reading.id(line)
                if id is not None and id in wanted:
                    found[id] = line.place
        return found

    # -- one page ----------------------------------------------------------------------------------------------------

    def _resumed(self, stream: str, opened: Opened, cursor: Cursor | None) -> Bookmark:
        """Where to go on, in the file as it is now."""
        generation = self._state.begin(stream, opened.stamp, opened.version)
        fresh = Bookmark(self._state.name, str(opened.table.file), generation.number, base=0, backfill=True)
        if not cursor:
            return fresh
        mark = Bookmark.of(cursor)
        if mark.state != self._state.name or mark.generation > generation.number:
            return replace(fresh, backfill=mark.backfill)  # what it counts from is not known here any more
        if mark.generation != generation.number:
            base = mark.generation if mark.done else mark.base
            return replace(fresh, base=base, backfill=mark.backfill)
        if mark.place is not None and mark.place.at > generation.reached:  # the notes are older than the cursor
            return replace(fresh, base=mark.base, backfill=mark.backfill)
        return mark

    def _rows(self, stream: str, opened: Opened, mark: Bookmark) -> tuple[Facts, Place | None]:
        """The facts that changed since `base`, of up to a page of rows, and where the next page begins, if any."""
        found = Facts()
        if mark.removed is not None:
            return found, None
        size = self._settings.page_size
        lines = opened.page(mark.place, size)
        seen = self._identified(stream, opened, lines, mark.generation)
        known = self._state.known(stream, [each.id for each in seen])
        exported = self._state.exported(stream)
        kept: list[tuple[Seen, Known]] = []
        changed: dict[str, tuple[Line, Known]] = {}
        for line, row in zip(lines, seen, strict=True):
            before = known.get(row.id)
            if before is not None and before.seen == mark.generation and before.row != row.place.row:
                self._duplicate(opened, line, before)
                if before.row > row.place.row:  # a later row was read already
                    continue
            now = _now(row, before, mark.generation)
            known[row.id] = now
            kept.append((row, now))
            if now.changed > mark.base:
                changed[row.id] = (line, now)
        for id, (line, row_now) in changed.items():
            opened.reading.add(found, line, id, _since(opened.table, row_now, exported))
        self._state.keep(stream, kept)
        if lines:
            self._state.progress(stream, mark.generation, lines[-1].after.at)
        return found, lines[-1].after if len(lines) == size else None

    def _identified(self, stream: str, opened: Opened, lines: Sequence[Line], generation: int) -> list[Seen]:
        """The rows with their ids. Of rows without one, those of the same content are counted from the file's start."""
        ids = [opened.reading.id(line) for line in lines]
        contents = [facts.content(line.cells) if id is None else "" for id, line in zip(ids, lines, strict=True)]
        first = lines[0].place.row if lines else 0
        counted = Counter(
            {
                same: self._state.repeats(stream, same, generation, first)
                for same, known in self._state.known(stream, set(contents)).items()
                if known.seen == generation and known.row < first
            }
        )
        seen = []
        for line, id, same in zip(lines, ids, contents, strict=True):
            if id is None:
                counted[same] += 1
                id = same if counted[same] == 1 else f"{same}-{counted[same]}"
            seen.append(Seen(id, line.place, facts.digest(line.cells, opened.meaning)))
        return seen

    def _duplicate(self, opened: Opened, line: Line, before: Known) -> None:
        if opened.table.duplicates == "error":
            one, two = (opened.parts.locate(row) for row in sorted((before.row, line.place.row)))
            allowed = "an id may come once; `duplicates: last` takes the later row"
            where = f"{one[1]:,} of {one[0].name}" if one[0] != two[0] else f"{one[1]:,}"
            other = f"{two[1]:,} of {two[0].name}" if one[0] != two[0] else f"{two[1]:,}"
            raise opened.reading.flaw(line, "id", f"rows {where} and {other} have the same id", allowed)

    def _removed(self, stream: str, mark: Bookmark) -> tuple[list[Deletion], Bookmark]:
        """A page of rows that vanished since `base`, and where the next begins."""
        if mark.removed is None:
            self._state.finish(stream, mark.generation)
        size = self._settings.page_size
        gone = self._state.gone(stream, mark.base, mark.removed or "", size)
        exported = self._state.exported(stream)
        deletions = [Deletion(RecordRef(self._settings.name, stream, id), exported[number]) for id, number in gone]
        if len(gone) == size:
            return deletions, replace(mark, removed=gone[-1][0])
        return deletions, replace(mark, place=None, removed=None, done=True, base=mark.generation)

    def _with_scores(self, found: Facts) -> list[Any]:
        """The people with what the output holds of them."""
        held = self._output.read({lead.ref.id for lead in found.leads})
        return [replace(lead, written=written) if (written := held.get(lead.ref.id)) else lead for lead in found.leads]

    def _report(self, reading: Reading) -> None:
        if reading.left_out:
            extra = {"action": "values_left_out", "crm": reading.source, "fields": dict(reading.left_out)}
            log.warning("values that cannot be read were left out", extra=extra)


def _now(row: Seen, before: Known | None, generation: int) -> Known:
    """What is known of a row that was just read."""
    number = row.place.row
    if before is None:
        return Known(row.digest, number, generation, generation, Fate.FIRST)
    if before.fate is Fate.GONE:
        return Known(row.digest, number, generation, generation, Fate.RETURNED)
    if before.seen == generation and before.row != number:  # the later of two rows with one id
        return Known(row.digest, number, generation, generation, before.fate)
    if before.digest != row.digest:
        fate = Fate.RETURNED if before.fate is Fate.RETURNED else Fate.EDITED
        return Known(row.digest, number, generation, generation, fate)
    return Known(row.digest, number, generation, before.changed, before.fate)


def _since(table: Table, known: Known | None, exported: Mapping[int, datetime]) -> datetime | None:
    """When a row changed, as far as the file's versions tell: not for those that stand as they were first read.

    A row that came back is newer than its deletion whatever it says itself.
    """
    if known is None or known.fate is Fate.FIRST:
        return None
    if known.fate is Fate.EDITED and "modified_at" in table.mapped:
        return None
    return exported[known.changed]
