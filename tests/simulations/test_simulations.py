"""The table of simulations: every estimator is in it, verdicts follow from its figures, and they can be made again."""

from pathlib import Path

import pytest

from pipanalysis.estimate.planning import BAYESIAN, MODELS
from simulations.table import CAUSES, SEED, TABLE, Rate, committed, committed_runs, merged, modules, page, simulated


def one(**changed: float) -> dict[str, object]:
    """A record of a simulation."""
    return {
        "estimator": "e",
        "scenario": "s",
        "quantity": "coverage",
        "nominal": 0.95,
        "found": 0.9,
        "mcse": 0.02,
        "runs": 100,
    } | changed


def test_chunks_are_put_together_by_their_trials() -> None:
    """100 trials at 0.9 and 300 at 0.94: 0.93; errors 0.02 and 0.01: root((100 x 0.02)² + (300 x 0.01)²) / 400."""
    (rate,) = merged([one(), one(found=0.94, mcse=0.01, runs=300)])
    assert rate.found == pytest.approx(0.93)
    assert rate.mcse == pytest.approx((2**2 + 3**2) ** 0.5 / 400)
    assert rate.runs == 400
    assert len(merged([one(), one() | {"quantity": "type I error"}])) == 2


@pytest.mark.parametrize(
    ("nominal", "found", "mcse", "verdict"),
    [
        (0.95, 0.945, 0.005, "good"),
        (0.95, 0.941, 0.001, "good"),  # beyond chance, within a percentage point
        (0.95, 0.92, 0.012, "good"),  # three points away, within chance
        (0.95, 0.92, 0.005, "**poor**: liberal"),
        (0.95, 0.98, 0.005, "poor: conservative"),
        (0.05, 0.08, 0.005, "**poor**: liberal"),
        (0.05, 0.02, 0.005, "poor: conservative"),
    ],
)
def test_verdicts(nominal: float, found: float, mcse: float, verdict: str) -> None:
    assert Rate("e", "s", "q", nominal, found, mcse, 1000).verdict == verdict


def test_every_estimator_that_compares_arms_is_in_the_table() -> None:
    """The Bayesian ones are calibrated by simulation in a way of their own (docs/bayes.md)."""
    named = " ".join(rate.estimator for rate in committed())
    assert [method for method in MODELS if f"`{method}`" not in named and method not in BAYESIAN] == []


def test_the_table_says_of_each_figure_what_follows_from_it() -> None:
    text = TABLE.read_text(encoding="utf-8")
    rates = committed()
    assert len(rates) == text.count("\n| ") - 1
    verdicts = [line.strip("|").split("|")[-1].strip() for line in text.splitlines() if line.startswith("| ")][1:]
    assert verdicts == [rate.verdict for rate in rates]


def test_the_text_above_the_table_names_the_poor_rates_and_no_other() -> None:
    good, poor = (
        Rate("`a`", "s", "coverage", 0.95, 0.95, 0.01, 500),
        Rate("`b`", "s", "coverage", 0.95, 0.85, 0.01, 500),
    )
    above = page([good, poor], 500, 1).partition("| estimator |")[0]
    assert "Of 2 rates 1 is poor.\n\nLiberal:\n\n- `b`, s, coverage: 85.0%\n" in above
    assert "`a`" not in above
    assert "none is poor" in page([good], 500, 1)
    shown = TABLE.read_text(encoding="utf-8").partition("| estimator |")[0].splitlines()
    for rate in committed():
        said = f"- {rate.estimator}, {rate.scenario}, {rate.quantity}: {100 * rate.found:.1f}%"
        assert (said in shown) == (rate.verdict != "good")


def test_the_cause_of_every_poor_rate_is_told() -> None:
    poor = {rate.estimator for rate in committed() if rate.verdict != "good"}
    assert [name for name in poor if not any(name.startswith(known) for known in CAUSES)] == []
    shown = TABLE.read_text(encoding="utf-8").partition("| estimator |")[0]
    for name, told in CAUSES.items():
        assert (f"- {name}: {told}" in shown) == any(estimator.startswith(name) for estimator in poor)


def test_a_page_reads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rate = Rate("`ancova`", "38 an arm", "coverage", 0.95, 0.9415, 0.0049, 2000)
    path = tmp_path / "simulations.md"
    path.write_text(page([rate], 2000, 1), encoding="utf-8")
    monkeypatch.setattr("simulations.table.TABLE", path)
    assert committed() == [rate]


def test_simulations_are_found_by_name() -> None:
    assert {"estimate.simulations_binary", "estimate.simulations_continuous"} <= set(modules())


@pytest.mark.validation
def test_the_committed_figures_can_be_made_again() -> None:
    """Same seeds, same trials: within one Monte Carlo error, which leaves room for another machine's arithmetic."""
    found = {(r.estimator, r.scenario, r.quantity): r for r in simulated(committed_runs(), SEED)}
    shown = {(r.estimator, r.scenario, r.quantity): r for r in committed()}
    assert found.keys() == shown.keys()
    off = {key: (rate.found, found[key].found) for key, rate in shown.items() if _apart(rate, found[key])}
    assert off == {}


def _apart(a: Rate, b: Rate) -> bool:
    return abs(a.found - b.found) > b.mcse or abs(a.nominal - b.nominal) > 1e-9
