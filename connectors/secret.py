"""Where a secret lies. Configuration names the place and never holds the secret itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator


class SecretRef(BaseModel):
    """`{env: NAME}` or `{file: PATH}`; exactly one. A file's last line break is not part of the secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: str | None = None
    file: Path | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("name one place for the secret: {env: NAME} or {file: PATH}")
        return self

    def read(self) -> str:
        """The secret. Raises `LookupError` that names the place and says what is wrong with it."""
        if self.env is not None:
            value = os.environ.get(self.env, "")
            if not value:
                raise LookupError(f"the environment variable {self.env} is not set")
            return value
        assert self.file is not None
        try:
            value = self.file.read_text(encoding="utf-8").removesuffix("\n")
        except OSError as problem:
            raise LookupError(f"the secret's file {self.file} cannot be read: {problem.strerror}") from problem
        except UnicodeDecodeError as problem:
            raise LookupError(f"the secret's file {self.file} is not UTF-8 text") from problem
        if not value:
            raise LookupError(f"the secret's file {self.file} is empty")
        return value


def secrets_of(settings: BaseModel) -> Iterator[tuple[str, SecretRef]]:
    """The secrets of an account with their places, as in `auth.token`, wherever its kind has them."""
    for name, value in settings:
        if isinstance(value, SecretRef):
            yield name, value
        elif name == "auth" and isinstance(value, BaseModel):
            yield from ((f"{name}.{inner}", ref) for inner, ref in secrets_of(value))
