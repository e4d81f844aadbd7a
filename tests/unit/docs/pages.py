"""The documentation as data: its pages, their blocks, and the commands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("docs/decisions/*.md")),
    *sorted(ROOT.glob("deploy/**/README.md")),
    ROOT / "sandbox/README.md",
]
"""All that people read."""
PROGRAMS = (
    "leadgauge", ".venv/bin/", "python", "make", "cd", ".", "cp", "install", "./", "$EDITOR", "curl", "docker", "helm",
    "journalctl", "kubectl", "sf", "systemctl",
)  # fmt: skip
"""What a line of a block of commands begins with."""
_FENCE = re.compile(r"^( *)```(\w*)$")
_MARK = re.compile(r"^ *<!-- not run: (?P<why>[^`]*?)(?:: (?P<only>`.*`))? -->$")


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two fences. `why`: the reason for which its commands are not run, or `only` those."""

    page: Path
    line: int
    language: str
    text: str
    why: str = ""
    only: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """One a line, without what is said about it; none where it is something else."""
        if self.language:
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        told = [re.sub(r"(^|\s+)# .*$| \[-[^]]*\]", "", line).strip() for line in lines]
        return [line for line in told if line] if self.text.lstrip().startswith(PROGRAMS) else []

    def unrun(self, command: str) -> bool:
        """Whether the page says why a command is not run."""
        return bool(self.why) and (not self.only or command.startswith(self.only))


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page. A mark stands on the line before a block."""
    lines = page.read_text("utf-8").splitlines()
    begun: tuple[int, str, str] | None = None
    for number, line in enumerate(lines):
        if (fence := _FENCE.match(line)) is None:
            continue
        if begun is None:
            begun = number, fence[1], fence[2]
            continue
        first, indent, language = begun
        text = "\n".join(inner.removeprefix(indent) for inner in lines[first + 1 : number])
        mark = _MARK.match(lines[first - 1])
        only = tuple(re.findall(r"`([^`]+)`", mark["only"] or "")) if mark else ()
        yield Block(page, first + 1, language, text, mark["why"] if mark else "", only)
        begun = None
    assert begun is None, f"{page}: a block does not end"
