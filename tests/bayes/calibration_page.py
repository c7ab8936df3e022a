"""The page that shows how the Bayesian models were judged in simulation: tables and figures from the stored trials."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bayes.calibration import THINNED, chi_square_p, ecdf_difference, pointwise_limit, table
from bayes.simulations import FIXTURES, SCENARIOS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "bayes-calibration.md"
MODELS = {
    "mixed": "`bayes_mmrm`",
    "therapists": "`bayes_therapist`",
    "joint": "`bayes_joint`",
}
"""name of the file of ranks → the model"""

INTRODUCTION = """# How the Bayesian models do in simulation

Made by `PYTHONPATH=tests python -m bayes.simulations page` from the trials stored in `tests/fixtures/bayes`; `make
validate` draws others and judges them alike.

## Calibration

If true values are drawn from the prior and trials from them, the rank of a true value among draws of its posterior is
uniform, whatever the prior (Talts et al. 2018, arXiv 1804.06788). 76 units, two visits, a fifth of the values missing;
{thinned} draws of each posterior. P: chi-square test of ten bins. Largest difference of the ranks' empirical
distribution from the uniform one; the figures' grey band holds it at any one point with probability 0.99. With {n}
parameters, {expected:.1f} P values below 0.05 are expected of perfect models.

Truths of the joint model come from its posterior given a trial of 24 units, to which 52 new ones are added (posterior
SBC: Säilynoja, Schmitt, Bürkner and Vehtari 2025): from the prior itself half of the trials would hold an outcome whose
residual SD is below a tenth of its baseline SD.
"""

ERRORS = """## The joint model against separate ones

Root mean square error of the effects' posterior means, in baseline SDs: three outcomes of each of two domains at two
visits, 76 units, a fifth of the values missing; {n} trials a scenario, the same ones for both. Gain: by how much the
joint model's mean square error is smaller, with its Monte Carlo standard error (bootstrap of the trials).

| scenario | effects | joint | separate | gain |
|---|---|---|---|---|"""

LOSS = """
Where outcomes of a domain benefit alike, or none does, the joint model's error is smaller. Where one outcome alone
benefits, its effect is pulled to the others': for that outcome the joint model loses, and it is the outcome that
matters there. A trial that expects an effect on one outcome of a domain alone should look at `bayes_mmrm` first."""


def ranks(name: str) -> pd.DataFrame:
    """The stored ranks of a model: a row a trial, a column a parameter."""
    return pd.read_csv(FIXTURES / f"{name}.csv", index_col="trial")


def gain(joint: pd.DataFrame, seed: int = 1) -> tuple[float, float]:
    """Relative gain in mean square error, and its bootstrap standard error over trials."""
    squares = joint.assign(joint=joint["joint"] ** 2, separate=joint["separate"] ** 2)
    per_trial = squares.groupby("trial")[["joint", "separate"]].mean().to_numpy()
    chosen = np.random.default_rng(seed).integers(0, len(per_trial), (1000, len(per_trial)))
    means = per_trial[chosen].mean(axis=1)
    whole = per_trial.mean(axis=0)
    return float(1 - whole[0] / whole[1]), float((1 - means[:, 0] / means[:, 1]).std())


def errors_table() -> list[str]:
    """Lines of the table of errors; where one outcome alone benefits, that one's and the others' too."""
    errors = pd.read_csv(FIXTURES / "errors.csv")
    lines = ERRORS.format(n=errors["trial"].nunique()).splitlines()
    for name in SCENARIOS:
        own = errors[errors["scenario"] == name]
        parts = {"all": own}
        if name == "one outcome alone benefits":
            parts |= {"that outcome's": own[own["outcome"] == 1], "the others'": own[own["outcome"] != 1]}
        for label, part in parts.items():
            joint, separate = (np.sqrt((part[column] ** 2).mean()) for column in ("joint", "separate"))
            found, error = gain(part)
            lines.append(
                f"| {name} | {label} | {joint:.3f} | {separate:.3f} | {100 * found:.0f}% ({100 * error:.0f}) |"
            )
    return lines


def page() -> str:
    """The page's text."""
    stored = {name: ranks(name) for name in MODELS}
    n = sum(len(each.columns) for each in stored.values())
    lines = INTRODUCTION.format(thinned=THINNED, n=n, expected=0.05 * n).splitlines()
    for name, each in stored.items():
        lines += ["", *table(MODELS[name], list(each), each.to_numpy())]
        lines += [f"![Differences of the ranks' distributions from uniform](images/calibration_{name}.svg)", ""]
    lines += [*errors_table(), *LOSS.splitlines()]
    return "\n".join(lines) + "\n"


def draw(name: str) -> None:
    """Write the figure of a model: a panel a parameter, the ranks' ECDF minus the uniform one."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "calibration", "svg.fonttype": "none", "font.size": 7}
    import matplotlib.pyplot as plt

    found = ranks(name)
    across = 4
    down = -(-len(found.columns) // across)
    figure, axes = plt.subplots(down, across, figsize=(8, 1.3 * down), sharex=True, sharey=True, squeeze=False)
    points = (np.arange(THINNED) + 1) / (THINNED + 1)
    low, high = pointwise_limit(len(found))
    for axis, parameter in zip(axes.flat, [*found, *[None] * (down * across - len(found.columns))], strict=True):
        if parameter is None:
            axis.set_axis_off()
            continue
        ecdf = (found[parameter].to_numpy()[None, :] <= np.arange(THINNED)[:, None]).mean(axis=1)
        axis.fill_between(points, low - points, high - points, color="0.85", linewidth=0)
        axis.step(points, ecdf - points, where="post", color="#1f4e79", linewidth=0.8)
        axis.set_title(f"{parameter}, P = {chi_square_p(found[parameter].to_numpy()):.2f}", fontsize=7)
    figure.supxlabel("rank / 100", fontsize=7)
    figure.supylabel("ECDF - uniform", fontsize=7)
    figure.tight_layout()
    figure.savefig(DOCS / "images" / f"calibration_{name}.svg", metadata={"Date": None})
    plt.close(figure)


def write_page() -> None:
    """Write the page and its figures."""
    for name in MODELS:
        draw(name)
    PAGE.write_text(page(), encoding="utf-8")


def not_uniform(found: pd.DataFrame) -> list[str]:
    """Parameters whose ranks are further from uniform than chance allows with so many of them."""
    return [
        name
        for name, column in found.items()
        if chi_square_p(column.to_numpy()) <= 0.001 / len(found.columns)
        or ecdf_difference(column.to_numpy())[0] >= ecdf_difference(column.to_numpy())[1]
    ]
