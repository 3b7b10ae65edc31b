"""Lists under the rules of a business, against loops over the whole ranking."""

import itertools
import json

import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from recsys_cl.core.errors import Refused
from recsys_cl.ops.topk import Top
from recsys_cl.serving.answer import recommend
from recsys_cl.serving.cap import Cap, capped
from recsys_cl.serving.rules import read_filters

CATEGORY = {f"i{i:03}": f"c{i % 3}" for i in range(0, 30, 2)}  # the others have none


def ranking(bundle, user, *, seen=False):
    """All items of one user, best first, by the model itself: every rule only takes from this list."""
    filters = read_filters(bundle, {"exclude_seen": not seen})
    return recommend(bundle, [user], len(bundle.item_ids), filters=filters)["item_id"].to_pylist()


def lists(bundle, users, k, rules):
    table = recommend(bundle, users, k, filters=read_filters(bundle, rules)).to_pandas()
    return [table["item_id"][table["user_id"] == user].tolist() for user in users]


def obvious(ranked, k, allowed=None, blocked=(), most=None):
    """The rules one item at a time."""
    taken, left = [], {category: most for category in set(CATEGORY.values())} if most else {}
    for item in ranked:
        category = CATEGORY.get(item)
        if (allowed is not None and item not in allowed) or item in blocked or left.get(category) == 0 or len(taken) == k:
            continue
        taken.append(item)
        if category in left:
            left[category] -= 1
    return taken


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "items.parquet"
    parquet.write_table(pa.table({"item_id": [*CATEGORY, "gone"], "category": [*CATEGORY.values(), "c0"]}), path)
    return path


@pytest.mark.parametrize("user", ["u000", "u003", "nobody"])
@pytest.mark.parametrize("seen", [True, False])
def test_every_rule_takes_from_the_ranking_and_changes_no_order(bundle, table, user, seen):
    allowed, blocked = [f"i{i:03}" for i in range(20)], ["i004", "i005"]
    own = {"allowed": [f"i{i:03}" for i in range(0, 30, 2)], "blocked": ["i000"]}
    rules = {
        "allowed": allowed,
        "blocked": blocked,
        "exclude_seen": not seen,
        "users": {user: own},
        "categories": {"most": 2, "items": str(table)},
    }
    both = set(allowed) & set(own["allowed"])
    expected = obvious(ranking(bundle, user, seen=seen), 5, both, {*blocked, *own["blocked"]}, 2)
    assert lists(bundle, [user], 5, rules) == [expected]
    assert len(expected) > 2


def test_each_rule_alone(bundle, table):
    everybody = [*bundle.user_ids, "nobody"]
    for rules, obviously in (
        ({"allowed": ["i007", "i001", "i001", "i020"]}, {"allowed": {"i007", "i001", "i020"}}),
        ({"blocked": ["i007", "i001"]}, {"blocked": {"i007", "i001"}}),
        ({"categories": {"most": 1, "items": str(table)}}, {"most": 1}),
    ):
        assert lists(bundle, everybody, 8, rules) == [obvious(ranking(bundle, u), 8, **obviously) for u in everybody]


def test_rules_for_one_user_are_nobody_elses(bundle):
    before = lists(bundle, ["u001", "nobody", "u002"], 5, None)
    after = lists(bundle, ["u001", "nobody", "u002"], 5, {"users": {"u001": {"blocked": before[0][:2]}}})
    assert after[1:] == before[1:]
    assert after[0][:3] == before[0][2:]


def test_seen_items_come_back_on_request(bundle):
    whole = lists(bundle, ["u000"], 30, {"exclude_seen": False})[0]
    assert sorted(whole) == sorted(bundle.item_ids.to_pylist())


def test_where_nothing_is_offered_lists_are_empty(bundle):
    assert lists(bundle, ["u000", "nobody"], 3, {"allowed": ["i001"], "blocked": ["i001"]}) == [[], []]
    assert lists(bundle, ["u000"], 3, {"allowed": ["new"], "unknown": "skip"}) == [[]]


def test_a_table_says_the_same_as_a_toml(bundle, tmp_path):
    rules = {"allowed": [f"i{i:03}" for i in range(15)], "users": {"u001": {"blocked": ["i003", "i004"]}}}
    pairs = [(item, "allowed", None) for item in rules["allowed"]] + [("i003", "blocked", "u001"), ("i004", "blocked", "u001")]
    columns = dict(zip(("item_id", "rule", "user_id"), map(list, zip(*pairs, strict=True)), strict=True))
    parquet.write_table(pa.table(columns), tmp_path / "rules.parquet")
    (tmp_path / "rules.toml").write_text(
        f'allowed = {json.dumps(rules["allowed"])}\n[users.u001]\nblocked = ["i003", "i004"]\n'
    )
    expected = lists(bundle, ["u001", "u002"], 9, rules)
    assert lists(bundle, ["u001", "u002"], 9, tmp_path / "rules.parquet") == expected
    assert lists(bundle, ["u001", "u002"], 9, tmp_path / "rules.toml") == expected
    both = {"blocked": ["i001"], "lists": str(tmp_path / "rules.parquet")}
    assert lists(bundle, ["u001"], 9, both) == [obvious(ranking(bundle, "u001"), 9, rules["allowed"], {"i001", "i003", "i004"})]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-1, 3), min_size=1, max_size=9), st.integers(1, 3), st.integers(1, 5), st.integers(0, 2**31))
def test_no_list_within_a_cap_scores_more(categories, most, k, seed):
    count = len(categories)
    scores = torch.randn(count, generator=torch.Generator().manual_seed(seed))
    order = scores.argsort(descending=True)

    def rank(rows, depth):
        return Top(order[:depth].expand(len(rows), -1), scores[order[:depth]].expand(len(rows), -1))

    found = capped(rank, 2, k, count, Cap(most, torch.tensor(categories)))
    chosen = [item for item in found.items[0].tolist() if item >= 0]
    fits = [
        some
        for size in range(min(k, count) + 1)
        for some in itertools.combinations(range(count), size)
        if all(sum(categories[i] == c for i in some) <= most for c in {categories[i] for i in some} - {-1})
    ]
    longest = max(map(len, fits))
    best = max(sum(scores[list(some)].tolist()) for some in fits if len(some) == longest)
    assert len(chosen) == longest
    assert sum(scores[chosen].tolist()) == pytest.approx(best, abs=1e-5)
    assert torch.equal(found.items[0], found.items[1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'blocked = [\n  "i001",\n  "i0033",\n]',
            r"rules\.toml:3: blocked: the model knows no item 'i0033'; did you mean 'i003'",
        ),
        ('[users.u001]\n\nallowed = ["j"]', r"rules\.toml:3: users\.u001\.allowed: the model knows no item 'j'"),
        ("blokced = []", r"rules\.toml:1: blokced: unknown key; did you mean 'blocked'"),
        ("\n[categories]\nmost = 0", r"rules\.toml:3: categories\.most: .*greater than 0"),
        ("allowed = []", r"rules\.toml:1: allowed: .*at least 1"),
        (
            "[categories]\nmost = 1\ncolumn = 'titel'",
            "rules.toml:3: categories.column: the model's items have no column 'titel'; did you mean 'title'",
        ),
        ('lists = "nowhere.parquet"', r"nowhere\.parquet: no such file"),
        ("blocked = [", "not valid TOML"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_refused_with_its_place(bundle, tmp_path, text, message):
    (tmp_path / "rules.toml").write_text(text)
    with pytest.raises(Refused, match=message):
        read_filters(bundle, tmp_path / "rules.toml")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"item": ["i001"], "rule": ["allowed"]}, r"needs one column 'item_id'; did you mean 'item'"),
        ({"item_id": ["i001", "i002"], "rule": ["allowed", "allow"]}, r"row 2: rule: 'allow'; did you mean 'allowed'"),
        ({"item_id": ["i001", "i0022"], "rule": ["blocked"] * 2}, r"row 2: item_id: the model knows no item 'i0022'"),
        ({"item_id": ["i001", None], "rule": ["blocked"] * 2}, r"row 2: item_id: empty"),
        ({"item_id": ["i001", "i002"], "rule": ["allowed"] * 2, "user_id": [None, ""]}, r"row 2: user_id must have 1 to 1024"),
        (
            {"item_id": ["i001"], "rule": ["allowed"], "user_id": [7.0]},
            r"row 1: user_id must be text or a whole number, not float",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_row(bundle, tmp_path, columns, message):
    parquet.write_table(pa.table(columns), tmp_path / "rules.parquet")
    with pytest.raises(Refused, match=message):
        read_filters(bundle, tmp_path / "rules.parquet")


def test_an_item_of_two_categories_is_refused(bundle, tmp_path):
    parquet.write_table(pa.table({"item_id": ["i001", "i001"], "category": ["a", "b"]}), tmp_path / "items.parquet")
    with pytest.raises(Refused, match="item 'i001' has two categories"):
        read_filters(bundle, {"categories": {"most": 1, "items": str(tmp_path / "items.parquet")}})


def test_other_files_are_refused(bundle, tmp_path):
    with pytest.raises(Refused, match=r"from \.toml and \.parquet"):
        read_filters(bundle, tmp_path / "rules.csv")
