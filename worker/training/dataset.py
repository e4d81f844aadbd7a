"""A frame of whatever types as a table to train on: what each column is, found by looking at it.

Nothing is guessed in silence: every column ends up used or not, with a sentence that says as what, or why not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.features.feature import Feature, FeatureType
from worker.training.table import Table

FEWEST = 10
"""Rows of each class below which nothing can be fitted and held out."""
WIDEST = 1000
_NOTHING = (
    "",
    "na",
    "n/a",
    "#n/a",
    "nan",
    "null",
    "none",
    "nil",
    "-",
    "--",
    "?",
    "(null)",
    "(blank)",
    "inf",
    "+inf",
    "-inf",
    "infinity",
    "-infinity",
)
_FLAGS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "y", "t", "ja", "oui", "si", "sim", "wahr", "vrai", "да"), True),
    **dict.fromkeys(("false", "no", "n", "f", "nein", "non", "não", "falsch", "faux", "нет"), False),
}
_CONVERTED = ("1", "1.0", "won", "closed won", "converted", "customer", "success", "positive", "paid", "bought")
_ID = re.compile(r"(^|[\W_])(id|uuid|guid|key|index|rownum|row number)$|[a-z]I[dD]$", re.IGNORECASE)
_POINT = r"^[+-]?(\d{1,3}(,\d{3})+|\d+)?(\.\d*)?([eE][+-]?\d{1,3})?$"
_COMMA = r"^[+-]?(\d{1,3}([.\x{a0}\x{202f} ']\d{3})+|\d+)?(,\d*)?([eE][+-]?\d{1,3})?$"
_ORNAMENT = r"^[€$£¥\s]+|[€$£¥%\s]+$"
_DATES = (
    "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%Y%m%d", "%d.%m.%y", "%m/%d/%y",
)  # fmt: skip
_CLOCKS = ("", " %H:%M:%S", " %H:%M", "T%H:%M:%S", "T%H:%M")
_STRAY = 0.02
"""A column whose cells are numbers or dates but for this share is one, and the rest is missing."""


class BadData(Exception):
    """Data that no model can be fitted to, or options that do not fit it: what is wrong, and what to do."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file: whether it became a feature, and as what or why not."""

    name: str
    used: bool
    read_as: str
    missing: float


@dataclass(frozen=True, slots=True)
class Dataset:
    """`converted`: the value of the target that counts as converted. `notes`: what a person should know. `revenue`: f64
    (rows,), NaN where it is not known; None where no column was named."""

    table: Table
    columns: tuple[Column, ...]
    converted: str
    notes: tuple[str, ...]
    revenue: NDArray[np.float64] | None = None


def dataset(
    frame: pl.DataFrame,
    target: str,
    *,
    converted: str | None = None,
    time: str | None = None,
    person: str | None = None,
    revenue: str | None = None,
    drop: Collection[str] = (),
) -> Dataset:
    """The table of a frame. Rows without a target, or without a time where one is asked for, are left out, and said.

    Raises `BadData`: a column that is not there, a target of one class or of many values, too few rows of a class, a
    time that is none, a revenue that is no number, nothing to learn from. Nothing is learnt from the revenue.
    """
    for name in (target, *filter(None, (time, person, revenue)), *drop):
        _present(frame, name)
    if frame.width > WIDEST:
        raise BadData(f"{frame.width:,} columns are more than {WIDEST:,}; leave some out of the file")
    frame = frame.with_columns(_tidied(frame[name]) for name in frame.columns)
    notes: list[str] = []
    frame = _without_gaps(frame, target, "target", notes)
    label, converted = _label(frame[target], converted)
    at: NDArray[np.datetime64] | None = None
    if time is not None:
        instants = _time(frame[time])
        known = instants.is_not_null()
        if left := frame.height - int(known.sum()):
            notes.append(f"{left:,} rows without a time in {time!r} are left out")
        frame, label = frame.filter(known), label[known.to_numpy()]
        at = instants.drop_nulls().to_numpy().astype("datetime64[us]")
    _enough(label, target, converted)
    group, weight = _people(frame, person)
    money = _money(frame[revenue]) if revenue else None
    columns: list[Column] = []
    features: list[Feature] = []
    made: list[pl.Series] = []
    for name in frame.columns:
        if name in {target, time, person, revenue}:
            continue
        found = None if name in drop else _typed(frame[name], at)
        missing = frame[name].null_count() / frame.height
        if found is None or isinstance(found, str):
            columns.append(Column(name, False, found or "left out as asked", missing))
            continue
        kind, series, read_as = found
        columns.append(Column(name, True, read_as, series.null_count() / frame.height))
        features.append(Feature(name=name, label=name, type=kind))
        made.append(series.alias(name))
    if not features:
        raise BadData("no column is left to learn from: all are empty, constant, ids or left out")
    table = Table(tuple(features), pl.DataFrame(made), label, group, weight, at)
    return Dataset(table, tuple(columns), converted, tuple(notes), money)


def _money(series: pl.Series) -> NDArray[np.float64]:
    numbers = _number(series) if series.dtype == pl.String else series.cast(pl.Float64, strict=False)
    if numbers is None or not (series.dtype.is_numeric() or series.dtype == pl.String) or not numbers.count():
        raise BadData(f"{series.name!r} cannot be a revenue: it holds no numbers")
    return numbers.fill_null(float("nan")).to_numpy()


def _present(frame: pl.DataFrame, name: str) -> None:
    if name not in frame.columns:
        close = [column for column in frame.columns if column.lower() == name.strip().lower()]
        close = close or get_close_matches(name, frame.columns, 1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        shown = ", ".join(frame.columns[:12]) + (", ..." if frame.width > 12 else "")
        raise BadData(f"the file has no column {name!r}{hint}; it has {shown}")


def _without_gaps(frame: pl.DataFrame, name: str, role: str, notes: list[str]) -> pl.DataFrame:
    known = frame.filter(pl.col(name).is_not_null())
    if left := frame.height - known.height:
        notes.append(f"{left:,} rows without a {role} in {name!r} are left out")
    if not known.height:
        raise BadData(f"{name!r} is empty in every row; name the column that says who converted")
    return known


def _tidied(series: pl.Series) -> pl.Series:
    """Text without its blanks and without words for nothing; dictionaries as text; numbers finite."""
    if series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    if series.dtype == pl.String:
        stripped = series.str.strip_chars()
        nothing = stripped.str.to_lowercase().is_in(_NOTHING)
        return stripped.to_frame().select(pl.when(~nothing).then(pl.first())).to_series().alias(series.name)
    if series.dtype.is_decimal():
        return series.cast(pl.Float64)
    if series.dtype.is_float():
        return series.cast(pl.Float64).to_frame().select(pl.when(pl.first().is_finite()).then(pl.first())).to_series()
    return series


def _label(series: pl.Series, converted: str | None) -> tuple[NDArray[np.bool_], str]:
    name = series.name
    if not _plain(series):
        raise BadData(f"{name!r} cannot be a target: it holds lists or binary data")
    texts = series.cast(pl.String, strict=False).str.to_lowercase()
    values = sorted(texts.unique().drop_nulls().to_list())
    if converted is not None:
        wanted = converted.strip().lower()
        if wanted not in values:
            raise BadData(f"{name!r} is never {converted!r}; {_shown(values)}")
        return (texts == wanted).to_numpy(), converted
    if len(values) == 1:
        raise BadData(f"{name!r} is {values[0][:40]!r} in every row: there is nothing to tell apart")
    known = [value for value in values if _FLAGS.get(value) or value in _CONVERTED]
    if len(values) > 2 or len(known) != 1:
        raise BadData(f"which value of {name!r} means converted? Say --converted VALUE; {_shown(values)}")
    return (texts == known[0]).to_numpy(), known[0]


def _plain(series: pl.Series) -> bool:
    return not (series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object, pl.Null))


def _shown(values: list[str]) -> str:
    if len(values) > 12:
        return f"it has {len(values):,} different values, which is more than a target should have"
    return f"it has {', '.join(repr(value[:40]) for value in values)}"


def _enough(label: NDArray[np.bool_], target: str, converted: str) -> None:
    won, lost = int(label.sum()), int((~label).sum())
    if min(won, lost) < FEWEST:
        raise BadData(
            f"{target!r} is {converted!r} in {won:,} of the rows, and something else in {lost:,}: at least {FEWEST} of "
            "each are needed to fit anything, and 40 to trust it"
        )


def _people(frame: pl.DataFrame, person: str | None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Groups, and weights that sum to one a person. Who has no id is alone."""
    if person is None:
        return np.arange(frame.height), np.ones(frame.height)
    if not _plain(frame[person]):
        raise BadData(f"{person!r} cannot say whose row it is: it holds lists or binary data")
    codes = frame[person].cast(pl.String, strict=False).rank("dense").cast(pl.Int64)
    alone = codes.is_null().cum_sum().cast(pl.Int64) + (codes.max() or 0)
    group = codes.fill_null(alone).to_numpy()
    _, inverse, times = np.unique(group, return_inverse=True, return_counts=True)
    return group, 1.0 / times[inverse]


def _time(series: pl.Series) -> pl.Series:
    read = _dated(series)
    if read is None and _plain(series) and not series.dtype.is_temporal():
        read = _since_1970(series.cast(pl.Float64, strict=False))
    if read is None:
        raise BadData(f"{series.name!r} is no time: write it as 2026-03-02T09:30:00Z, 2026-03-02 or 02.03.2026")
    return read


def _since_1970(numbers: pl.Series) -> pl.Series | None:
    """Seconds, milliseconds or microseconds since 1970, whichever gives a time of ours."""
    middle = numbers.median()
    if isinstance(middle, int | float):
        for scale in (1, 1000, 1_000_000):
            if 3e8 < middle / scale < 4.2e9:
                return (numbers * (1_000_000 // scale)).cast(pl.Int64, strict=False).cast(pl.Datetime("us"))
    return None


def _dated(series: pl.Series) -> pl.Series | None:
    """UTC, without saying so; None where the cells are no dates."""
    if series.dtype == pl.Date:
        return series.cast(pl.Datetime("us"))
    if isinstance(series.dtype, pl.Datetime):
        zoned = series.dt.convert_time_zone("UTC") if series.dtype.time_zone else series
        return zoned.dt.replace_time_zone(None).cast(pl.Datetime("us"))
    if series.dtype != pl.String or not (known := len(series) - series.null_count()):
        return None
    probe = series.drop_nulls().head(200)
    if not probe.str.contains(r"\d").all() or probe.str.len_chars().min() < 6:  # type: ignore[operator]
        return None
    plain = series.str.replace(r"\.\d+", "").str.replace(r"Z$", "+00:00")
    zoned = plain.str.replace(" ", "T").str.to_datetime("%Y-%m-%dT%H:%M:%S%:z", time_unit="us", strict=False)
    best = zoned.dt.replace_time_zone(None)
    for form in _DATES:
        for clock in _CLOCKS:
            if best.len() - best.null_count() >= known:
                return best
            read = plain if form.startswith("%Y-") else series
            tried = read.str.to_datetime(form + clock, time_unit="us", strict=False)
            if tried.null_count() < best.null_count():
                best = tried
    return best if len(best) - best.null_count() >= known * (1 - _STRAY) else None


def _typed(series: pl.Series, at: NDArray[np.datetime64] | None) -> tuple[FeatureType, pl.Series, str] | str:
    """A feature's type, values and what it was read as; or why it is none."""
    known = len(series) - series.null_count()
    if known == 0:
        return "empty in every row"
    if not _plain(series):
        return "lists and binary data are not read"
    distinct = series.n_unique() - (series.null_count() > 0)
    if distinct == 1 and known == len(series):
        return "the same in every row"
    if series.dtype == pl.Boolean:
        return FeatureType.FLAG, series, "flag"
    if series.dtype.is_temporal() and (series.dtype in (pl.Time, pl.Duration)):
        return FeatureType.NUMBER, series.cast(pl.Int64).cast(pl.Float64), "number"
    if (dates := _dated(series)) is not None:
        return _days(dates, at)
    if series.dtype == pl.String:
        flags = series.str.to_lowercase()
        if flags.drop_nulls().is_in(list(_FLAGS)).all():
            return FeatureType.FLAG, flags.replace_strict(_FLAGS, return_dtype=pl.Boolean), "flag"
        numbers = _number(series)
        if numbers is None:
            return _words(series, known, distinct)
        stray = numbers.null_count() - series.null_count()
        said = f"number ({stray:,} cells that are none count as missing)" if stray else "number"
    else:
        numbers, said = series.cast(pl.Float64), "number"
    return _counted(numbers, distinct, said)


def _days(dates: pl.Series, at: NDArray[np.datetime64] | None) -> tuple[FeatureType, pl.Series, str]:
    micros = dates.cast(pl.Int64).cast(pl.Float64)
    if at is None:
        return FeatureType.NUMBER, micros / 86_400e6, "date, as days since 1970"
    then = pl.Series(at.astype("datetime64[us]").astype(np.int64)).cast(pl.Float64)
    return FeatureType.NUMBER, (then - micros) / 86_400e6, "date, as days before the row's time"


def _number(series: pl.Series) -> pl.Series | None:
    """With a decimal point if that reads every cell, else with a decimal comma, else whichever reads nearly all."""
    bare = series.str.replace_all(_ORNAMENT, "")
    known = len(series) - series.null_count()
    some = bare.str.contains(r"\d")
    as_point = bare.str.contains(_POINT) & some
    as_comma = bare.str.contains(_COMMA) & some
    # "1,234" is both: three digits after every comma, and never more than that, are thousands.
    for right, other, decimal in ((as_point, r",", "."), (as_comma, r"[.\x{a0}\x{202f} ']", ",")):
        if right.sum() >= known * (1 - _STRAY) and right.sum() >= max(as_point.sum(), as_comma.sum()):
            digits = bare.str.replace_all(other, "").str.replace(",", ".", literal=True) if decimal == "," else None
            digits = bare.str.replace_all(",", "", literal=True) if digits is None else digits
            numbers = digits.cast(pl.Float64, strict=False)
            kept = pl.DataFrame({"n": numbers, "right": right}).select(
                pl.when(pl.col("right") & pl.col("n").is_finite()).then("n")
            )
            return kept.to_series().alias(series.name)
    return None


def _counted(numbers: pl.Series, distinct: int, said: str) -> tuple[FeatureType, pl.Series, str] | str:
    known = numbers.drop_nulls()
    whole = bool((known == known.floor()).all())
    if whole and distinct == len(numbers) > 50:
        span = float(known.max()) - float(known.min())  # type: ignore[arg-type]
        if _ID.search(numbers.name) or span < 2 * len(numbers):
            return "an id: another whole number in every row"
    if whole and _ID.search(numbers.name) and distinct > 50:
        return "an id, by its name"
    return FeatureType.NUMBER, numbers, said


def _words(series: pl.Series, known: int, distinct: int) -> tuple[FeatureType, pl.Series, str] | str:
    if known >= 50 and distinct > 0.9 * known:
        if known == len(series):
            return "free text or an id: another value in nearly every row"
        return FeatureType.FLAG, series.is_not_null(), "free text or an id, as whether it is filled"
    return FeatureType.CATEGORY, series, f"category of {distinct:,}"
