"""Scores against forms worked by hand, one for every instrument of the PIP study, and what must hold for any form."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipanalysis.derive.scoring import reverse_items, score_instrument
from pipanalysis.study.instrument import Instrument
from pipanalysis.study.yaml_file import YamlFile

CONFIG = Path(__file__).resolve().parents[2] / "config" / "instruments"
NAN = np.nan


def instrument(name: str) -> Instrument:
    return Instrument.model_validate(YamlFile(CONFIG / f"{name}.yaml").content)


def score(name: str, items: list[float]) -> dict[str, float]:
    return {key: float(s.value[0]) for key, s in score_instrument(instrument(name), np.array([items])).items()}


def test_cesd_by_hand() -> None:
    # All 1: sixteen items of 1, four reversed items 3 - 1 = 2: 16 + 8 = 24, a case.
    assert score("cesd", [1.0] * 20) == {"total": 24.0, "case": 1.0}
    # All 0: only the four reversed items count, 3 each: 12, no case.
    assert score("cesd", [0.0] * 20) == {"total": 12.0, "case": 0.0}
    # All 1 without items 1, 2, 3 and 4: 13 plain items of 1 and 3 reversed of 2 = 19 over 16, times 20 = 23.75.
    assert score("cesd", [NAN] * 4 + [1.0] * 16) == {"total": 23.75, "case": 1.0}
    # Five missing: no score, and no case either.
    assert np.isnan(list(score("cesd", [NAN] * 5 + [1.0] * 15).values())).all()
    # 16 is a case: items 4, 8, 12, 16 at 0 give 12, and four plain items of 1 give 4.
    assert score("cesd", [1, 1, 1, 0, 1, *([0] * 15)]) == {"total": 16.0, "case": 1.0}


def test_bsi_by_hand() -> None:
    items = [0.0] * 53
    for item in (2, 7, 23, 29, 30, 33, 37):  # somatisation: 1 each
        items[item - 1] = 1.0
    for item in (9, 16, 17):  # three of the six depression items: 4 each
        items[item - 1] = 4.0
    found = score("bsi", items)
    # Sum 7 + 12 = 19 over 53; ten symptoms; 19 / 10.
    assert found["gsi"] == pytest.approx(19 / 53)
    assert (found["pst"], found["psdi"]) == (10.0, 1.9)
    assert (found["somatisation"], found["depression"], found["anxiety"]) == (1.0, 2.0, 0.0)
    # No symptom at all: the distress index is undefined.
    nothing = score("bsi", [0.0] * 53)
    assert (nothing["gsi"], nothing["pst"]) == (0.0, 0.0)
    assert np.isnan(nothing["psdi"])
    # One item of somatisation missing: mean of the six others; the sum is 18 over 52 answered.
    items[2 - 1] = NAN
    found = score("bsi", items)
    assert found["somatisation"] == 1.0
    assert found["gsi"] == pytest.approx(18 / 52)
    assert found["psdi"] == pytest.approx(18 / 9)
    # Two missing drop the dimension.
    items[7 - 1] = NAN
    assert np.isnan(score("bsi", items)["somatisation"])
    # Thirteen missing still give a GSI, fourteen do not.
    assert score("bsi", [NAN] * 13 + [1.0] * 40)["gsi"] == 1.0
    assert np.isnan(score("bsi", [NAN] * 14 + [1.0] * 39)["gsi"])


def test_every_bsi_item_belongs_to_one_dimension_or_is_one_of_the_four_additional_items() -> None:
    dimensions = [s for s in instrument("bsi").scores.values() if s.rule == "mean" and s.items != "all"]
    keyed = sorted(item for s in dimensions for item in s.items)
    assert len(dimensions) == 9
    assert sorted([*keyed, 11, 25, 39, 52]) == list(range(1, 54))


def test_psi_sf_by_hand() -> None:
    # 12 items each of 1, 2 and 3: 12, 24, 36; together 72.
    items = [1.0] * 12 + [2.0] * 12 + [3.0] * 12
    assert score("psi_sf", items) == {"pd": 12.0, "pcdi": 24.0, "dc": 36.0, "total": 72.0}
    # One item of the second scale missing: 22 over 11, times 12 = 24; total as before.
    items[12] = NAN
    assert score("psi_sf", items) == {"pd": 12.0, "pcdi": 24.0, "dc": 36.0, "total": 72.0}
    # Two missing: neither that scale nor the total.
    items[13] = NAN
    found = score("psi_sf", items)
    assert found["dc"] == 36.0
    assert np.isnan([found["pcdi"], found["total"]]).all()


def test_mors_sf_by_hand() -> None:
    # Odd items 5, even items 1: warmth 7 times 5, invasion 7 times 1.
    assert score("mors_sf", [5.0, 1.0] * 7) == {"warmth": 35.0, "invasion": 7.0}
    # Item 1 missing: 30 over 6, times 7 = 35.
    assert score("mors_sf", [NAN, 1.0, *([5.0, 1.0] * 6)])["warmth"] == 35.0


def test_scores_entered_as_they_are() -> None:
    assert score("bayley", [95.0, 88.0, NAN])["cognitive"] == 95.0
    assert np.isnan(score("bayley", [95.0, 88.0, NAN])["motor"])
    assert score("eas", [5.5, 4, 6, 7, 3.5, 2])["responsiveness"] == 3.5
    assert score("rf", [-1.0]) == {"overall": -1.0}


def test_strange_situation_by_hand() -> None:
    forms = np.array([["A"], ["B"], ["C"], ["D"], [None]], dtype=object)
    found = score_instrument(instrument("strange_situation"), forms)
    assert found["secure"].value.tolist()[:4] == [0, 1, 0, 0]
    assert found["disorganised"].value.tolist()[:4] == [0, 0, 0, 1]
    assert np.isnan(found["secure"].value[4])
    assert found["classification"].level is not None
    assert found["classification"].level.tolist() == ["Avoidant", "Secure", "Resistant", "Disorganised", None]


def forms(name: str) -> st.SearchStrategy[np.ndarray]:
    chosen = instrument(name)
    limits = [chosen.item_range(item) for item in chosen.item_names()]
    low, high = int(limits[0].min), int(limits[0].max)
    values = st.one_of(st.just(NAN), st.integers(low, high).map(float))
    return arrays(np.float64, (4, len(limits)), elements=values)


@pytest.mark.parametrize("name", ["cesd", "bsi", "psi_sf", "mors_sf"])
def test_properties_of_any_form(name: str) -> None:
    chosen = instrument(name)

    @given(items=forms(name), order=st.permutations(range(4)))
    def check(items: np.ndarray, order: list[int]) -> None:
        scored = score_instrument(chosen, items)
        np.testing.assert_array_equal(reverse_items(chosen, reverse_items(chosen, items)), items)
        for key, result in scored.items():
            limits = chosen.scores[key].range
            assert limits is not None
            known = result.value[~np.isnan(result.value)]
            assert ((known >= limits.min - 1e-9) & (known <= limits.max + 1e-9)).all()
            np.testing.assert_array_equal(score_instrument(chosen, items[order])[key].value, result.value[order])
            assert not result.prorated[np.isnan(result.value)].any()

    check()


@given(items=arrays(np.float64, (3, 20), elements=st.integers(0, 3).map(float)))
def test_prorating_a_complete_form_changes_nothing(items: np.ndarray) -> None:
    complete = instrument("cesd")
    plain = complete.model_copy(
        update={"scores": {"total": complete.scores["total"].model_copy(update={"missing": {"max_missing": 0}})}}
    )
    plain = Instrument.model_validate(plain.model_dump(warnings=False))
    one, other = score_instrument(complete, items)["total"], score_instrument(plain, items)["total"]
    np.testing.assert_array_equal(one.value, other.value)
    assert not one.prorated.any()


@given(missing=st.integers(0, 20))
def test_limit_of_missing_items_at_its_edge(missing: int) -> None:
    items = np.ones((1, 20))
    items[0, :missing] = NAN
    result = score_instrument(instrument("cesd"), items)["total"]
    assert np.isnan(result.value[0]) == (missing > 4)
    assert result.n_missing[0] == missing
    assert result.prorated[0] == (0 < missing <= 4)
