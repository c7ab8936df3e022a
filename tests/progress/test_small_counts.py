from hypothesis import given
from hypothesis import strategies as st

from pipanalysis.progress.small_counts import hide_small

counts = st.dictionaries(st.text(min_size=1, max_size=5), st.integers(0, 30), max_size=8)


@given(counts=counts, below=st.integers(1, 10))
def test_no_small_count_is_shown_or_can_be_had_from_the_total(counts: dict[str, int], below: int) -> None:
    shown = hide_small(counts, below)
    assert list(shown) == list(counts)
    assert all(n is None or n == counts[name] for name, n in shown.items())
    assert all(n is None or n == 0 or n >= below for n in shown.values())
    hidden = [name for name, n in shown.items() if n is None]
    small = [name for name, n in counts.items() if 0 < n < below]
    assert set(small) <= set(hidden)
    assert len(hidden) <= max(len(small), 2 if small else 0)
    if len(counts) > 1:
        assert len(hidden) != 1


def test_by_hand() -> None:
    assert hide_small({"a": 12, "b": 3, "c": 7}, 5) == {"a": 12, "b": None, "c": None}
    assert hide_small({"a": 12, "b": 3, "c": 2}, 5) == {"a": 12, "b": None, "c": None}
    assert hide_small({"a": 12, "b": 0}, 5) == {"a": 12, "b": 0}
    assert hide_small({"a": 3}, 1) == {"a": 3}
    assert hide_small({"a": 3, "b": 0}, 5) == {"a": None, "b": None}
