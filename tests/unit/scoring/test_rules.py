from __future__ import annotations

import pickle

import pytest

from tests.unit.scoring.writing import CATALOGUE
from worker.scoring.document import DEEPEST, LARGEST, RulesError
from worker.scoring.rules import load, shipped

HEAD = "version: 1\nbase: 20\ngroups: {fit: {max: 50}}\nrules:\n"
GOOD = "  - {id: a, group: fit, points: 5, when: {title: present}}\n"


def mistakes(text: str) -> list[tuple[int, str]]:
    with pytest.raises(RulesError) as refused:
        load(text, "rules.yaml", CATALOGUE)
    return [(mistake.line, f"{mistake.what}; {mistake.allowed}") for mistake in refused.value.mistakes]


def test_the_shipped_rules_are_valid() -> None:
    ruleset = load(shipped(), "default_rules.yaml", CATALOGUE)
    assert len(ruleset.rules) > 25
    assert ruleset.digest == load(shipped(), "other name", CATALOGUE).digest


def test_a_file_may_be_small() -> None:
    assert [rule.id for rule in load(HEAD + GOOD, "rules.yaml", CATALOGUE).rules] == ["a"]


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("{id: b, group: fit, points: 5}", "lacks when and each"),
        ("{id: b, group: fit, when: {title: present}}", "lacks points"),
        ("{id: a, group: fit, points: 5, when: {title: present}}", "the id 'a' is taken"),
        ("{id: base, group: fit, points: 5, when: {title: present}}", "the id 'base' is taken"),
        ("{id: B-1, group: fit, points: 5, when: {title: present}}", "'B-1' cannot name a rule"),
        ("{id: b, group: fitt, points: 5, when: {title: present}}", "unknown group: 'fitt'; did you mean 'fit'?"),
        ("{id: b, group: fit, point: 5, when: {title: present}}", "did you mean 'points'?"),
        ("{id: b, group: fit, points: 5, points: 6, when: {title: present}}", "'points' stands twice in a rule"),
        ("{id: b, group: fit, points: many, when: {title: present}}", "a number from -100 to 100"),
        ("{id: b, group: fit, points: 101, when: {title: present}}", "a number from -100 to 100"),
        ("{id: b, group: fit, points: .inf, when: {title: present}}", "a number from -100 to 100"),
        ("{id: b, group: fit, points: .nan, when: {title: present}}", "a number from -100 to 100"),
        ("{id: b, group: fit, points: 0, when: {title: present}}", "points is 0"),
        ("{id: b, group: fit, points: [5], when: {title: present}}", "points must be a single value"),
        ("{id: b, group: fit, points: ~, when: {title: present}}", "points must be a single value"),
        ("{id: b, group: fit, points: 5, when: {titel: present}}", "unknown attribute: 'titel'; did you mean 'title'?"),
        ("{id: b, group: fit, points: 5, when: {}}", "the condition asks nothing"),
        ("{id: b, group: fit, points: 5, when: [title]}", "the condition must be a mapping"),
        (
            "{id: b, group: fit, points: 5, when: {title: CTO}}",
            "allowed: missing, present, or a mapping such as {equals:",
        ),
        (
            "{id: b, group: fit, points: 5, when: {title: {at_least: 5}}}",
            "unknown operator for title (a text): 'at_least'",
        ),
        ("{id: b, group: fit, points: 5, when: {employees: {contains: 5}}}", "operator for employees (a number)"),
        ("{id: b, group: fit, points: 5, when: {employees: {at_least: big}}}", "employees.at_least is 'big'"),
        ("{id: b, group: fit, points: 5, when: {employees: {between: [9, 1]}}}", "the lower one first"),
        ("{id: b, group: fit, points: 5, when: {employees: {between: [9]}}}", "the lower one first"),
        ("{id: b, group: fit, points: 5, when: {employees: {in: 5}}}", "employees.in must be a list"),
        ("{id: b, group: fit, points: 5, when: {employees: {in: []}}}", "employees.in must be a list"),
        ("{id: b, group: fit, points: 5, when: {has_phone: maybe}}", "allowed: true, false, missing, present"),
        ("{id: b, group: fit, points: 5, when: {renewal: {at_least: soon}}}", "a date such as 2025-06-30"),
        ("{id: b, group: fit, points: 5, when: {renewal: {in_last: 2 years}}}", "12h, 30d, 6w"),
        ("{id: b, group: fit, points: 5, when: {all: []}}", "'all' must be a list"),
        ("{id: b, group: fit, points: 5, when: {all: [{titel: present}]}}", "unknown attribute: 'titel'"),
        ("{id: b, group: fit, points: 5, when: {not: {titel: present}}}", "unknown attribute: 'titel'"),
        ("{id: b, group: fit, points: 5, when: {did: {activity: page_veiw}}}", "did you mean 'page_view'?"),
        ("{id: b, group: fit, points: 5, when: {did: {within: 3d}}}", "either activity or caused_by"),
        (
            "{id: b, group: fit, points: 5, when: {did: {activity: note, caused_by: sales}}}",
            "either activity or caused_by",
        ),
        ("{id: b, group: fit, points: 5, when: {did: {caused_by: magic}}}", "prospect, sales, system"),
        ("{id: b, group: fit, points: 5, when: {did: {activity: note, at_least: 0}}}", "a number from 1 to 1000"),
        ("{id: b, group: fit, points: 5, when: {did: {activity: note, at_least: 1.5}}}", "a whole number"),
        ("{id: b, group: fit, points: 5, each: {activity: note, within: 0d}}", "within is '0d'"),
        ("{id: b, group: fit, points: 5, each: {activity: note, within: 9999d}}", "at most 3650d"),
        ("{id: b, group: fit, points: 5, each: {activity: note, once_per: day}}", "once_per is 'day'"),
        ("{id: b, group: fit, points: 5, each: {activity: note, at_most: 1001}}", "a number from 1 to 1000"),
        (
            "{id: b, group: fit, points: 5, each: {activity: note, detail: {at_least: 3}}}",
            "operator for detail (a text)",
        ),
        ("{id: b, group: fit, points: 5, each: {activity: note}, max_points: 4}", "a number from 5 to 1000"),
        ("{id: b, group: fit, points: 5, half_life: 3d, when: {title: present}}", "half_life needs 'each'"),
        ("{id: b, group: fit, points: 5, max_points: 9, when: {title: present}}", "max_points needs 'each'"),
        ("{id: b, group: fit, points: 5, when: {title: present}, say: '{titel}'}", "did you mean 'title'?"),
        ("{id: b, group: fit, points: 5, when: {title: present}, say: '{count}'}", "unknown blank in say: 'count'"),
        ("{id: b, group: fit, points: 5, when: {title: present}, say: '{title.__class__}'}", "write {name}"),
        ("{id: b, group: fit, points: 5, when: {title: present}, say: '{title!r}'}", "write {name}"),
        ("{id: b, group: fit, points: 5, when: {title: present}, say: '{title:>99}'}", "write {name}"),
        ("{id: b, group: fit, points: 5, when: {title: present}, say: '{title'}", "write {name}"),
        ("{id: b, group: fit, points: 5, when: {title: present}, say: '{title}{title}{title}{title}'}", "at most 3"),
        (
            f"{{id: b, group: fit, points: 5, when: {{title: present}}, say: {'x' * 81}}}",
            "1 to 80 printable characters",
        ),
    ],
)
def test_each_mistake_in_a_rule_is_refused_with_its_line_and_what_is_allowed(rule: str, what: str) -> None:
    ((line, message),) = mistakes(f"{HEAD}{GOOD}  - {rule}\n")
    assert line == 6
    assert what in message


@pytest.mark.parametrize(
    ("guardrail", "what"),
    [
        ("{id: g, when: {title: present}}", "exactly one effect"),
        ("{id: g, when: {title: present}, cap: 5, floor: 4}", "exactly one effect"),
        ("{id: g, when: {title: present}, cap: 101}", "a number from 0 to 100"),
        ("{id: g, when: {title: present}, exclude: Some Body}", "cannot name a reason"),
        ("{id: a, when: {title: present}, cap: 5}", "the id 'a' is taken"),
        ("{id: g, cap: 5}", "lacks when"),
    ],
)
def test_each_mistake_in_a_guardrail_is_refused(guardrail: str, what: str) -> None:
    ((line, message),) = mistakes(f"{HEAD}{GOOD}guardrails:\n  - {guardrail}\n")
    assert line == 7
    assert what in message


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "the file is empty"),
        ("# nothing\n", 1, "the file is empty"),
        ("- a\n", 1, "the file must be a mapping"),
        ("version: 1\n  base: 2\n", 2, "mapping values are not allowed here"),
        ("version: 1\n\tbase: 2\n", 2, "cannot start any token"),
        (HEAD.replace("version: 1", "version: 2") + GOOD, 1, "allowed: 1"),
        (HEAD.replace("base: 20", "base: 120") + GOOD, 2, "a number from 0 to 100"),
        (HEAD.replace("fit:", "clip:") + GOOD.replace("fit", "clip"), 3, "the id 'clip' is taken"),
        (HEAD.replace("max: 50", "max: -1") + GOOD, 3, "a number from 0 to 1000"),
        (HEAD.replace("max: 50", "most: 1") + GOOD, 3, "unknown key of group fit: 'most'"),
        (HEAD + GOOD + "rule: []\n", 6, "did you mean 'rules'?"),
        (HEAD + GOOD + "---\nversion: 1\n", 6, "but found another document"),
        (HEAD + GOOD + "<<: {}\n", 6, "unknown key of the file: '<<'"),
        (HEAD + GOOD.replace("{title: present}", "&x {title: present}"), 5, "anchors and aliases are not allowed"),
        (HEAD + "  - !!python/object/apply:os.system [echo]\n", 5, "a rule must be a mapping"),
        (HEAD + GOOD.replace("5", "!!python/name:os.system 5"), 5, "points must be a single value"),
        (HEAD + GOOD.replace("present", "\x07"), 5, "a character that YAML forbids"),
        (HEAD + "  - " + "[" * 5000, 5, f"nested more than {DEEPEST} deep"),
        ("#" * (LARGEST + 1), 1, "the file is too large"),
    ],
)
def test_each_mistake_in_the_file_is_refused_with_its_line(text: str, line: int, what: str) -> None:
    found = mistakes(text)
    assert found[0][0] == line
    assert what in found[0][1]


def test_a_file_that_would_grow_when_read_is_refused_at_once() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 40))
    assert mistakes(bomb) == [(1, "anchors and aliases are not allowed; write plain YAML")]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = HEAD.replace("20", "200") + GOOD.replace("title", "titel") + GOOD.replace("fit", "fat") + GOOD
    with pytest.raises(RulesError) as refused:
        load(text, "conf/rules.yaml", CATALOGUE)
    told = str(refused.value).splitlines()
    places = ["2:7", "5:43", "6:10", "7:10"]
    assert [line.split(": ")[0] for line in told] == [f"conf/rules.yaml:{place}" for place in places]


def test_many_mistakes_are_cut_short_and_counted() -> None:
    with pytest.raises(RulesError) as refused:
        load(HEAD + GOOD * 31, "rules.yaml", CATALOGUE)
    assert str(refused.value).splitlines()[-1] == "rules.yaml: and 10 more"


def test_the_error_survives_a_pipe_between_processes() -> None:
    with pytest.raises(RulesError) as refused:
        load("", "rules.yaml", CATALOGUE)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)  # noqa: S301


@pytest.mark.parametrize("country", ["NO", "no", "on", "1e3", "007", "0x1F", "12:30:00", "2025-01-01"])
def test_text_stays_text_whatever_yaml_would_make_of_it(country: str) -> None:
    text = HEAD + GOOD.replace("{title: present}", f"{{country: {{equals: {country}}}}}")
    (rule,) = load(text, "rules.yaml", CATALOGUE).rules
    assert getattr(rule.when, "operands") == (country.lower(),)  # noqa: B009
