"""Where in the configuration file a setting stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode

from worker.scoring.document import line_at

Place = Sequence[str | int]


@dataclass(frozen=True, slots=True)
class Lines:
    """Of a file that can be read as YAML; without one (`file` is None) everything comes from elsewhere."""

    file: Path | None
    root: Node | None

    @classmethod
    def of(cls, file: Path | None) -> Lines:
        try:
            return cls(file, None if file is None else yaml.compose(file.read_text("utf-8"), yaml.SafeLoader))
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            return cls(file, None)

    def at(self, place: Place) -> str:
        """The file with the line of a setting, or of the nearest thing around it that the file has; the file alone
        where it has nothing of it."""
        if not isinstance(self.root, MappingNode) or not any(key.value == place[0] for key, _ in self.root.value):
            return str(self.file or "")
        return f"{self.file}:{line_at(self.root, place)}"

    def of_option(self, source: str, option: str) -> str:
        """The same of an option of a source, as in `lead_status.stages.mql`."""
        return self.at(("sources", self._number(source), *option.split(".")))

    def _number(self, source: str) -> int:
        """Which of the sources bears the name; one beyond them all where none does."""
        root = self.root
        listed = next((value for key, value in root.value if key.value == "sources"), None) if root else None
        sources = listed.value if isinstance(listed, SequenceNode) else []
        for number, each in enumerate(sources):
            entries = each.value if isinstance(each, MappingNode) else []
            if any(key.value == "name" and value.value == source for key, value in entries):
                return number
        return len(sources)
