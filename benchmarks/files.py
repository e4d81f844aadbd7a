"""A gigabyte of CSV through the files connector, beside the standard library's csv reader on the same file.

The reader splits cells and throws them away; ours decodes, checks, types and digests every mapped cell, keeps what it
needs to find the changes of the next export, and makes records. Either is one process that computes all the time, so
processor time is compared. What counts is that memory does not grow with the file.
"""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.figure import Figure, peak_mib
from connectors.files.crm import FilesCrm
from connectors.files.settings import FilesSettings
from connectors.port import Cursor, Tier

MIB = 1 << 20
SIZE = 1024 * MIB
MOST, MEMORY = 20.0, 200
GOAL = f"at most {MOST:g} times csv.reader; {MEMORY} MiB whatever the size, every row read"

COLUMNS = (
    "id", "created_at", "modified_at", "email", "name", "phone", "status", "title", "company", "industry", "employees",
    "country", "owner", "region", "product", "comment", "address", "campaign", "referrer", "remarks",
)  # fmt: skip
MAPPING = """
leads:
  file: leads.csv
  columns: {modified_at: modified_at, email: email, name: name, phone: phone, state: status}
  attributes: {title: title, company: company, industry: industry, employees: employees, country: country, owner: owner}
"""


def run() -> Figure:
    """Write the file, read it bare, read it by the connector."""
    folder = Path(tempfile.mkdtemp(prefix="leadgauge-bench-"))
    try:
        rows = write(folder, SIZE)
        began = time.process_time()
        with (folder / "leads.csv").open(newline="") as file:
            bare_rows = sum(1 for _ in csv.reader(file)) - 1
        bare = time.process_time() - began
        before, (ours, read, early) = peak_mib(), load(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    peak = peak_mib()
    met = ours <= MOST * bare and peak <= MEMORY and rows == read == bare_rows
    return Figure(
        name="files",
        ours=ours,
        baseline=bare,
        unit="CPU s",
        goal=GOAL,
        met=met,
        peak_mib=peak,
        note=(
            f"{SIZE // MIB:,} MiB, {rows:,} rows of {len(COLUMNS)} columns; ours {rows / ours:,.0f} rows/s; memory"
            f" {before:.0f} MiB before, {early:.0f} after a tenth, {peak:.0f} at the end"
        ),
    )


def write(folder: Path, size: int) -> int:
    """An export of about `size` bytes: most of its columns are of no use to a score. Returns its rows."""
    path, rows = folder / "leads.csv", 0
    (folder / "mapping.yaml").write_text(MAPPING)
    with path.open("w", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(COLUMNS)
        while rows % 10_000 or os.path.getsize(path) < size:
            day = f"2026-{rows % 12 + 1:02}-{rows % 28 + 1:02}"
            rest = [f'Street {rows % 977}, "House" {rows % 31}', f"campaign-{rows % 57}", "https://example.com/pricing"]
            sheet.writerow([
                f"L{rows:09}", f"{day}T08:30:00Z", f"{day}T17:45:10+02:00", f"person{rows}@example.com",
                f"Person Number {rows}", "+49 30 5550100", ("New", "Working", "Qualified")[rows % 3],
                f"Head of {rows % 40}", f"Company {rows % 20_011}", f"Industry {rows % 17}", rows % 5_000,
                ("DE", "FR", "US", "GB")[rows % 4], f"owner-{rows % 25}", "EMEA", "Enterprise plan",
                "Asked for a call back, in the afternoon; prefers e-mail", *rest, "Imported from the trade fair list",
            ])  # fmt: skip
            rows += 1
    return rows


def load(folder: Path) -> tuple[float, int, float]:
    """A first read: its seconds, the people that it brought, and the memory at its peak after a tenth of them."""
    crm = FilesCrm(FilesSettings.model_validate({"kind": "files", "name": "export", "directory": folder}))
    cursor: Cursor | None = None
    began, read, early = time.process_time(), 0, 0.0
    size = os.path.getsize(folder / "leads.csv")
    while True:
        page = crm.pull("leads", cursor, Tier.COMPLETE)
        read, cursor = read + len(page.leads), page.cursor
        place = cursor["place"]
        if not early and place is not None and place[0] >= size / 10:
            early = peak_mib()
        if page.done:
            crm.close()
            return time.process_time() - began, read, early
