"""The bill of materials names what the lock installs, and the audit never takes silence for an all-clear."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
LOCK = (
    "# a comment\n--only-binary :all:\n"
    f"Good-Package==1.2.3 ; python_version > '3' \\\n    --hash=sha256:{'a' * 64} \\\n    --hash=sha256:{'b' * 64}\n"
    f"bad-package[extra]==4.0 \\\n    --hash=sha256:{'c' * 64}\n"
)


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "deploy"))


def test_the_bill_names_every_package_with_all_its_hashes() -> None:
    sbom = import_module("sbom")
    bill = sbom.document(LOCK)
    assert bill == sbom.document(LOCK)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert [each["purl"] for each in bill["components"]] == [
        "pkg:pypi/bad-package@4.0",
        "pkg:pypi/good-package@1.2.3",
    ]
    files = bill["components"][1]["externalReferences"]
    assert [file["hashes"][0]["content"] for file in files] == ["a" * 64, "b" * 64]


def test_the_bill_of_our_own_lock_is_complete() -> None:
    bill = import_module("sbom").document((ROOT / "requirements-prod.lock").read_text())
    pinned = [line for line in (ROOT / "requirements-prod.lock").read_text().splitlines() if "==" in line.split(";")[0]]
    assert len(bill["components"]) == len(pinned) > 40


@contextmanager
def service(status: int, body: Any) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


WELL: dict[str, Any] = {"results": [{}, {}]}
FLAWED: dict[str, Any] = {"results": [{"vulns": [{"id": "GHSA-2"}, {"id": "GHSA-1"}]}, {}]}


@pytest.mark.parametrize(
    ("status", "body", "code", "said"),
    [
        (200, WELL, 0, "2 packages of some.lock, 0 with known advisories"),
        (200, FLAWED, 1, "bad-package 4.0: GHSA-1, GHSA-2"),
        (200, {"results": []}, 3, "2 packages are not audited"),
        (200, {}, 3, "2 packages are not audited"),
        (503, {}, 3, "2 packages are not audited"),
    ],
)
def test_the_audit_tells_what_is_known_and_when_nobody_answered(
    tmp_path: Path, status: int, body: Any, code: int, said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    lock = tmp_path / "some.lock"
    lock.write_text(LOCK)
    with service(status, body) as url:
        monkeypatch.setenv("OSV_URL", url)
        assert import_module("advisories").main([str(lock)]) == code
    told = capsys.readouterr()
    assert said in told.out + told.err
