import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.world import truth
from sandbox.world.journeys import Step, evidence
from sandbox.world.truth import TRUTH, Evidence, Seniority, Touch, Traits, log_hazard, propensity

DAY = 86_400.0
TYPICAL = Traits("Software", 120, Seniority.MANAGER, "Germany", free_mail=False, eligible=True)
IDLE = Evidence(counts={}, silence_days=math.inf, age_days=100, near_term=False, budget_told=False)

traits = st.builds(
    Traits,
    industry=st.sampled_from(sorted(TRUTH.industry)),
    employees=st.integers(1, 20_000),
    seniority=st.sampled_from(Seniority),
    country=st.sampled_from(["Germany", "France", "Kazakhstan"]),
    free_mail=st.booleans(),
    eligible=st.just(True),
)
evidences = st.builds(
    Evidence,
    counts=st.dictionaries(st.sampled_from(Touch), st.integers(1, 8)),
    silence_days=st.floats(0, 300),
    age_days=st.floats(0, 700),
    near_term=st.booleans(),
    budget_told=st.booleans(),
)


def having(given: Evidence, **counts: int) -> Evidence:
    return replace(given, counts={**given.counts, **{Touch(name): count for name, count in counts.items()}})


@given(traits, evidences)
def test_the_log_hazard_is_the_sum_of_its_parts(who: Traits, known: Evidence) -> None:
    parts = truth.engagement(known) + truth.intent(known) + truth.timing(known) + truth.interplay(who, known)
    assert log_hazard(who, known) == pytest.approx(TRUTH.base + truth.fit(who) + parts)


@given(traits, evidences, st.sampled_from(sorted(set(Touch) - {Touch.CAREERS, Touch.CONTENT})), st.integers(0, 6))
def test_more_of_what_buyers_do_never_lowers_the_hazard(who: Traits, known: Evidence, touch: Touch, count: int) -> None:
    assert log_hazard(who, having(known, **{touch: count + 1})) >= log_hazard(who, having(known, **{touch: count}))


@given(traits, evidences, st.floats(0.1, 200), st.floats(0.1, 200))
def test_propensity_is_a_probability_that_grows_with_the_time_given(
    who: Traits, known: Evidence, some: float, more: float
) -> None:
    short, long = sorted((propensity(who, known, some), propensity(who, known, some + more)))
    assert 0 <= short <= long <= 1
    assert long == propensity(who, known, some + more)


def test_those_who_cannot_buy_never_do() -> None:
    competitor = replace(TYPICAL, eligible=False)
    assert propensity(competitor, having(IDLE, demo_request=1), 365) == 0


def test_pricing_has_a_threshold_at_the_third_view() -> None:
    levels = [log_hazard(TYPICAL, having(IDLE, pricing=count)) for count in range(5)]
    assert levels[0] < levels[1] == levels[2] < levels[3] == levels[4]


def test_a_demo_request_weighs_more_with_a_senior_buyer() -> None:
    def lift(seniority: Seniority) -> float:
        who = replace(TYPICAL, seniority=seniority)
        return log_hazard(who, having(IDLE, demo_request=1)) - log_hazard(who, IDLE)

    assert lift(Seniority.VP) - lift(Seniority.STAFF) == pytest.approx(TRUTH.senior_demo)


def test_pricing_weighs_more_in_a_company_of_size() -> None:
    def lift(employees: int) -> float:
        who = replace(TYPICAL, employees=employees)
        return log_hazard(who, having(IDLE, pricing=1)) - log_hazard(who, IDLE)

    assert lift(51) - lift(50) == pytest.approx(TRUTH.sized_pricing)


def test_reading_alone_counts_against_staff_until_they_show_intent() -> None:
    reader = replace(TYPICAL, seniority=Seniority.STAFF)
    assert log_hazard(reader, having(IDLE, content=1)) < log_hazard(reader, IDLE)
    assert log_hazard(reader, having(IDLE, content=1, pricing=1)) > log_hazard(reader, having(IDLE, pricing=1))


def test_evidence_counts_each_touch_within_its_window_only() -> None:
    steps = [Step(0, Touch.PRICING, {}), Step(15 * DAY, Touch.PRICING, {}), Step(30 * DAY, Touch.CONTENT, {})]
    assert evidence(steps, 0, 20 * DAY).counts == {Touch.PRICING: 2}
    assert evidence(steps, 0, 30 * DAY).counts == {Touch.PRICING: 1, Touch.CONTENT: 1}
    assert evidence(steps, 0, 60 * DAY).counts == {Touch.CONTENT: 1}


@given(st.lists(st.floats(0, 100), max_size=8), st.floats(0, 100))
def test_nothing_that_comes_later_is_evidence(days: list[float], at: float) -> None:
    steps = [Step(day * DAY, Touch.VISIT, {"budget": "1"}) for day in sorted(days)]
    before = [step for step in steps if step.at <= at * DAY]
    assert evidence(steps, 0, at * DAY) == evidence(before, 0, at * DAY)


def test_a_near_term_timeline_and_a_budget_count_once_told() -> None:
    steps = [Step(DAY, Touch.CONTACT, {"timeline": "This quarter"}), Step(2 * DAY, Touch.CONTACT, {"budget": "5000"})]
    known = [evidence(steps, 0, day * DAY) for day in (0, 1, 2)]
    assert [(one.near_term, one.budget_told) for one in known] == [(False, False), (True, False), (True, True)]
