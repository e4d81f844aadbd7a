"""Features that say the same thing to a rep, and so share one reason: a week's, a month's and a quarter's visits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

FEATURE = "feature:"
"""What a topic is called by among the codes of reasons, before its name: rules may bear the same names."""

_WINDOW = re.compile(r"_(7d|30d|90d|decayed|ever)$")

_TOPICS: Mapping[str, tuple[str, ...]] = {
    "company_size": ("employees_log", "size_band"),
    "place": ("country", "region"),
    "budget": ("budget_log", "budget_stated", "budget_age_days"),
    "timeline": ("timeline_months", "timeline_age_days"),
    "need": ("need_source", "need_age_days"),
    "authority": ("authority", "authority_source", "authority_age_days"),
    "demo_requests": ("demo_requests_90d", "days_since_demo_request"),
    "website": ("sessions_30d", "sessions_90d", "minutes_on_site_30d", "distinct_pages_90d"),
    "active_days": ("active_days_30d", "active_days_90d"),
    "colleagues": ("engaged_colleagues_30d", "colleagues_active_days_30d"),
    "last_act": ("days_since_act", "days_since_visit"),
}
_OF = {feature: topic for topic, features in _TOPICS.items() for feature in features}


def topic(feature: str) -> str:
    """The topic that a feature belongs to; its own name where it shares none."""
    return _OF.get(feature) or _WINDOW.sub("", feature)


def grouped(features: Iterable[str]) -> dict[str, list[int]]:
    """Topic -> the places of its features, in the order of the first of each."""
    found: dict[str, list[int]] = {}
    for place, feature in enumerate(features):
        found.setdefault(topic(feature), []).append(place)
    return found
