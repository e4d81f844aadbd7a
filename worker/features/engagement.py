"""What they do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from connectors.records import ActivityKind, Cause
from worker.features.acts import DAY
from worker.features.bots import JUDGED, PAGES
from worker.features.feature import Family, FeatureType
from worker.features.known import Known
from worker.features.recipe import Compute, Shelf
from worker.features.visits import WEB

ENGAGEMENT = Shelf(Family.ENGAGEMENT)

PROSPECTS = tuple(kind for kind in ActivityKind if kind.cause is Cause.PROSPECT)
HALF_LIFE = 14 * DAY
WINDOWS = (7, 30, 90)

_K = ActivityKind
_FREQUENT: Mapping[str, tuple[str, tuple[ActivityKind, ...], int]] = {
    "page_views": ("Page views", PAGES, 0),
    "pricing_views": ("Pricing-page views", (_K.PRICING_PAGE_VIEW,), 1),
    "downloads": ("Content downloads", (_K.CONTENT_DOWNLOAD,), 0),
    "mails_opened": ("E-mails opened", (_K.EMAIL_OPEN,), 0),
    "mails_clicked": ("E-mails clicked", (_K.EMAIL_CLICK,), 0),
    "mails_answered": ("E-mails answered", (_K.EMAIL_REPLY,), 1),
    "forms": ("Forms submitted", (_K.FORM_SUBMISSION,), 0),
    "acts": ("Acts of any kind", PROSPECTS, 0),
}
_RARE: Mapping[str, tuple[str, tuple[ActivityKind, ...], int]] = {
    "careers_views": ("Careers-page views", (_K.CAREERS_PAGE_VIEW,), 0),
    "demo_videos": ("Demo videos watched", (_K.DEMO_VIDEO_VIEW,), 1),
    "webinar_registrations": ("Webinar registrations", (_K.WEBINAR_REGISTRATION,), 0),
    "webinars_attended": ("Webinars attended", (_K.WEBINAR_ATTENDANCE,), 1),
    "events_attended": ("Events attended", (_K.EVENT_ATTENDANCE,), 0),
    "campaign_responses": ("Campaign responses", (_K.CAMPAIGN_RESPONSE,), 0),
    "inbound_calls": ("Calls they made", (_K.INBOUND_CALL,), 1),
    "unsubscribes": ("Unsubscribed", (_K.UNSUBSCRIBE,), -1),
    "mails_delivered": ("E-mails delivered", (_K.EMAIL_DELIVERY,), 0),
}
"""Name -> label, kinds, monotone. The rare ones are counted over the longest window only: over a week they are nearly
always 0."""

WEIGHTS: Mapping[ActivityKind, int] = {
    _K.DEMO_REQUEST: 20,
    _K.INBOUND_CALL: 15,
    _K.EMAIL_REPLY: 10,
    _K.WEBINAR_ATTENDANCE: 8,
    _K.DEMO_VIDEO_VIEW: 8,
    _K.EVENT_ATTENDANCE: 6,
    _K.PRICING_PAGE_VIEW: 5,
    _K.FORM_SUBMISSION: 5,
    _K.CONTENT_DOWNLOAD: 4,
    _K.WEBINAR_REGISTRATION: 4,
    _K.CAMPAIGN_RESPONSE: 3,
    _K.EMAIL_CLICK: 2,
    _K.PAGE_VIEW: 1,
    _K.EMAIL_OPEN: 1,
}
"""What an act of today is worth in the engagement score; half of it after 14 days."""
_SATURATION = 30.0


def _counted(kinds: tuple[ActivityKind, ...], days: int) -> Compute:
    return lambda known: known.acts.count(*kinds, within=days * DAY)


def _decayed(kinds: tuple[ActivityKind, ...], half_life: timedelta) -> Compute:
    return lambda known: known.acts.weight(*kinds, half_life=half_life)


for _table, _days in ((_FREQUENT, WINDOWS), (_RARE, WINDOWS[-1:])):
    for _name, (_label, _kinds, _monotone) in _table.items():
        for _window in _days:
            ENGAGEMENT.feature(
                f"{_label}, {_window} days",
                needs=_kinds,
                unit="acts",
                monotone=_monotone,
                name=f"{_name}_{_window}d",
            )(_counted(_kinds, _window))
        ENGAGEMENT.feature(
            f"{_label}, halved every {HALF_LIFE.days} days",
            needs=_kinds,
            unit="acts",
            monotone=_monotone,
            name=f"{_name}_decayed",
        )(_decayed(_kinds, HALF_LIFE))


@ENGAGEMENT.feature("Engagement score", needs=tuple(WEIGHTS), unit="points, 0 to 100", monotone=1)
def engagement_score(known: Known) -> pl.Series:
    """`WEIGHTS` times the decayed acts, bent so that a sum of 30 gives 63 and nothing gives more than 100."""
    raw = pl.Series([0.0]).new_from_index(0, len(known.people))
    for kind, weight in WEIGHTS.items():
        raw = raw + weight * known.acts.weight(kind, half_life=HALF_LIFE)
    return 100 * (1 - (raw / -_SATURATION).exp())


@ENGAGEMENT.feature("Visits of the website, 30 days", needs=WEB, unit="visits")
def sessions_30d(known: Known) -> pl.Series:
    return known.visits.count(30 * DAY)


@ENGAGEMENT.feature("Visits of the website, 90 days", needs=WEB, unit="visits")
def sessions_90d(known: Known) -> pl.Series:
    return known.visits.count(90 * DAY)


@ENGAGEMENT.feature("Time on the website, 30 days", needs=WEB, unit="minutes")
def minutes_on_site_30d(known: Known) -> pl.Series:
    return known.visits.minutes(30 * DAY)


@ENGAGEMENT.feature("Different pages seen, 90 days", needs=PAGES, unit="pages")
def distinct_pages_90d(known: Known) -> pl.Series:
    return known.acts.distinct(*PAGES, within=90 * DAY)


@ENGAGEMENT.feature("Active days, 30 days", needs=PROSPECTS, unit="days")
def active_days_30d(known: Known) -> pl.Series:
    return known.acts.days(*PROSPECTS, within=30 * DAY)


@ENGAGEMENT.feature("Active days, 90 days", needs=PROSPECTS, unit="days")
def active_days_90d(known: Known) -> pl.Series:
    return known.acts.days(*PROSPECTS, within=90 * DAY)


@ENGAGEMENT.feature("Page views in all, by the CRM's own count", needs=("page_views",), unit="views")
def page_views_ever(known: Known) -> pl.Series:
    return known.attribute("page_views")


@ENGAGEMENT.feature("Opted out of e-mail", FeatureType.FLAG, needs=("opted_out",), monotone=-1)
def opted_out(known: Known) -> pl.Series:
    return known.attribute("opted_out")


_ENTRANCES = tuple(kind for kind in PROSPECTS if kind is not _K.UNSUBSCRIBE)
_SOURCES = (
    _K.CONTENT_DOWNLOAD,
    _K.FORM_SUBMISSION,
    _K.DEMO_REQUEST,
    _K.WEBINAR_REGISTRATION,
    _K.WEBINAR_ATTENDANCE,
    _K.EVENT_ATTENDANCE,
    _K.CAMPAIGN_RESPONSE,
    _K.INBOUND_CALL,
)


@ENGAGEMENT.feature("First source", FeatureType.CATEGORY, needs=("lead_source", *_ENTRANCES))
def first_source(known: Known) -> pl.Series:
    """The lead source that the CRM names, else the kind of the first act."""
    first = known.acts.extreme(*_ENTRANCES, newest=False).get_column("kind")
    return (
        known.attribute("lead_source").str.to_lowercase().zip_with(known.attribute("lead_source").is_not_null(), first)
    )


@ENGAGEMENT.feature("Latest source", FeatureType.CATEGORY, needs=_SOURCES)
def latest_source(known: Known) -> pl.Series:
    """The kind of the newest answer to anything that marketing offers."""
    return known.acts.extreme(*_SOURCES, newest=True).get_column("kind")


@ENGAGEMENT.feature("Latest campaign", FeatureType.CATEGORY, needs=_SOURCES)
def latest_campaign(known: Known) -> pl.Series:
    """The name of what was answered: a campaign, a form."""
    return known.acts.extreme(*_SOURCES, newest=True).get_column("detail")


@ENGAGEMENT.feature(
    "Opens, clicks and views left out as a machine's, 90 days", needs=JUDGED, unit="acts", cause=Cause.SYSTEM
)
def bot_acts_filtered(known: Known) -> pl.Series:
    return known.machine_acts.count(*JUDGED, within=90 * DAY)
