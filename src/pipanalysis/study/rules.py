"""Rules that a statistical analysis plan must keep, each by an id that messages and results quote.

`docs/plan-rules.md` says what each is for.
"""

from __future__ import annotations

from typing import Literal

RuleId = Literal[
    "unknown-name",
    "repeated-name",
    "repeated-label",
    "covariate-after-randomisation",
    "subgroup-after-randomisation",
    "subgroup-unsuited",
    "intercurrent-event-unhandled",
    "intercurrent-event-undated",
    "estimand-missing",
    "estimand-unsuited",
    "primary-unsuited",
    "family-without-members",
    "hypothesis-in-two-families",
    "gate-leads-nowhere",
    "method-unsuited",
    "option-unsuited",
    "source-missing",
    "prior-unsuited",
    "display-unsuited",
    "cluster-after-randomisation",
    "few-clusters",
    "sparse-cell",
    "moderator-unsuited",
    "weak-instrument",
]

RULES: dict[RuleId, str] = {
    "unknown-name": "Every name that the plan uses is defined.",
    "repeated-name": "A name stands for one thing.",
    "repeated-label": "Arms, visits, sites, domains, outcomes and analysis sets have a label each of their own, tables "
    "and figures a number.",
    "covariate-after-randomisation": "A covariate is measured before randomisation.",
    "subgroup-after-randomisation": "A subgroup or moderator is known before randomisation.",
    "subgroup-unsuited": "A subgroup has a label for each level, in a model that can have one.",
    "intercurrent-event-unhandled": "Each estimand says what is done about each intercurrent event of the plan, once.",
    "intercurrent-event-undated": "A strategy that alters the values after an event is of an event with a date.",
    "estimand-missing": "An analysis that compares arms and is primary, secondary or sensitivity names its estimand.",
    "estimand-unsuited": "An estimand in a principal stratum is estimated by `cace`, and by `cace` nothing else; one "
    "that alters values by a method that reads them, of scores that have what it needs.",
    "primary-unsuited": "A primary analysis is of primary outcomes alone.",
    "family-without-members": "A family of hypotheses has at least one that its analyses test.",
    "hypothesis-in-two-families": "A hypothesis is adjusted for multiplicity in one family, once.",
    "gate-leads-nowhere": "A family that waits for another waits for one that can open its gate.",
    "method-unsuited": "A method is applied to outcomes, visits and variables that it suits.",
    "option-unsuited": "An option of an analysis is given where its method has it, and with what it needs.",
    "source-missing": "What an analysis counts is in a file that is always there.",
    "prior-unsuited": "Priors are distributions; a Bayesian analysis has them, and an MCID for each outcome it lists.",
    "display-unsuited": "A table shows analyses of its kind.",
    "cluster-after-randomisation": "Clusters are known before randomisation.",
    "few-clusters": "Standard errors that are robust to clusters have enough of them.",
    "sparse-cell": "Each arm has at least five units at each level of a categorical outcome.",
    "moderator-unsuited": "A moderator is a number that varies, in a model that can have one.",
    "weak-instrument": "Allocation changes the treatment received enough to tell its effect (first-stage F of 10).",
}
"""id → what the rule asks"""
WARNED: frozenset[RuleId] = frozenset({"few-clusters", "sparse-cell", "weak-instrument"})
"""rules that the data break, not the plan: results carry the warning of `warning_of`"""


def warning_of(rule: RuleId, said: str) -> str:
    """Return the warning that data break a rule: the rule's id in words, then what breaks it."""
    return f"{rule.replace('-', ' ')}: {said}"
