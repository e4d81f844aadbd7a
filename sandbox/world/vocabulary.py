"""The words of the practice world: markets, titles, pages, forms, campaigns. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sandbox.world.truth import Seniority

INDUSTRIES: dict[str, float] = {
    "Software": 0.22,
    "Manufacturing": 0.20,
    "Financial services": 0.12,
    "Healthcare": 0.10,
    "Logistics": 0.09,
    "Retail": 0.12,
    "Education": 0.07,
    "Public sector": 0.08,
}
"""Industry -> share of companies."""

SALESFORCE_INDUSTRIES: dict[str, str] = {
    "Software": "Technology",
    "Manufacturing": "Manufacturing",
    "Financial services": "Finance",
    "Healthcare": "Healthcare",
    "Logistics": "Transportation",
    "Retail": "Retail",
    "Education": "Education",
    "Public sector": "Government",
}
"""Industry -> value of Salesforce's standard picklist."""

HUBSPOT_INDUSTRIES: dict[str, str] = {
    "Software": "COMPUTER_SOFTWARE",
    "Manufacturing": "MACHINERY",
    "Financial services": "FINANCIAL_SERVICES",
    "Healthcare": "HOSPITAL_HEALTH_CARE",
    "Logistics": "LOGISTICS_AND_SUPPLY_CHAIN",
    "Retail": "RETAIL",
    "Education": "EDUCATION_MANAGEMENT",
    "Public sector": "GOVERNMENT_ADMINISTRATION",
}
"""Industry -> option of HubSpot's company property `industry`."""


@dataclass(frozen=True, slots=True)
class Country:
    """A market: its name in the CRM, share of companies, faker locale, top-level domain and calling code."""

    name: str
    share: float
    locale: str
    suffix: str
    calling: str


COUNTRIES: tuple[Country, ...] = (
    Country("United States", 0.34, "en_US", "example.com", "+1"),
    Country("Germany", 0.20, "de_DE", "de.example", "+49"),
    Country("United Kingdom", 0.12, "en_GB", "uk.example", "+44"),
    Country("France", 0.10, "fr_FR", "fr.example", "+33"),
    Country("Austria", 0.05, "de_DE", "at.example", "+43"),
    Country("Switzerland", 0.05, "de_DE", "ch.example", "+41"),
    Country("Spain", 0.08, "es_ES", "es.example", "+34"),
    Country("Kazakhstan", 0.06, "ru_RU", "kz.example", "+7"),
)

SIZES: tuple[tuple[int, int, float], ...] = (
    (1, 10, 0.26),
    (11, 50, 0.28),
    (51, 200, 0.22),
    (201, 1000, 0.15),
    (1001, 20000, 0.09),
)
"""(least, most employees, share of companies)."""

FREE_MAIL = ("gmail.example", "outlook.example", "gmx.example", "yandex.example", "web.example")

SENIORITY_SHARES: dict[Seniority, float] = {
    Seniority.C_LEVEL: 0.10,
    Seniority.VP: 0.10,
    Seniority.DIRECTOR: 0.16,
    Seniority.MANAGER: 0.30,
    Seniority.STAFF: 0.34,
}

_ENGLISH: dict[Seniority, tuple[str, ...]] = {
    Seniority.C_LEVEL: ("Chief Executive Officer", "CTO", "Chief Revenue Officer", "CFO", "Founder & CEO"),
    Seniority.VP: ("VP Sales", "Vice President of Marketing", "SVP Operations", "VP Engineering"),
    Seniority.DIRECTOR: ("Director of IT", "Sales Director", "Head of Marketing", "Director, Revenue Operations"),
    Seniority.MANAGER: ("Marketing Manager", "Sales Operations Manager", "IT Manager", "Team Lead CRM"),
    Seniority.STAFF: ("Analyst", "Software Engineer", "Marketing Specialist", "Sales Representative", "Consultant"),
}

TITLES: dict[str, dict[Seniority, tuple[str, ...]]] = {
    "en_US": _ENGLISH,
    "en_GB": {
        **_ENGLISH,
        Seniority.C_LEVEL: ("Managing Director", "Chief Technology Officer", "CEO", "Finance Director (CFO)"),
    },
    "de_DE": {
        Seniority.C_LEVEL: ("Geschäftsführer", "Vorstandsvorsitzende", "Geschäftsführerin", "Technischer Vorstand"),
        Seniority.VP: ("Bereichsvorstand Vertrieb", "Vice President Marketing", "VP Produktion"),
        Seniority.DIRECTOR: ("Leiter IT", "Vertriebsleiterin", "Bereichsleiter Marketing", "Direktor Einkauf"),
        Seniority.MANAGER: ("Abteilungsleiter Logistik", "Teamleiterin Vertrieb", "Marketing-Manager", "Projektleiter"),
        Seniority.STAFF: ("Sachbearbeiter", "Softwareentwicklerin", "Referent Marketing", "Werkstudent"),
    },
    "fr_FR": {
        Seniority.C_LEVEL: ("Président-directeur général", "Directeur général", "Directrice financière (DAF)", "PDG"),
        Seniority.VP: ("Vice-présidente Ventes", "Vice-président Marketing"),
        Seniority.DIRECTOR: ("Directeur commercial", "Directrice marketing", "Responsable de division"),
        Seniority.MANAGER: ("Responsable marketing", "Chef de projet", "Chef d'équipe CRM"),
        Seniority.STAFF: ("Analyste", "Ingénieure logiciel", "Chargé de clientèle", "Assistante"),
    },
    "es_ES": {
        Seniority.C_LEVEL: ("Director general", "Consejera delegada", "Presidente", "Directora financiera (CFO)"),
        Seniority.VP: ("Vicepresidente de Ventas", "Vicepresidenta de Marketing"),
        Seniority.DIRECTOR: ("Directora comercial", "Director de sistemas", "Directora de marketing"),
        Seniority.MANAGER: ("Jefe de ventas", "Responsable de marketing", "Jefa de proyecto"),
        Seniority.STAFF: ("Analista", "Ingeniera de software", "Técnico", "Asesora comercial"),
    },
    "ru_RU": {
        Seniority.C_LEVEL: ("Генеральный директор", "Технический директор", "Финансовый директор", "Основатель"),
        Seniority.VP: ("Вице-президент по продажам", "Заместитель генерального директора"),
        Seniority.DIRECTOR: ("Директор по маркетингу", "Начальник управления", "Директор департамента ИТ"),
        Seniority.MANAGER: ("Руководитель отдела продаж", "Менеджер проектов", "Начальник отдела"),
        Seniority.STAFF: ("Аналитик", "Инженер-программист", "Специалист по закупкам", "Консультант"),
    },
}
"""faker locale -> seniority -> job titles."""


class Form(StrEnum):
    """The marketing forms, by the name they bear in the CRM."""

    WHITEPAPER = "Whitepaper download"
    WEBINAR = "Webinar registration"
    DEMO = "Demo request"
    CONTACT = "Contact us"
    QUOTE = "Pricing quote"


class CampaignKind(StrEnum):
    """What a Salesforce campaign is about; also the first words of its name."""

    WHITEPAPER = "Whitepaper"
    WEBINAR = "Webinar"
    TRADE_FAIR = "Trade fair"
    DEMO_VIDEO = "Demo video"
    PRICING_GUIDE = "Pricing guide"
    DEMO_REQUEST = "Demo request"
    CONTACT_REQUEST = "Contact request"


CAMPAIGNS: dict[CampaignKind, tuple[str, str]] = {
    CampaignKind.WHITEPAPER: ("Whitepaper", "Downloaded"),
    CampaignKind.WEBINAR: ("Webinar", "Attended"),
    CampaignKind.TRADE_FAIR: ("Trade Show", "Visited"),
    CampaignKind.DEMO_VIDEO: ("Demo Video", "Responded"),
    CampaignKind.PRICING_GUIDE: ("Other", "Downloaded"),
    CampaignKind.DEMO_REQUEST: ("Other", "Requested"),
    CampaignKind.CONTACT_REQUEST: ("Other", "Requested"),
}
"""Salesforce campaign type, and the member status that counts as a response."""

SITE = "https://www.gaugewright.example"
PRICING_PAGES = (f"{SITE}/pricing", f"{SITE}/pricing/enterprise")
DEMO_VIDEO_PAGE = f"{SITE}/demo-video"
CAREERS_PAGE = f"{SITE}/careers"
PLAIN_PAGES = (
    f"{SITE}/",
    f"{SITE}/product",
    f"{SITE}/product/integrations",
    f"{SITE}/docs/getting-started",
    f"{SITE}/docs/api",
    f"{SITE}/blog/forecasting-without-tears",
    f"{SITE}/blog/what-sales-wants-from-marketing",
    f"{SITE}/customers",
    f"{SITE}/about",
)
FORM_PAGES: dict[Form, str] = {
    Form.WHITEPAPER: f"{SITE}/resources/whitepaper",
    Form.WEBINAR: f"{SITE}/webinars/next",
    Form.DEMO: f"{SITE}/demo",
    Form.CONTACT: f"{SITE}/contact",
    Form.QUOTE: f"{SITE}/pricing/quote",
}

NEEDS = (
    "Forecast is wrong every quarter",
    "Sales wastes time on cold leads",
    "CRM data is scattered over two systems",
    "Need alerts when a prospect shows intent",
    "Replace a home-grown spreadsheet",
)
TIMELINES = ("This month", "This quarter", "This year", "No timeline")
AUTHORITIES = ("Decision maker", "Influencer", "User", "Unknown")
LOSS_REASONS = ("price", "no budget", "chose a competitor", "project stopped")
