"""What the default pipeline is measured against: the libraries that people reach for, lightly tuned, on the same rows.

Boosted trees: a slow rate, small trees, early stopping on a fifth of the training part's people (a random default is
below a logistic regression on most lead-sized sets). CatBoost runs twice, with two depths, and the better of the two on
the test rows stands for it. All but CatBoost get categories one-hot, levels of fewer than ten rows as one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.naive_bayes import BernoulliNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from worker.features.feature import FeatureType
from worker.training.table import Table

SEED = 42
THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))
ROUNDS, PATIENCE, RATE = 3000, 100, 0.03
LIBRARIES = ("catboost", "lightgbm", "xgboost")

Floats = NDArray[np.float64]
Rival = Callable[[Table, Table], Floats]


def missing() -> list[str]:
    """The libraries that are not installed."""
    return [name for name in LIBRARIES if find_spec(name) is None]


def _numbers(train: Table, test: Table) -> tuple[Floats, Floats]:
    """Both as numbers: NaN where missing, a column for each level that has at least ten training rows."""
    columns: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for feature in train.features:
        left, right = train.frame[feature.name], test.frame[feature.name]
        if feature.type is FeatureType.CATEGORY:
            counts = left.drop_nulls().value_counts(sort=True)
            levels = counts.filter(pl.col("count") >= 10)[feature.name].to_list()[:100]
            columns += [
                tuple(side.eq_missing(level).cast(float).to_numpy() for side in (left, right)) for level in levels
            ]
        elif left.cast(float).fill_null(-1e300).n_unique() > 1:
            columns.append((left.cast(float).to_numpy(), right.cast(float).to_numpy()))
    return np.column_stack([left for left, _ in columns]), np.column_stack([right for _, right in columns])


def _bins(train: Table, test: Table) -> tuple[Floats, Floats]:
    """Both one-hot: numbers in at most ten bins of equal mass, missing a bin of its own."""
    left, right = _numbers(train, test)
    hot: list[tuple[Floats, Floats]] = []
    for column in range(left.shape[1]):
        known = left[~np.isnan(left[:, column]), column]
        edges = np.unique(np.quantile(known, np.arange(1, 10) / 10)) if known.size else np.empty(0)
        codes = [
            np.where(np.isnan(side[:, column]), edges.size + 1, np.searchsorted(edges, side[:, column]))
            for side in (left, right)
        ]
        hot += [tuple((side == code).astype(float) for side in codes) for code in np.unique(codes[0])]
    return np.column_stack([left for left, _ in hot]), np.column_stack([right for _, right in hot])


def naive_bayes(train: Table, test: Table) -> Floats:
    left, right = _bins(train, test)
    return _positive(BernoulliNB().fit(left, train.label, train.weight), right)


def logistic(train: Table, test: Table) -> Floats:
    left, right = _numbers(train, test)
    model = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True), StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)
    )
    return _positive(model.fit(left, train.label, logisticregression__sample_weight=train.weight), right)


def logistic_bins(train: Table, test: Table) -> Floats:
    left, right = _bins(train, test)
    return _positive(LogisticRegression(C=0.1, max_iter=1000).fit(left, train.label, train.weight), right)


def forest(train: Table, test: Table) -> Floats:
    left, right = _numbers(train, test)
    model = RandomForestClassifier(500, min_samples_leaf=5, n_jobs=THREADS, random_state=SEED)
    return _positive(model.fit(left, train.label, train.weight), right)


def _inner(table: Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to grow on and rows to stop by: nobody on both sides."""
    split = GroupShuffleSplit(1, test_size=0.2, random_state=SEED)
    grow, stop = next(split.split(table.label, groups=table.person))
    return grow, stop


def lightgbm(train: Table, test: Table) -> Floats:
    import lightgbm as library

    left, right = _numbers(train, test)
    grow, stop = _inner(train)
    model = library.LGBMClassifier(
        n_estimators=ROUNDS, learning_rate=RATE, num_leaves=15, min_child_samples=40, subsample=0.8, subsample_freq=1,
        colsample_bytree=0.5, reg_lambda=5.0, random_state=SEED, n_jobs=THREADS, verbose=-1, deterministic=True,
    )  # fmt: skip
    model.fit(
        left[grow], train.label[grow], train.weight[grow], eval_set=[(left[stop], train.label[stop])],
        eval_sample_weight=[train.weight[stop]], callbacks=[library.early_stopping(PATIENCE, verbose=False)],
    )  # fmt: skip
    return np.asarray(model.booster_.predict(right), np.float64)


def xgboost(train: Table, test: Table) -> Floats:
    import xgboost as library

    left, right = _numbers(train, test)
    grow, stop = _inner(train)
    model = library.XGBClassifier(
        n_estimators=ROUNDS, learning_rate=RATE, max_depth=4, min_child_weight=10, subsample=0.8, colsample_bytree=0.5,
        reg_lambda=5.0, tree_method="hist", early_stopping_rounds=PATIENCE, eval_metric="logloss", random_state=SEED,
        n_jobs=THREADS,
    )  # fmt: skip
    model.fit(
        left[grow], train.label[grow], sample_weight=train.weight[grow], eval_set=[(left[stop], train.label[stop])],
        sample_weight_eval_set=[train.weight[stop]], verbose=False,
    )  # fmt: skip
    return _positive(model, right)


def catboost(train: Table, test: Table, depth: int) -> Floats:
    """With its own encoding of categories, which is what it is chosen for."""
    import catboost as library

    grow, stop = _inner(train)
    named = [feature.name for feature in train.features if feature.type is FeatureType.CATEGORY]
    places = [train.frame.columns.index(name) for name in named]

    def pool(table: Table, rows: NDArray[np.int64] | None = None) -> object:
        part = table if rows is None else table.take(rows)
        shown = part.frame.with_columns(pl.col(name).fill_null("") for name in named)
        cells = np.empty(shown.shape, object)
        for place, name in enumerate(shown.columns):
            held = shown[name]
            cells[:, place] = held.to_list() if name in named else held.cast(float).to_numpy()
        return library.Pool(cells, part.label.astype(int), cat_features=places, weight=part.weight)

    model = library.CatBoostClassifier(
        iterations=ROUNDS, learning_rate=RATE, depth=depth, l2_leaf_reg=5.0, thread_count=THREADS, random_seed=SEED,
        early_stopping_rounds=PATIENCE, verbose=False, allow_writing_files=False,
    )  # fmt: skip
    model.fit(pool(train, grow), eval_set=pool(train, stop))
    return _positive(model, pool(test))


def _positive(model: object, rows: object) -> Floats:
    return np.asarray(model.predict_proba(rows), np.float64)[:, 1]  # type: ignore[attr-defined]


RIVALS: Mapping[str, Rival] = {
    "naive Bayes": naive_bayes,
    "logistic": logistic,
    "logistic on bins": logistic_bins,
    "random forest": forest,
    "LightGBM": lightgbm,
    "XGBoost": xgboost,
    "CatBoost, depth 4": lambda train, test: catboost(train, test, 4),
    "CatBoost, depth 6": lambda train, test: catboost(train, test, 6),
}
