"""The page and the JSON of a report: whole, honest, and safe whatever the data hold."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

from tests.unit.training.tables import leads
from tests.unit.training.test_validation import ABOUT, held, model
from worker.store.reports import without
from worker.training.findings import headline, percent, sentences, summary
from worker.training.leakage import Level, Verdict
from worker.training.metrics import Bin, Interval, Slice
from worker.training.parts import Part
from worker.training.report import html, plain
from worker.training.validation import About, Figures, Report, validate
from worker.training.worth import BucketOutcome

HOSTILE = "<script>alert('x')</script>&{{ 7 * 7 }}"
VERDICTS = (
    Verdict("duration", Level.LEAK, False, "is filled after", {"alone": 0.99, "by_gaps": 0.5, "missing": 0.0}),
    Verdict("calls", Level.DOWNSTREAM, False, "is done by sales", {"alone": 0.8, "by_gaps": 0.5, "missing": 0.0}),
    Verdict(
        "owner", Level.DOWNSTREAM, True, "is done by sales", {"alone": 0.6, "by_gaps": 0.5, "missing": 0.0}, "ours"
    ),
    Verdict("country", Level.ASSUMED, True, "today's", {"alone": 0.6, "by_gaps": 0.5, "missing": 0.0}),
    Verdict("visits", Level.OK, True, "fine", {"alone": 0.6, "by_gaps": 0.5, "missing": 0.0}),
)


@pytest.fixture(scope="module")
def report() -> Report:
    drawn = leads(300, days=200)
    drawn = replace(drawn, frame=drawn.frame.with_columns(source=pl.lit(HOSTILE)), person=drawn.person + 500)
    drawn.frame[7, "source"] = "other"
    outcomes = pl.DataFrame({"decided": drawn.label, "won": drawn.label, "days": [3.0] * 300, "revenue": [9.0] * 300})
    about = About(HOSTILE, {"File": HOSTILE}, VERDICTS, notes=[HOSTILE], people=True, learning=[(50, 0.6), (100, 0.65)])
    return validate(replace(held(drawn), outcomes=outcomes), model(drawn), about)


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return html(report)


class Tags(HTMLParser):
    """Every element is closed by its own end."""

    VOID = frozenset({"meta", "br", "path", "use", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: Sequence[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        for name, value in attributes:
            if name == "id" and value:
                self.ids.append(value)
            if name in ("href", "src", "xlink:href", "action", "onload", "onclick") and value:
                self.addresses.append(value)
        if tag in ("meta", "br"):
            self.open.pop()

    def handle_startendtag(self, tag: str, attributes: Sequence[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in ("meta", "br"):
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_from_outside(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    assert len(tags.ids) == len(set(tags.ids)), "plots share a page"
    assert all(address.startswith("#") for address in tags.addresses)
    assert "default-src 'none'" in page
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/)", page)


def test_nothing_that_data_hold_becomes_markup(page: str) -> None:
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "{{ 7 * 7 }}" in page


def test_every_part_of_the_report_is_on_the_page(page: str) -> None:
    for heading in (
        "What the leads were worth", "Who converts", "Against what it must beat", "Can the percentages be believed",
        "Does it hold everywhere", "What the model may not know", "What moves a lead", "Ten leads",
    ):  # fmt: skip
        assert f"<h2>{heading}" in page, heading
    for words in ("Gini", "KS", "Brier", "log-loss", "ECE", "Would more history help", "win rate", "left alone"):
        assert words in page, words
    assert page.count("<svg") == 6 + page.count('aria-label="prediction by')
    assert page.count('role="img"') == page.count("<svg")


def test_verdicts_that_need_a_look_come_first_and_assumptions_are_listed(page: str) -> None:
    blamed = re.findall(r'<td>(\w+)</td><td><span class="tag', page)
    assert blamed == ["duration", "calls", "owner"]
    assert "Kept all the same:</b> ours" in page
    assert "Assumed: for country today" in page


def test_the_same_report_gives_the_same_page(report: Report, page: str) -> None:
    assert html(report) == page


def test_an_erased_lead_leaves_no_word_on_the_page_and_the_others_stay(report: Report, page: str) -> None:
    numbers = [each.person for each in report.examples]
    assert len(numbers) == 10
    left = without(page, [number for number in numbers[:1] if number is not None])
    assert f'data-person="{numbers[0]}"' in page
    assert str(numbers[0]) not in re.sub(r"<svg.*?</svg>", "", left, flags=re.DOTALL)
    assert all(f'data-person="{number}"' in left for number in numbers[1:])
    tags = Tags()
    tags.feed(left)
    assert not tags.open


def test_json_holds_every_figure_and_nothing_that_json_has_no_word_for(report: Report) -> None:
    broken = replace(report, figures=replace(report.figures, ece=float("nan"), auc=Interval(0.7, float("-inf"), 0.8)))
    told = json.loads(json.dumps(plain(broken), allow_nan=False))
    assert told["figures"]["ece"] is None
    assert told["figures"]["auc"] == {"value": 0.7, "low": None, "high": 0.8}
    assert told["headline"]
    assert set(told["folds"]["fold 1"]) == {"this model", "coin", "points"}
    assert len(told["deciles"]) == 10
    assert told["verdicts"][0]["level"] == "leak"
    assert told["business"][0]["revenue_per_lead"] is not None
    assert {"people", "title", "learning", "over_time", "segments", "examples", "confusion"} <= told.keys()


def figures(auc: float = 0.8, **changes: object) -> Figures:
    its = Figures(
        1000, 1000, 200, 0.2, Interval(auc, auc - 0.02, auc + 0.02), None, 0.4, 0.3, 0.1, 0.01,
        {"0.05": 0.7, "0.1": 0.6, "0.2": 0.5}, 3.0,
    )  # fmt: skip
    return replace(its, **changes)  # type: ignore[arg-type]


def told(report: Report, question: str) -> str:
    return dict(sentences(report)).get(question, "")


@pytest.mark.parametrize(
    ("signal", "auc", "gain", "begins"),
    [
        (True, 0.8, 0.5, "The best fifth of the leads holds 50 % of all conversions, 2.5 times its share."),
        (True, 0.51, 0.3, "The best fifth of the leads holds 30 % of all conversions, 1.5 times its share. That may"),
        (True, 0.5, 0.19, "Weak: the ranking is hardly better than chance"),
        (False, 0.5, 0.2, "No signal: nothing in these columns"),
    ],
)
def test_the_headline_does_not_promise_what_the_figures_do_not_hold(
    report: Report, signal: bool, auc: float, gain: float, begins: str
) -> None:
    its = replace(report, signal=signal, figures=figures(auc), deciles=[Slice(0.1, 0, 1, 0), Slice(0.2, 0, 1, gain)])
    assert headline(its).startswith(begins)


def test_rivals_are_better_alike_or_worse_by_their_intervals(report: Report) -> None:
    flat = replace(figures(), auc=Interval(0.5, 0.5, 0.5))
    its = replace(
        report,
        figures=figures(0.8),
        rivals={"base rate": flat, "rules": figures(0.7), "champion": figures(0.79), "oracle": figures(0.9)},
    )
    assert told(its, "Better than what you have?") == (
        "It ranks better than rules (0.70), about as well as champion (0.79), and worse than oracle (0.90); its own "
        "AUC is 0.80."
    )


@pytest.mark.parametrize(
    ("ece", "predicted", "begins"),
    [(0.01, 0.2, "Yes: they are off by 1.0 points"), (0.05, 0.2, "Roughly"), (0.05, 0.26, "Not as they stand: 26 %")],
)
def test_what_is_said_of_percentages(report: Report, ece: float, predicted: float, begins: str) -> None:
    its = replace(report, figures=figures(ece=ece), calibration=[Bin(10, predicted, 0.2)])
    assert told(its, "Can the percentages be believed?").startswith(begins)


def test_a_bad_stretch_of_time_is_named(report: Report) -> None:
    stretches = [Part("a to b", 50, 20, 0.4, 0.4, 0.8), Part("b to c", 50, 20, 0.4, 0.4, 0.52)]
    its = replace(report, figures=figures(), over_time=stretches)
    assert "from b to c it ranked hardly better" in told(its, "Does it hold?")


def test_what_it_was_worth_is_best_against_last(report: Report) -> None:
    buckets = [
        BucketOutcome("hot, 90 to 100", 40, 20, 12, 0.3, 0.6, 20.0, 1500.0),
        BucketOutcome("cold, 0 to 49", 400, 20, 4, 0.01, 0.2, 60.0, 25.0),
    ]
    said = told(replace(report, business=buckets), "What was it worth?")
    assert "40 leads" in said
    assert "30 % closed as won" in said
    assert "1,500 against 25" in said


def test_left_out_columns_are_said_with_why_and_few_conversions_too(report: Report) -> None:
    assert (
        told(report, "What was left out?")
        == "\u201cduration\u201d knows the outcome; \u201ccalls\u201d is caused by sales."
    )
    clean = replace(report, about=replace(ABOUT, verdicts=VERDICTS[-1:]))
    assert told(clean, "What was left out?").startswith("Nothing")
    assert "Only 60 conversions" in told(replace(report, figures=figures(conversions=60)), "How sure is this?")


@pytest.mark.parametrize(
    ("share", "said"),
    [(None, "\u2013"), (0, "0 %"), (0.004, "0.4 %"), (0.0996, "10 %"), (0.456, "46 %"), (0.9995, "100 %"),
     (0.997, "99.7 %"), (1.0, "100 %")],
)  # fmt: skip
def test_a_share_in_words(share: float | None, said: str) -> None:
    assert percent(share) == said


def test_a_report_without_signal_is_a_page_too(report: Report) -> None:
    none = figures(auc=0.5)
    its = replace(
        report, signal=False, figures=replace(none, auc=None, gini=None, ks=None, lift=None, ece=None),
        importance=(), dependence=(), business=(), over_time=(), segments={}, rivals={},
        about=replace(ABOUT, notes=["why"]),
    )  # fmt: skip
    page = html(its)
    assert "No signal" in page
    assert "Ten leads" not in page
    assert {name: value for name, value, _ in summary(its.figures)}["KS"] == "\u2013"
    assert np.isfinite(its.confusion.hit)
