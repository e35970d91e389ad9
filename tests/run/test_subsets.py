from collections import Counter
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from selfagg.run.subsets import address_seed, along_prefix_tree, draw_set, draw_sets

sizes = st.integers(1, 24).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))


@given(sizes, st.integers(0, 2**40), st.text(max_size=8), st.integers(2, 12), st.integers(0, 200))
def test_a_set_holds_k_distinct_members(size: tuple[int, int], seed: int, question: str, t: int, i: int) -> None:
    n, k = size
    drawn = draw_set(seed, question, t, i, n=n, k=k)
    assert len(drawn) == len(set(drawn)) == k
    assert set(drawn) <= set(range(n))
    assert drawn == draw_set(seed, question, t, i, n=n, k=k)


def test_every_member_is_drawn_uniformly_at_every_place() -> None:
    n, k = 16, 4
    drawn = [draw_set(seed, "q", t, i, n=n, k=k) for seed in range(150) for t in (2, 3, 10) for i in range(n)]
    for place in range(k):
        counts = Counter(subset[place] for subset in drawn)
        assert chisquare([counts[member] for member in range(n)]).pvalue > 1e-4


def test_every_subset_is_equally_likely_and_sets_of_one_step_are_independent() -> None:
    n, k = 6, 3
    pairs = [draw_sets(seed, "q", 2, n=n, k=k) for seed in range(3000)]
    subsets = list(combinations(range(n), k))
    counts = Counter(tuple(sorted(sets[0])) for sets in pairs)
    assert chisquare([counts[subset] for subset in subsets]).pvalue > 1e-4
    shared = Counter(len(set(sets[0]) & set(sets[1])) for sets in pairs)
    expected = [1 / 20, 9 / 20, 9 / 20, 1 / 20]  # hypergeometric: how many of 3 another 3 of 6 holds
    assert chisquare([shared[c] for c in range(4)], [p * len(pairs) for p in expected]).pvalue > 1e-4


def test_addresses_do_not_share_sets_or_seeds() -> None:
    sets = {draw_set(s, q, t, i, n=64, k=8) for s in (0, 1) for q in "ab" for t in (2, 3) for i in range(50)}
    assert len(sets) == 400
    seeds = {
        address_seed(s, q, "rsa", "candidate", t, i) for s in (0, 1) for q in "ab" for t in (1, 2) for i in range(50)
    }
    assert len(seeds) == 400
    assert all(0 <= seed < 2**31 for seed in seeds)


@given(sizes, st.integers(0, 10_000))
def test_prefix_order_keeps_the_sets_and_shares_no_less(size: tuple[int, int], seed: int) -> None:
    n, k = size
    random = draw_sets(seed, "q", 2, n=n, k=k)
    prefix = draw_sets(seed, "q", 2, n=n, k=k, order="prefix")
    assert [set(subset) for subset in prefix] == [set(subset) for subset in random]
    assert _shared_blocks(prefix) >= _shared_blocks(random)


def test_prefix_order_by_hand() -> None:
    assert along_prefix_tree([(2, 1), (1, 3), (3, 0)]) == [(1, 2), (1, 3), (0, 3)]


def test_prefix_order_shares_about_a_third_of_the_blocks_at_the_papers_setting() -> None:
    shares = [
        _shared_blocks(draw_sets(seed, "q", 2, n=16, k=4, order=order)) / 64
        for seed in range(200)
        for order in ("random", "prefix")
    ]
    assert 0.08 < sum(shares[::2]) / 200 < 0.12
    assert 0.29 < sum(shares[1::2]) / 200 < 0.35


def _shared_blocks(sets: list[tuple[int, ...]]) -> int:
    """Candidate blocks that stand behind a prefix which an earlier prompt has too."""
    seen: set[tuple[int, ...]] = set()
    shared = 0
    for subset in sets:
        prefixes = [subset[: length + 1] for length in range(len(subset))]
        shared += sum(prefix in seen for prefix in prefixes)
        seen.update(prefixes)
    return shared


def test_seeds_and_sets_are_those_of_every_record_so_far() -> None:
    """Another way to draw them would make every record and every comparison with it worthless."""
    assert address_seed(1234, "q", "first", "candidate", 1, 0) == 1333390707
    assert address_seed(1, "\ud800") == 1933744568  # half a surrogate pair, as a client may send one
    assert draw_set(1234, "q", 2, 0, n=16, k=4) == (11, 1, 9, 8)
    assert along_prefix_tree([(3, 1, 0), (2, 1, 3), (0, 2, 1)]) == [(1, 0, 3), (1, 2, 3), (1, 0, 2)]
