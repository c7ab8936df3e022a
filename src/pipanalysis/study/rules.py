"""Rules that a statistical analysis plan must keep, each by an id that messages and results quote.

`docs/plan-rules.md` says what each is for.
"""

from __future__ import annotations

from typing import Literal

RuleId = Literal[
    "unknown-name",
    "repeated-name",
    "covariate-after-randomisation",
    "subgroup-after-randomisation",
    "subgroup-unsuited",
    "intercurrent-event-unhandled",
    "estimand-missing",
    "family-without-members",
    "hypothesis-in-two-families",
    "gate-leads-nowhere",
    "method-unsuited",
    "option-unsuited",
    "source-missing",
    "prior-unsuited",
    "display-unsuited",
]

RULES: dict[RuleId, str] = {
    "unknown-name": "Every name that the plan uses is defined.",
    "repeated-name": "A name stands for one thing.",
    "covariate-after-randomisation": "A covariate is measured before randomisation.",
    "subgroup-after-randomisation": "A subgroup or moderator is known before randomisation.",
    "subgroup-unsuited": "A subgroup has a label for each level, in a model that can have one.",
    "intercurrent-event-unhandled": "Each estimand says what is done about each intercurrent event of the plan, once.",
    "estimand-missing": "An analysis that compares arms and is primary, secondary or sensitivity names its estimand.",
    "family-without-members": "A family of hypotheses has at least one that its analyses test.",
    "hypothesis-in-two-families": "A hypothesis is adjusted for multiplicity in one family, once.",
    "gate-leads-nowhere": "A family that waits for another waits for one that can open its gate.",
    "method-unsuited": "A method is applied to outcomes, visits and variables that it suits.",
    "option-unsuited": "An option of an analysis is given where its method has it, and with what it needs.",
    "source-missing": "What an analysis counts is in a file that is always there.",
    "prior-unsuited": "Priors are distributions; a Bayesian analysis has them, and an MCID for each outcome it lists.",
    "display-unsuited": "A table shows analyses of its kind.",
}
"""id → what the rule asks"""
