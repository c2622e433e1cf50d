"""The four demonstrations. Every figure here is a choice; where it follows a published one, that is said.

The spreads within units and their autocorrelation belong to the process and are set a little
higher than what is wanted of the panel, because taking unit and period means out of a short
panel lowers both.
"""

from __future__ import annotations

from evalkit.simulate.settings import (
    Demonstration,
    Dip,
    Effect,
    Measure,
    Missing,
    Selection,
    Support,
    Volume,
    Wave,
)

# Urgent and emergency care: the moments of Type 1 four-hour performance in 2022 to 2026 (mean 59 %,
# standard deviation 9 points between trusts and 4.3 within, autocorrelation 0.6), entry compulsory
# for the worst, and a programme that works slowly.
UEC = Demonstration(
    name="uec",
    seed=20_240_425,
    unit="trust",
    prefix="SIMU",
    units=120,
    frequency="month",
    window=("2022-04", "2026-02"),
    volumes=(
        Volume("type1_attendances", 8_500, 0.42, 0.04, growth=0.012, season=0.03, by_days=True),
        Volume("other_attendances", 4_600, 0.60, 0.05, growth=0.025, season=0.04, by_days=True),
    ),
    measures=(
        Measure(
            "within_4h",
            "type1_within_4h",
            "type1_attendances",
            "share",
            course=(("2022-04", 60.5), ("2023-01", 60.0), ("2024-06", 60.5), ("2026-02", 61.5)),
            unit_sd=8.7,
            within_sd=4.5,
            rho=0.65,
            winter=-5.0,
            dips=(Dip("2022-12", "2023-03", -1.5), Dip("2023-06", "2024-02", -1.0)),
            shared_sd=0.6,
            effect=Effect(size=3.0, spread=1.0, build=12),
        ),
        Measure(
            "admissions",
            "emergency_admissions",
            "type1_attendances",
            "share",
            course=(("2022-04", 27.5), ("2024-01", 28.8), ("2026-02", 28.0)),
            unit_sd=0.38,
            within_sd=0.10,
            rho=0.85,
            logit=True,
            winter=0.04,
            shared_sd=0.02,
        ),
        # Types 2 and 3, which the programme does not touch; with Type 1 they make the all-type standard.
        Measure(
            "other_within_4h",
            "other_within_4h",
            "other_attendances",
            "share",
            course=(("2022-04", 96.0), ("2026-02", 95.5)),
            unit_sd=0.50,
            within_sd=0.20,
            rho=0.6,
            logit=True,
            winter=-0.15,
            shared_sd=0.03,
        ),
        Measure(
            "by_ambulance",
            "arrived_by_ambulance",
            "type1_attendances",
            "share",
            course=(("2022-04", 25.0), ("2024-01", 26.0), ("2026-02", 26.5)),
            unit_sd=0.30,
            within_sd=0.06,
            rho=0.7,
            logit=True,
            winter=0.05,
            shared_sd=0.01,
        ),
    ),
    support=Support("regional_support", share=0.25, first="2023-07", last="2025-01", periods=12),
    waves=(Wave("2024-04", 14), Wave("2024-10", 14), Wave("2025-01", 12)),
    transition=3,
    selection=Selection("2023-04", "2024-03", noise=1.5),
    segments=True,
)

# Outpatients: the moments of 18-week performance (mean 61 %, standard deviation 7 points between
# trusts and 3.5 within, autocorrelation 0.93), entry by interest, and a programme that does nothing.
OUTPATIENTS = Demonstration(
    name="outpatients",
    seed=20_240_503,
    unit="trust",
    prefix="SIMO",
    units=130,
    frequency="month",
    window=("2022-04", "2026-02"),
    volumes=(Volume("total_incomplete", 39_500, 0.55, 0.01, growth=0.02),),
    measures=(
        Measure(
            "within_18_weeks",
            "within_18wk",
            "total_incomplete",
            "share",
            course=(("2022-04", 64.0), ("2023-12", 59.0), ("2024-12", 60.5), ("2026-02", 63.0)),
            unit_sd=3.5,
            within_sd=7.0,
            rho=0.985,
            winter=-1.0,
            shared_sd=0.2,
        ),
        Measure(
            "over_52_weeks",
            "over_52wk",
            "total_incomplete",
            "share",
            course=(("2022-04", 3.6), ("2022-12", 4.2), ("2023-07", 4.1), ("2026-02", 1.4)),
            unit_sd=0.55,
            within_sd=0.35,
            rho=0.97,
            logit=True,
            shared_sd=0.02,
        ),
    ),
    waves=(Wave("2024-04", 15), Wave("2024-09", 15), Wave("2025-02", 15)),
    transition=3,
)

# Frailty: the shape of the published evaluation of the Acute Frailty Network (Street and others,
# BMJ Quality & Safety 2023): six cohorts, 66 joining sites, no effect. That study had 248 sites to
# compare with; 100 do here.
FRAILTY = Demonstration(
    name="frailty",
    seed=20_150_101,
    unit="site",
    prefix="SIMF",
    units=166,
    frequency="quarter",
    window=("2012-Q1", "2019-Q4"),
    volumes=(Volume("catchment_75plus", 26_000, 0.45, growth=0.015),),
    measures=(
        Measure(
            "length_of_stay",
            "mean_los_75plus",
            "admissions_75plus",
            "mean",
            course=(("2012-Q1", 11.2), ("2016-Q1", 10.3), ("2019-Q4", 9.6)),
            unit_sd=1.3,
            within_sd=0.55,
            rho=0.6,
            winter=0.4,
            shared_sd=0.05,
            stay_sd=12.0,
            bounds=(1.0, 40.0),
        ),
        Measure(
            "emergency_admissions",
            "admissions_75plus",
            "catchment_75plus",
            "rate",
            course=(("2012-Q1", 62.0), ("2019-Q4", 69.0)),
            unit_sd=8.0,
            within_sd=3.0,
            rho=0.6,
            winter=2.5,
            shared_sd=0.5,
            bounds=(5.0, 300.0),
        ),
        Measure(
            "readmissions",
            "readmissions_30d",
            "admissions_75plus",
            "share",
            course=(("2012-Q1", 15.5), ("2019-Q4", 17.0)),
            unit_sd=0.14,
            within_sd=0.06,
            rho=0.5,
            logit=True,
            shared_sd=0.01,
        ),
    ),
    waves=tuple(Wave(q, 11) for q in ("2015-Q1", "2015-Q4", "2016-Q3", "2017-Q1", "2017-Q4", "2018-Q2")),
    transition=1,
    missing=Missing("mean_los_75plus", share=0.008, tilt=0.7),
)

# The Emergency Services Collaborative of 2002: six waves, everybody joins, and a national rise that
# would have come anyway. The course without the collaborative is chosen so that the mean of all
# sites passes near the published national points (77 % in 2002, 94.7 % and 95.9 % in the second and
# third quarters of 2004, 98 % in 2005). Levels and spreads are logits.
EMERGENCY_SERVICES = Demonstration(
    name="emergency-services-2002",
    seed=20_021_008,
    unit="site",
    prefix="SIME",
    units=196,
    frequency="month",
    window=("2001-04", "2005-12"),
    volumes=(Volume("attendances", 5_400, 0.40, 0.035, growth=0.02, season=0.04, by_days=True),),
    measures=(
        Measure(
            "within_4h",
            "within_4h",
            "attendances",
            "share",
            course=(("2001-04", 78.0), ("2002-12", 78.6), ("2003-06", 82.0), ("2004-05", 92.7), ("2005-05", 97.2)),
            unit_sd=0.40,
            within_sd=0.25,
            rho=0.65,
            logit=True,
            winter=-0.12,
            shared_sd=0.03,
            effect=Effect(size=0.40, spread=0.15, build=6),
        ),
        Measure(
            "admissions",
            "emergency_admissions",
            "attendances",
            "share",
            course=(("2001-04", 20.0), ("2005-12", 22.0)),
            unit_sd=0.25,
            within_sd=0.08,
            rho=0.8,
            logit=True,
            winter=0.05,
            shared_sd=0.01,
        ),
    ),
    waves=(
        Wave("2002-11", 33),
        Wave("2003-02", 33),
        Wave("2003-06", 33),
        Wave("2003-09", 33),
        Wave("2004-01", 32),
        Wave("2004-05", 32),
    ),
    transition=2,
)

DEMONSTRATIONS: dict[str, Demonstration] = {d.name: d for d in (UEC, OUTPATIENTS, FRAILTY, EMERGENCY_SERVICES)}
