"""Every figure of the reference panels for comparisons between units: matched, or left out with the reason.

The references were computed by R packages on the files beside them (tests/reference). An entry is matched
here by the design that offers it, matched in another test, or left out with the reason; none is passed over.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE, Maker

from evalkit import estimators
from evalkit.estimators._did import bootstrap
from evalkit.estimators._did.common_start import fit_regression
from evalkit.estimators._did.layout import layout
from evalkit.estimators._did.saturated import residuals

EXACT = 1e-9
LOGIT = 1e-7  # R's logit stops its iterations earlier
STAG6 = 1e-8  # 282 terms at once: the normal equations lose two digits more
CASES = sorted(p.stem for p in REFERENCE.glob("did_*.json"))
STORED = {c: json.loads((REFERENCE / f"{c}.json").read_text("utf-8"))["results"] for c in CASES}
VALUES = {(c, r["id"]): r["values"] for c in CASES for r in STORED[c]}
WINDOWS = {  # event times shown, and how long a wave must be seen, in the entries `window` and `balanced`
    "did_stag_small": (-3, 3, 2), "did_stag6": (-12, 12, 10), "did_covariate": (-3, 3, 2),
    "did_2x2": (-5, 5, 4), "did_all_treated": (-5, 5, 4), "did_unbalanced": (-5, 5, 4),
}  # fmt: skip
STACKS = {"did_stag_small": (3, 2), "did_stag6": (6, 6), "did_all_treated": (4, 3), "did_unbalanced": (4, 3)}
ELSEWHERE = {
    r"ppml_twfe": "test_did_kernels.py: test_two_way_poisson",
    r"bacon": "test_did_kernels.py: test_decomposition",
    r"drdid_2period": "test_did_adjusted.py: test_two_periods",
}
LEFT_OUT = {
    r"twfe_twoway_cluster": "clustering on units and months at once is not offered: with few months it is unreliable",
    r"twfe_iid_hc1": "errors that take unit-periods as independent are not offered: they reject too often",
    r"twfe_driscoll_kraay": "errors for few units and many months are not offered for a comparison of many units",
    r"twfe_unit_trends": "trends of each unit's own take up part of an effect that builds up; not offered",
    r"did_all_treated:sunab_.*": "without units that never joined fixest drops terms by their order, not by design; "
    "evalkit takes the last wave as comparison instead",
    r"did_all_treated:twfe_event_study": "where everybody joins it needs two references, and is refused",
}
NOTED = {"did_unbalanced": {"dr"}}  # DRDID adds where the derivative subtracts: see test_did_adjusted.py


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    """A reference case as a panel: `panel(case, **protocol changes)`; each is built once.

    Options of designs change no row: panels that differ in them alone are one panel with protocols of their own.
    """
    kept, studied = {}, {}

    def built(case, only=None, measure="outcome", model=None, **changes):
        key = json.dumps([case, only is not None, measure, changes], sort_keys=True)
        if key not in kept:
            data = pd.read_csv(REFERENCE / f"{case}.csv", dtype={"first_treated": str})
            data["unit"], data["joined"] = data["provider_id"], data["first_treated"].fillna("")
            if only is not None:
                data = only(data)
            rows, outcome = _measured(data, measure)
            table = data.groupby("unit")[["joined", "region", "x"]].first().reset_index()
            window = [data["period"].min()[:7], data["period"].max()[:7]]
            source = {"reader": "csv", "path": "panel.csv", "gaps": "allow"}
            changes = {"horizons": [2], "outcomes": [outcome], "source": source, "window": window, **changes}
            changes["rollout"] = {"path": "rollout.csv", "region": "region"}
            maker = Maker(tmp_path_factory.mktemp("study"))
            kept[key] = maker, changes, maker.panel(rows, table, **changes)
        maker, changes, found = kept[key]
        key += json.dumps(model, sort_keys=True)
        if key not in studied:
            studied[key] = replace(found, study=maker.declared(**changes, model=model)) if model else found
        return studied[key]

    return built


def _measured(data, measure):
    """The outcome itself; the rate in per cent; or the outcome with the first denominator as its weight."""
    base = {"name": "y", "better": "higher", "role": "primary"}
    if measure == "outcome":
        rows = data[["unit", "period"]].assign(y=data["outcome"])
        return rows, {**base, "kind": "continuous", "value": "y"}
    if measure == "rate":
        return data[["unit", "period", "numerator", "denominator"]], {
            **base, "kind": "proportion", "numerator": "numerator", "denominator": "denominator",
        }  # fmt: skip
    ordered = data.sort_values(["unit", "t"])
    first = ordered.groupby("unit")["denominator"].first().reindex(data["unit"]).to_numpy(float)
    rows = data[["unit", "period"]].assign(above=data["outcome"].to_numpy() * first, below=first)
    return rows, {**base, "kind": "rate", "numerator": "above", "denominator": "below"}


FITTED = {}  # several entries are averages of one fit


def fitted(design, panel):
    """A design on a panel, computed once."""
    if (design, id(panel)) not in FITTED:
        FITTED[design, id(panel)] = (
            panel,
            estimators.fit(design, panel),
        )  # the panel is kept, so that its id is its own
    return FITTED[design, id(panel)][1]


def near(found, expected, rel=EXACT):
    """Within rel of the largest figure of a list as well as of each: near nought a share of itself is rounding."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    size = float(np.abs(expected).max(initial=0.0)) if expected.ndim else 0.0
    assert found == pytest.approx(expected, rel=rel, abs=max(1e-12, 1e-2 * rel * size))


def row(estimate, name):
    return estimate.terms.set_index("term").loc[name]


def twoway(panel, case, **options):
    measure, weights = options.pop("measure", "outcome"), options.pop("weights", "unit")
    top = {k: options.pop(k) for k in ("cluster", "covariates") if k in options}
    model = {"twoway": {"allow_staggered": True, "inference": "analytic", **options}}
    return estimators.fit("twoway", panel(case, measure=measure, weights=weights, model=model, **top))


def coefficient(found, expected, rel=EXACT):
    head = found.headline
    near([head["estimate"], head["std_error"], head["p_value"]],
         [expected["coef"]["D"], expected["se"]["D"], expected["p"]["D"]], rel)  # fmt: skip


def match_twfe(panel, case, entry, expected):
    kind = entry.removeprefix("twfe_")
    if kind == "ssc_variants":
        return near(twoway(panel, case).headline["std_error"], expected["default"]["se"])
    if kind in ("cluster_provider", "cluster_region"):
        found = twoway(panel, case, cluster="region" if kind.endswith("region") else "unit")
        coefficient(found, expected)
        return near(found.headline[["low", "high"]].tolist(), list(expected["ci95"].values())
                    if isinstance(expected["ci95"], dict) else expected["ci95"])  # fmt: skip
    options = {
        "weighted": {"measure": "rate", "weights": "denominator"},
        "region_by_time": {"by_region": True},
        "x_by_time": {"covariates": ["x"]},
    }
    return coefficient(twoway(panel, case, **options[kind]), expected, 1e-8)  # R's own iterations: 3e-12 a sweep


def match_event_study(panel, case, _, expected):
    model = {"event_study": {"allow_staggered": True, "inference": "analytic"}}
    found = estimators.fit("event_study", panel(case, model=model)).events.set_index("event_time")
    named = {int(re.search(r"-?\d+$", k)[0]): k for k in expected["coef"]}
    near(found.loc[list(named), "estimate"], [expected["coef"][k] for k in named.values()])
    near(found.loc[list(named), "std_error"], [expected["se"][k] for k in named.values()], 1e-8)  # R sweeps in turn


CS = re.compile(
    r"cs_(?P<side>never|notyet)(?P<anticip>_anticip1)?(?P<universal>_universal)?(_x_(?P<x>dr|reg|ipw))?"
    r"(?P<region>_cluster_region)?(?P<weighted>_weighted)?(_agg_(?P<agg>simple|dynamic|group|calendar)"
    r"(?P<cut>_window|_balanced)?)?$"
)
OVERALL = {
    "simple": "average effect on the joined (ATT)", "dynamic": "mean over periods since joining",
    "group": "mean of the waves' own averages", "calendar": "mean over calendar periods",
}  # fmt: skip


def group_time(panel, case, entry):
    parts = CS.match(entry).groupdict()
    options = {"inference": "analytic", "unbalanced": "cross_sections"}
    options["base"] = "universal" if parts["universal"] else "varying"
    options["anticipation"] = 1 if parts["anticip"] else 0
    options["method"] = {"reg": "or"}.get(parts["x"], parts["x"] or "dr")
    first, last, balanced = WINDOWS.get(case, (None, None, None))
    if parts["cut"] == "_window":
        options |= {"first": first, "last": last}
    if parts["cut"] == "_balanced":
        options["balanced"] = balanced
    top = {"comparison": "never_joined" if parts["side"] == "never" else "not_yet_joined"}
    if parts["weighted"]:
        top |= {"measure": "first", "weights": "denominator"}
    if parts["x"]:
        top["covariates"] = ["x"]
    if parts["region"]:
        top["cluster"] = "region"
    return parts, fitted("group_time", panel(case, model={"group_time": options}, **top))


def match_cs(panel, case, entry, expected):
    parts, found = group_time(panel, case, entry)
    rel = EXACT if parts["x"] in (None, "reg") else LOGIT
    errors = parts["x"] not in NOTED.get(case, ())
    if not parts["agg"]:
        return _cells(case, found, expected, rel, errors=errors)
    name = OVERALL[parts["agg"]]
    if name not in set(found.terms["term"]):
        name = OVERALL["simple"]  # one wave: all these averages are the same
    near(row(found, name)["estimate"], expected["overall_att"], rel)
    if errors:
        near(row(found, name)["std_error"], expected["overall_se"], rel)
    if parts["agg"] == "simple":
        return None
    return _by(parts["agg"], found, expected, rel, errors=errors)


def _by(kind, found, expected, rel, *, errors):
    """The averages by event time, cohort or calendar period; the reference of a universal base has no error."""
    expected = {key: np.ravel(expected[key]).tolist() for key in ("egt", "att_egt", "se_egt")}
    kept = [i for i, se in enumerate(expected["se_egt"]) if se is not None]
    if kind == "dynamic":
        mine = found.events
        assert mine["event_time"].tolist() == [expected["egt"][i] for i in kept]
    else:
        mine = found.groups[found.groups["kind"].eq({"group": "cohort"}.get(kind, kind))]
        assert len(mine) == len(kept)
    near(mine["estimate"], [expected["att_egt"][i] for i in kept], rel)
    if errors:
        near(mine["std_error"], [expected["se_egt"][i] for i in kept], rel)


def _cells(case, found, expected, rel, *, errors):
    first = pd.Period(pd.read_csv(REFERENCE / f"{case}.csv")["period"].min()[:7], "M")
    mine = found.cells.assign(
        g=[(p - first).n + 1 for p in found.cells["cohort"]], t=[(p - first).n + 1 for p in found.cells["period"]]
    ).set_index(["g", "t"])
    theirs = pd.DataFrame({k: expected[k] for k in ("group", "t", "att", "se")}).dropna()
    assert len(mine) == len(theirs)
    mine = mine.loc[list(zip(theirs["group"].astype(int), theirs["t"].astype(int), strict=True))]
    near(mine["estimate"], theirs["att"], rel)
    if errors:
        near(mine["std_error"], theirs["se"], rel)


def match_subpanel(panel, case, _, expected):
    """R drops units with any missing month; so does a panel without them."""

    def complete(data):
        full = data.groupby("unit")["t"].transform("size") == data["t"].nunique()
        return data[full]

    found = fitted("group_time", panel(case, only=complete))
    _cells(case, found, expected, EXACT, errors=True)
    near(found.headline["estimate"], expected["simple"]["overall_att"])


def match_imputation(panel, case, entry, expected):
    options = {"errors": "conservative", "inference": "analytic"}
    top = {"cluster": "region"} if entry.endswith("region") else {}
    top |= {"covariates": ["x"]} if entry.endswith("x_by_time") else {}
    found = fitted("imputation", panel(case, model={"imputation": options}, **top))
    if not entry.endswith("horizons"):
        return near(found.headline[["estimate", "std_error"]].tolist(), [expected["estimate"], expected["std.error"]]
                    if not isinstance(expected["estimate"], list) else
                    [expected["estimate"][0], expected["std.error"][0]])  # fmt: skip
    events = found.events.set_index("event_time")
    for term, estimate, error in zip(expected["term"], expected["estimate"], expected["std.error"], strict=True):
        if int(term) < 0 or not isinstance(estimate, float):
            continue  # leads: see test_leads_of_imputation; horizons nobody can be imputed at are named there
        near(events.loc[int(term), ["estimate", "std_error"]].tolist(), [estimate, error])
    given = {int(t) for t, e in zip(expected["term"], expected["estimate"], strict=True) if isinstance(e, float)}
    return near(sorted(k for k in given if k >= 0), [k for k in events.index if k >= 0])


def match_two_stage(panel, case, entry, expected):
    top = {"cluster": "region"} if entry.endswith("region") else {}
    top |= {"measure": "rate", "weights": "denominator"} if entry.endswith("weighted") else {}
    found = fitted("two_stage", panel(case, model={"two_stage": {"inference": "analytic"}}, **top))
    if not entry.endswith("event"):
        (estimate,), (error,) = expected["coef"].values(), expected["se"].values()
        return near(found.headline[["estimate", "std_error"]].tolist(), [estimate, error], 1e-8)  # sweeps in turn
    named = {int(re.search(r"-?\d+$", k)[0]): k for k in expected["coef"]}
    events = found.events.set_index("event_time")
    shared = [k for k in named if k in events.index]
    near(events.loc[shared, "estimate"], [expected["coef"][named[k]] for k in shared], 1e-8)
    assert set(named) == set(events.index)
    return near(events.loc[shared, "std_error"], [expected["se"][named[k]] for k in shared], 1e-8)


def match_sunab(panel, case, entry, expected):
    top = {"cluster": "region"} if entry.endswith("region") else {}
    model = {"interaction_weighted": {"inference": "analytic"}}
    found = fitted("interaction_weighted", panel(case, model=model, **top))
    events = found.events.set_index("event_time")
    if entry in ("sunab_att", "sunab_att_region"):
        att = expected.get("att", expected)
        near(found.headline[["estimate", "std_error"]].tolist(), [att["coef"]["ATT"], att["se"]["ATT"]], STAG6)
        for name, error in expected.get("dynamic_se", {}).items():
            near(events.loc[int(name.split("::")[1]), "std_error"], error, STAG6)
    elif entry == "sunab_dynamic":
        times = [int(k.split("::")[1]) for k in expected["coef"]]
        assert sorted(times) == events.index.tolist()
        near(events.loc[times, "estimate"], list(expected["coef"].values()), STAG6)
        near(events.loc[times, "std_error"], list(expected["se"].values()), STAG6)
    elif entry == "sunab_cohort":
        cohorts = found.groups[found.groups["kind"].eq("cohort")]
        near(cohorts["estimate"], list(expected["coef"].values()), STAG6)
        near(cohorts["std_error"], list(expected["se"].values()), STAG6)
    else:
        terms = [tuple(map(int, re.findall(r"-?\d+", t))) for t in expected["term"]]
        first = found.cells["cohort"].min() - min(g for _, g in terms)
        cells = found.cells.assign(g=[(p - first).n for p in found.cells["cohort"]]).set_index(["event_time", "g"])
        near(cells.loc[terms, "estimate"], expected["coef"], STAG6)
        near(cells.loc[terms, "std_error"], expected["se"], STAG6)


def match_stacked(panel, case, _, expected):
    before, after = STACKS[case]
    for weights, key in (("corrected", "wfh_weighted_event"), ("none", "event")):
        model = {"stacked": {"before": before, "after": after, "weights": weights}}
        events = estimators.fit("stacked", panel(case, model=model)).events
        named = [k for k in expected[key]["coef"] if re.fullmatch(r"rs::-?\d+:tr", k)]
        assert [int(k.split("::")[1].split(":")[0]) for k in named] == events["event_time"].tolist()
        near(events["estimate"], [expected[key]["coef"][k] for k in named])
        near(events["std_error"], [expected[key]["se"][k] for k in named])
    # the single coefficient `att` weighs waves as a regression happens to: see test_did_kernels.py


def draws(panel, case):
    """The wild bootstrap of the two-way coefficient by region with all sign changes, as the references have it."""
    model = {"twoway": {"allow_staggered": True}}
    built = panel(case, cluster="region", model=model)
    arrays = layout(built)
    X = np.vstack([arrays.phases == "post", np.zeros((1, arrays.Y.shape[1]), bool)])[:, :, None].astype(float)
    found, _ = fit_regression(built, arrays, X, built.study.protocol.model.twoway)
    return bootstrap.wild(arrays, found.linear(arrays, np.ones((1, 1))), 0, residuals(found, arrays), fewest_signs=2)


def match_wild(panel, case, entry, expected):
    found = draws(panel, case)
    if entry.endswith("own"):
        near([found.theta, found.p_value(), found.p_value(ties=False)],
             [expected["b"], expected["p_geq"], expected["p_strict"]])  # fmt: skip
        return
    near(found.p_value(ties=False), expected["WCR_two-tailed"]["p"])
    for key, value in expected.items():
        null = re.fullmatch(r"WCR_two-tailed_H0_D=(.*)", key)
        if null:
            near(found.p_value(float(null[1]), ties=False), value["p"])
    low, high = found.interval(0.95, ties=False)
    # fwildclusterboot stops its search for the ends within 1e-6; p jumps there
    near([low, high], expected["WCR_two-tailed"]["conf_int"], 1e-4)
    # the unrestricted and equal-tailed variants are not offered: they reject a true null too often


def match_clubsandwich(panel, case, entry, expected):
    cluster = "region" if entry.endswith("region") else "unit"
    found = twoway(panel, case, cluster=cluster, inference="bias_reduced").headline
    flat = {k: np.ravel(v)[0] for k, v in expected["CR2"].items()}
    near([found["estimate"], found["std_error"], found["df"]],
         [np.ravel(expected["coef"])[0], flat["se"], flat["df_satt"]], 1e-8)  # fmt: skip
    near(found["p_value"], flat["p_satt"], 1e-7)


def match_means(panel, case, _, expected):
    near(twoway(panel, case).headline["estimate"], expected["did"])


MATCHED = {
    r"twfe_event_study": match_event_study,
    r"twfe_.*": match_twfe,
    r"cs_balanced_subpanel": match_subpanel,
    r"cs_.*": match_cs,
    r"didimputation_.*": match_imputation,
    r"did2s_.*": match_two_stage,
    r"sunab_.*": match_sunab,
    r"stacked_did": match_stacked,
    r"wild_.*": match_wild,
    r"clubsandwich_.*": match_clubsandwich,
    r"two_by_two_means": match_means,
}


def rule(table, case, entry):
    """The first pattern that names the entry, alone or of its case."""
    return next((p for p in table if re.fullmatch(p, entry) or re.fullmatch(p, f"{case}:{entry}")), None)


ENTRIES = [(c, r["id"]) for c in CASES for r in STORED[c]]
HERE = [e for e in ENTRIES if not rule(LEFT_OUT, *e) and not rule(ELSEWHERE, *e)]


@pytest.mark.parametrize(("case", "entry"), [pytest.param(*e, id="-".join(e)) for e in HERE])
def test_entry(panel, case, entry):
    MATCHED[rule(MATCHED, case, entry)](panel, case, entry, VALUES[case, entry])


def test_none_is_passed_over():
    assert len(ENTRIES) == 725
    unnamed = [e for e in ENTRIES if not any(rule(t, *e) for t in (LEFT_OUT, ELSEWHERE, MATCHED))]
    assert unnamed == []
    assert {rule(LEFT_OUT, *e) for e in ENTRIES} - {None} == set(LEFT_OUT)
    for where in ELSEWHERE.values():
        file, name = where.split(": ")
        assert f"def {name}" in (REFERENCE.parent / file).read_text("utf-8")
