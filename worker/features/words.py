"""Free text that people and CRMs write, folded until spellings agree, and the tables it is looked up in.

Each distinct text is looked at once, however many people share it.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from itertools import groupby

import polars as pl

_LETTERS: Mapping[str, str] = {"ß": "ss", "ł": "l", "ø": "o", "\u0131": "i", "\u02bc": ""}
"""Letters that Unicode does not take apart."""


def fold(text: str) -> str:
    """Lower case, without accents, and one space for whatever is no letter or digit."""
    apart = unicodedata.normalize("NFKD", text.lower())
    for letter, plain in _LETTERS.items():
        apart = apart.replace(letter, plain)
    kept = (each for each in apart if not unicodedata.category(each).startswith("M"))
    return " ".join("".join(each if unicodedata.category(each)[0] in "LN" else " " for each in kept).split())


def folded(texts: pl.Series) -> pl.Series:
    """`fold` of each; null where nothing is left."""
    plain = pl.col("text").str.to_lowercase().str.normalize("NFKD").str.replace_many(dict(_LETTERS))
    words = plain.str.replace_all(r"\p{M}", "").str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()
    return texts.to_frame("text").select(pl.when(words != "").then(words)).to_series()


def each_once(texts: pl.Series, answer: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """`answer` for every text, asked once for each distinct one; null for null."""
    distinct = texts.drop_nulls().unique()
    answers = pl.DataFrame({"text": distinct, "answer": answer(distinct)})
    return texts.to_frame("text").join(answers, on="text", how="left", maintain_order="left").get_column("answer")


def read_table(name: str) -> list[dict[str, str]]:
    """The rows of a table that comes with the product, under the columns that its first row names."""
    lines = files("worker.features").joinpath(name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if line and not line.startswith("#")))


class Phrases:
    """Phrases and what each means, in order: the first that a text holds decides.

    Phrases match whole words of folded text; `*` at a word's end stands for the rest of it, at its beginning for what
    comes before, and as a word of its own for up to three words.
    """

    def __init__(self, rows: Sequence[tuple[str, str]]) -> None:
        """`rows` are (phrase, meaning)."""
        blocks = groupby(rows, key=lambda row: row[1])
        self._blocks = [(meaning, "|".join(_pattern(phrase) for phrase, _ in of)) for meaning, of in blocks]

    def meanings(self, texts: pl.Series) -> pl.Series:
        """The meaning of each text, null where it holds none of the phrases. `texts` are folded."""
        text = pl.concat_str(pl.lit(" "), pl.col("text"), pl.lit(" "))
        found = [pl.when(text.str.contains(pattern)).then(pl.lit(meaning)) for meaning, pattern in self._blocks]
        return texts.to_frame("text").select(pl.coalesce(found)).to_series()


def _pattern(phrase: str) -> str:
    words = []
    for word in phrase.split():
        if word == "*":
            words.append(r"(?:\S+ ){0,3}")
        else:
            stem = pl.escape_regex(fold(word.strip("*")))
            words.append((r"\S*" if word.startswith("*") else "") + stem + (r"\S*" if word.endswith("*") else "") + " ")
    return " " + "".join(words)
