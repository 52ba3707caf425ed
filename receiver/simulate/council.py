"""The council whose repairs are scheduled: trades, schedule of rates, streets and workers, all invented.

Some of its text is outside ASCII, and some outside ISO-8859-1, as what people type is.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """A line of the schedule of rates. ``minutes`` and ``value`` are text, as DRS sends them (facts, section 2)."""

    code: str
    description: str
    minutes: str
    value: str


@dataclass(frozen=True)
class Trade:
    """A trade with the rates its jobs are made of."""

    name: str
    rates: tuple[Rate, ...]


@dataclass(frozen=True)
class Place:
    """Where a job is. ``latitude`` and ``longitude`` are degrees, as text."""

    location: str
    name: str
    street: str
    post_code: str
    latitude: str
    longitude: str


@dataclass(frozen=True)
class Worker:
    """A resource: DRS's id, the other application's id, and a name."""

    resource: str
    external: str
    name: str


TRADES = (
    Trade(
        "Plumbing",
        (
            Rate("20060020", "BASIN TAP RENEW", "60", "18.54"),
            Rate("N372005", "WC PAN RENEW, VITREOUS CHINA", "150", "104.10"),
            Rate("20060030", "PLUMBER - FIND AND STOP LEAK", "90", "0.0"),
        ),
    ),
    Trade(
        "Electrical",
        (
            Rate("N851701", "SMOKE ALARM RENEW, MAINS", "45", "62.00"),
            Rate("20110010", "ELECTRICIAN - FAULT FINDING", "60", "1.00"),
        ),
    ),
    Trade(
        "Carpentry",
        (
            Rate("N373049", "DOOR RENEW FRAME, SOFTWOOD \u2013 EXTERNAL", "480", "263.80"),
            Rate("20040050", "EASE AND ADJUST DOOR", "30", "12.25"),
            Rate("N325117", "WINDOW BOARD RENEW", "120", "48.9"),
        ),
    ),
    Trade(
        "Plastering",
        (
            Rate("N411007", "CEILING PATCH, UP TO 1M²", "150", "39.40"),
            Rate("N411122", "WALL HACK OFF AND RENEW", "240", "31.05"),
        ),
    ),
    Trade(
        "Roofing",
        (
            Rate("20180001", "ROOF TILE REFIX, TENANT\u2019S ACCESS NEEDED", "240", "85.00"),
            Rate("N221003", "GUTTER CLEAR, UP TO 10M", "60", "22.40"),
        ),
    ),
    Trade(
        "Glazing",
        (
            Rate("N330105", "REGLAZE, CLEAR FLOAT 4MM", "90", "51.35"),
            Rate("20190007", "BOARD UP, EMERGENCY", "45", "1.0"),
        ),
    ),
)

CONTRACTS = ("H01-DLO", "H02-VOIDS", "Gas & Heating 2021", "Estates \u2013 Communal")
SCHEDULERS = ("JSMITH", "PATEL.R", "osullivan", "NIGHTPLAN", "café.desk")
PRIORITIES = ("E", "U", "N", "P")
STREETS = (
    ("Regent\u2019s Row", "E8 4PH", "51.5360", "-0.0651"),
    ("Pembury Road", "E5 8LH", "51.5489", "-0.0594"),
    ("Mare Street", "E8 3SG", "51.5430", "-0.0553"),
    ("Woodberry Down", "N4 2TG", "51.5702", "-0.0940"),
    ("Église Court", "N16 5LX", "51.5639", "-0.0744"),
    ("Frampton Park", "E9 7NP", "51.5425", "-0.0492"),
)
WORKERS = ("Alan Reed", "Bola Ade", "Ciarán Walsh", "Dee Okafor", "Ewa Nowak", "Farid Khan", "Gwen Price", "Zoë Hart")
MOVE_REASONS = ("Tenant changed", "Operative unavailable", "Weather", "2nd visit", "No parts")
JOB_COMMENTS = (
    "",
    "Dog in garden",
    "Ring before arrival \u2013 after 9",
    "Key safe £ deposit paid",
    "Tenant\u2019s lift is out",
)
OPERATOR_COMMENTS = ("Job done & tidy", "Needs 2nd man < 3 hrs", "Tenant\u2019s son let me in", "Part on order")
