"""What `policy` and `rules` share: showing a history, and who publishes."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence

from worker.cli.screen import emit, local, table
from worker.store.revisions import Revision


def author() -> str:
    """Who is at the keyboard; in a container without a user's name, the user's number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def show_history(title: str, history: Sequence[Revision], *, as_json: bool) -> None:
    if as_json:
        emit(
            [
                {"revision": r.revision, "author": r.author, "comment": r.comment, "at": r.created_at, "body": r.body}
                for r in history
            ]
        )
        return
    table(
        title,
        ("revision", "published", "author", "comment"),
        ((r.revision, local(r.created_at), r.author, r.comment) for r in history),
        right=[0],
        text=[3],
    )
