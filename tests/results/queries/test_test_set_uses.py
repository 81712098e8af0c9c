"""Test-set uses: distinct opponents and judges, whatever is judged or summarised again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from results.queries.test_set_uses import count_uses

NAMES = st.sampled_from("vwxyz")
CONTESTS = st.lists(
    st.tuples(st.sampled_from(["j1", "j2", "j3"]), NAMES, NAMES).filter(lambda met: met[1] != met[2]),
    max_size=30,
)


@given(CONTESTS)
def test_a_use_is_a_distinct_pair_of_opponent_and_judge(contests: list[tuple[str, str, str]]) -> None:
    uses = count_uses(contests)
    for author in "vwxyz":
        met = {(judge, b if a == author else a) for judge, a, b in contests if author in (a, b)}
        assert uses[author] == len(met)


@given(CONTESTS, st.randoms())
def test_repeating_turning_and_shuffling_contests_uses_nothing_more(
    contests: list[tuple[str, str, str]], random: object
) -> None:
    again = contests + [(judge, b, a) for judge, a, b in contests]
    random.shuffle(again)  # type: ignore[attr-defined]
    assert count_uses(again) == count_uses(contests)
