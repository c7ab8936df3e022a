from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipanalysis.derive.scoring import score_instrument
from pipanalysis.simulate.items import items_of_score
from pipanalysis.simulate.traits import possible_values
from pipanalysis.study.load import load_study

STUDY = load_study(Path(__file__).resolve().parents[2])


@pytest.mark.parametrize("name", [trait.score for trait in STUDY.simulation.traits])
@given(seed=st.integers(0, 2**32 - 1))
def test_items_make_exactly_the_score(name: str, seed: int) -> None:
    owner, _, key = name.partition(".")
    instrument, score = STUDY.instruments[owner], STUDY.scores[name]
    generator = np.random.default_rng(seed)
    values = generator.choice(possible_values(instrument, score), size=5)
    items = items_of_score(instrument, score, values, generator)
    forms = np.full((5, len(instrument.item_names())), np.nan)
    for column, item in enumerate(instrument.item_names()):
        if item in items:
            forms[:, column] = items[item]
            limits = instrument.item_range(item)
            assert limits is not None
            assert ((items[item] >= limits.min) & (items[item] <= limits.max)).all()
    np.testing.assert_allclose(score_instrument(instrument, forms)[key].value, values, rtol=0, atol=1e-12)
