"""A protocol to fill in: every part, with what it is for."""

from __future__ import annotations

TEMPLATE = """\
# yaml-language-server: $schema=protocol.schema.json
# The evaluation of one collaborative, written down before the results are seen.
# Everything marked <...> is yours to fill in; `evalkit check {slug}` says what is still wrong.
# Every value is read as text first, so codes such as NO, 012 or 5E10 stay what they are.

title: <name of the collaborative>
question: <what the evaluation asks, in one sentence>

# --- where the data are ------------------------------------------------------
# reader csv: any tidy CSV or Parquet file, one row per unit and period.
# reader nhs_ae: a folder of NHS England's monthly A&E provider files, exactly as published
# (then leave out unit and period). Its columns: X_attendances, X_over_4h, X_within_4h for X in type1,
# type2, other, all (booked appointments included); dta_4_12h, dta_over_12h; type1_emergency_admissions,
# ae_emergency_admissions, other_emergency_admissions. Divide X_within_4h by X_within_4h + X_over_4h.
source:
  reader: csv
  path: <../../my-data/panel.csv>   # relative to this file
  unit: <column with the unit's code>
  period: <column with the month, 2024-04 or 2024-04-01>
  # name: <column with the unit's name>
  # frequency: quarter              # then periods look like 2024-Q2; or year, 2024
  # gaps: allow                     # months missing inside a unit's life; default refuse
  # zeros: missing                  # implausible zeros count as not reported; or keep; default refuse
  # where: [{{column: <column>, equals: <value>}}]            # keep only these rows
  # missing_where: [{{column: <column>, equals: <value>, why: <reason>}}]

window: [<2022-04>, <2026-03>]      # first and last period of the study

# --- what is measured --------------------------------------------------------
# kind: proportion and rate need numerator and denominator; count and continuous need value.
# A figure made of several columns: {{plus: [a, b], minus: [c]}}. Exactly one role is primary.
outcomes:
  - name: <within_4h>
    label: <as it is printed>
    kind: proportion
    numerator: <column>
    denominator: <column>
    better: higher                  # or lower
    role: primary
    # distribution:                 # counts in bands around the threshold: was the effect made just under the line?
    #   threshold: 240              # an edge of the bands, with 3 bands or more on either side
    #   unit: minutes
    #   words: four hours           # as it is printed
    #   bands:                      # from the lowest; together the denominator, those below 240 the numerator
    #     - {{columns: <column>, upto: 180}}
    #     - {{columns: {{plus: [<column>, <column>]}}, upto: 210}}
    #     - {{columns: <column>, upto: 240}}   # ... and so on; the last band has no `upto`
  # - {{name: <admissions>, label: <...>, kind: rate, numerator: <column>, denominator: <column>,
  #    per: 1000, better: lower, role: balancing}}
  # - {{name: <within_4h_all>, ..., alternative_to: within_4h}}    # another definition of the same outcome, no role

# Who is counted: measures that joining should not change, such as the share that arrive by ambulance. Each is put to
# the design that carries the finding.
# case_mix:
#   - {{name: <by_ambulance>, label: <...>, kind: proportion, numerator: <column>, denominator: <column>}}

# --- who joined when ---------------------------------------------------------
rollout:
  path: <../../my-data/rollout.csv> # one line a unit; a blank date = has not joined
  unit: unit
  joined: joined
  # segment: <column>
  # region: <column>
  # merged: <column>                # what a unit was merged from; blank = nothing
  # unlisted: never_joined          # units with data that the table does not list; default leave_out

# Other programmes that reached some of the units: columns of the rollout with the first and last period of each.
# programmes: [{{label: <another programme>, started: <column>, ended: <column>}}]

# How units came to take part. If they joined because they were doing badly, say so.
# entry:
#   rule: <the entry rule in words>
#   selected_on_outcome: true
#   worst: 40                       # how many with the poorest outcome; or threshold: 70, in the unit of report
#   over: [<2023-04>, <2024-03>]    # the periods that were judged
#   # outcome: <name>               # what was judged; default the primary outcome

# Months from joining on that count as neither before nor after, and why.
transition: {{periods: 0, why: <reason>}}

# Months that no estimate uses, and things that happened.
# exclude: [{{from: 2020-03, to: 2021-06, why: COVID-19}}]
# events: [{{from: 2022-12, to: 2023-03, label: Strikes}}]

# Who stands in for what would have happened: not_yet_joined, never_joined, none, or a list of units.
comparison: not_yet_joined

# weights: denominator              # every unit counts by its denominator in comparisons between units; default alike
# covariates: [<column>]            # rollout columns, or source columns that do not change over time
cluster: unit                       # or a rollout column, when joining was decided at that level
horizons: [6, 12]                   # periods after joining at which the effect is reported
# level: 0.95

# How each design is fitted. Defaults are fixed; every departure is printed in the report.
# model:
#   its:
#     errors: ar1                     # ar2, arma11, arima, prais_winsten, newey_west, ols, structural; counts: robust
#     impact: level_and_slope         # or level, slope, {{shape: ramp, over: 6}}, {{shape: pulse, over: 3}},
#                                     # {{shape: level, lag: 2, until: <2025-03>}}
#     trend: linear                   # quadratic, spline, damped
#     season: {{harmonics: 2}}          # or {{months: true}}
#     # scale: log                    # what a gaussian model is fitted to: natural, log, logit
#     # waves: each                   # a change of its own for every wave, instead of leaving the rollout out
#     # interventions: [{{label: <another change>, from: <2024-01>, impact: level}}]
#     # adjust_for_events: true       # a column for every declared event
#     # exposure: working_days        # counts and rates per working day in England; or calendar_days
#   controlled_its: {{outcome: <another outcome>}}   # or {{units: [<code>, ...]}}; default units that never joined
#   its_pooled: {{pooling: shock_robust}}
#   group_time: {{anticipation: 0, method: dr}}      # method: or, ipw; base: universal; unbalanced: cross_sections
#   imputation: {{errors: leave_out}}
#   twoway: {{inference: bias_reduced}}              # analytic, wild; allow_staggered: true, by_region: true
#   extended_twoway: {{family: poisson}}             # logit, gaussian
#   stacked: {{before: 6, after: 6}}
#   synthetic_did: {{inference: placebo}}            # jackknife, bootstrap
#   triple_differences: {{outcome: <an outcome that joining cannot move>}}
#   dose: {{column: <rollout column>}}
#   heterogeneity: {{by: [segment, region, wave, baseline]}}

# --- the plan ----------------------------------------------------------------
# evalkit lock {slug} freezes all of the above with date and hash, before the results can be seen. Later departures:
# deviations:
#   - {{part: comparison, why: <reason>}}   # a key of the plan: outcomes.<name>.numerator, model.its.errors, ...
# Data that keep arriving are looked at more than once; what is done about that:
# looks: {{spending: obrien_fleming, planned: 24}}  # or pocock; planned: months after joining until the end
# looks: {{always_valid: true}}       # an interval that holds at every look

# --- what only you can say ---------------------------------------------------
# Risk of bias: answers by question number, yes, probably yes, probably no or no, each with its reason. The findings
# list every question, what the run says to it, and what is unanswered. Where you and the run differ, the worse answer
# counts.
# appraisal:
#   by: <your name and role>
#   robins_i:
#     "1.4": {{answer: probably no, why: <reason>}}
#     "4.3": {{answer: no, why: <other programmes that reached one side>}}
#   judgements:                       # a domain that is worse than its answers say
#     confounding: {{judgement: critical, why: <reason>}}
#   epoc_its: {{"1": {{answer: probably yes, why: <reason>}}}}
#   epoc_cba: {{"7": {{answer: no, why: <reason>}}}}
#   squire: {{"8a": <where the programme is described, or the text itself>}}
#   tidier: {{"3": <text>}}           # and epoc_entry, trend, strobe, record, technical
# assurance:                          # printed on the first page; what is missing is said to be missing
#   commissioned_by: <who asked for it>
#   analysts: [<name and role>]
#   checked: [{{by: <name and role>, date: <2026-03-31>, what: <what was checked>, data_to: <2026-02>}}]
#   approved: [{{by: <name and role>, date: <2026-03-31>, what: <for which use>, data_to: <2026-02>}}]
#   limits: [<what is known to limit the data or the analysis>]
# notebooks: [data_and_design, interrupted_time_series, difference_in_differences, synthetic_comparison, credibility,
#             findings]
#                                   # `planning` too, for the pages of a programme that is still to start
disclosure: none                    # counts as published; or sde, opensafely, hes (small counts suppressed, others
                                    # rounded), midpoint6 (all rounded), before anything is estimated or drawn
# people: [<covariate>]             # covariates and a dose that count people
# not_people: [<column>]            # columns of outcomes, or covariates, that count no people: beds, days
"""


def template(slug: str) -> str:
    """The commented protocol for a new study."""
    return TEMPLATE.format(slug=slug)
