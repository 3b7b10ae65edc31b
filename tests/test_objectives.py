"""Every objective: a contract they share, and each one's slow twin made of loops and math."""

import copy
import math
from dataclasses import replace

import pytest
import torch

from recsys_cl.core.build import build, names
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Encoding, Interactions, Shape
from recsys_cl.ops.twice import twice_differentiable

SHAPE = Shape(6, 10)
LOG = Interactions(SHAPE, torch.arange(12) % 6, torch.arange(12) * 3 % 10, torch.zeros(12, dtype=torch.int64))


def make(use: str, **arguments):
    rng = torch.Generator().manual_seed(0)
    key, offered = f"objectives.{use}", {"shape": SHAPE, "interactions": LOG, "rng": rng, "dim": 3}
    return build("objectives", Component(use=use, **arguments), key, **offered)


def encoding(seed: int, layers: int = 0) -> Encoding:
    rng = torch.Generator().manual_seed(seed)
    users = torch.randn(4, 3, dtype=torch.float64, generator=rng)
    items = torch.randn(7, 3, dtype=torch.float64, generator=rng)
    shares = tuple((n + 1) / 10 for n in range(layers))
    return Encoding(users, items, tuple(encoding(100 * seed + n + 1) for n in range(layers)), shares=shares)


def with_everyone(seed: int, layers: int = 0) -> Encoding:
    """The batch's rows cut from rows of all six users and ten items."""
    rng = torch.Generator().manual_seed(seed)
    whole = Encoding(*(torch.randn(count, 3, dtype=torch.float64, generator=rng) for count in (SHAPE.users, SHAPE.items)))
    b = batch()
    found = tuple(with_everyone(100 * seed + n + 1) for n in range(layers))
    whole = Encoding(whole.users, whole.items, tuple(layer.everyone for layer in found))
    return Encoding(whole.users[b.users], whole.items[b.items], found, whole)


def batch(negative: torch.Tensor | None = None, *, catalogue: bool = False) -> Batch[None]:
    """Five pairs of four users and four positive items; items[4:] are only ever negatives."""
    items = torch.tensor([3, 0, 9, 6, 1, 2, 5])
    query, positive = torch.tensor([0, 1, 2, 3, 0]), torch.tensor([0, 1, 2, 3, 1])
    log_q = torch.full((7,), -math.log(10), dtype=torch.float64)
    return Batch(
        None, torch.tensor([4, 0, 5, 2]), None if catalogue else items, 0 if catalogue else 4, query, positive, negative, log_q
    )


EACH = torch.tensor([[4, 5], [6, 0], [4, 4], [5, 6], [2, 6]])
SHARED = torch.tensor([4, 1, 6])
CHOICES = {
    "agreement": [{}],
    "barlow": [{"sides": "users"}],
    "bce": [{}],
    "bpr": [{}, {"similarity": "cosine"}, {"similarity": "euclidean"}],
    "bsl": [{}, {"temperature": 0.5, "balance": 1.12, "similarity": "dot"}],
    "ccl": [{"margin": -0.5}, {"margin": 0.1, "weight_negative": 2.0}],
    "constraint": [{}, {"constant": 0.5, "degrees": 0.0, "weight_negative": 1.0}],
    "debiased": [{}],
    "decoupled": [{}, {"between": "main"}],
    "directau": [{"gamma": 2.0}],
    "feature_contrast": [{}],
    "hardest": [{"of": {"use": "bpr"}}, {"of": {"use": "bsl", "temperature": 0.5}, "keep": 2, "similarity": "cosine"}],
    "gbce": [{}, {"calibration": 0.3, "similarity": "cosine"}],
    "hard_weighted": [{"prior": 0.1, "between": "layers"}],
    "info_nce": [
        {},
        {"two_sided": True, "sides": "users"},
        {"between": "main", "sides": "items"},
        {"between": "layers", "layer": 2},
        {"between": "self"},
        {"between": "view", "two_sided": True},
        {"between": "main", "negatives": "all", "two_sided": True},
        {"between": "layers", "layer": 1, "negatives": "all", "similarity": "dot"},
    ],
    "l2": [{}],
    "mixed": [{"of": {"use": "bpr"}}],
    "model_augmented": [{}, {"hidden": 5, "regularisation": 0.0, "similarity": "cosine", "temperature": 0.5}],
    "past_agreement": [{"momentum": 0.4}],
    "psl": [{}, {"surrogate": "tanh", "similarity": "dot"}, {"surrogate": "atan"}, {"surrogate": "exp", "temperature": 0.5}],
    "queue": [
        {"of": {"use": "softmax", "in_batch": True}, "size": 20},
        {"of": {"use": "softmax", "in_batch": True}, "size": 20, "keep": "view"},
    ],
    "slatk": [{"k": 2}, {"k": 1, "weight_temperature": 0.3, "similarity": "dot"}],
    "softmax": [{}, {"similarity": "cosine", "temperature": 0.2, "log_q": True}, {"in_batch": True, "similarity": "euclidean"}],
    "sup_con": [{}, {"similarity": "dot", "temperature": 0.5}],
    "uncertain": [{"of": {"use": "bpr"}}],
    "vicreg": [{"sides": "users"}],
}
STOPPED = {
    "slatk",
    "past_agreement",
}  # threshold and target pass no gradient: finite differences see more, tests of their own less
ALL = [(use, arguments) for use, choices in CHOICES.items() for arguments in choices]


OF_PARTS = {
    "bottleneck",
    "each_modality",
    "modality_pairs",
    "modality_agreement",
    "reconstruct",
    "clip",
}  # they read parts of an encoding: tests/objectives/test_parts.py
OF_GROUPS = {"related"}  # it reads times or features: tests/objectives/test_related.py


def test_no_objective_is_untested():
    assert set(CHOICES) | OF_PARTS | OF_GROUPS == set(names("objectives"))


def value(objective, main, views=(), negative=EACH, **how) -> float:
    return objective(main, views, batch(negative, **how)).item()


@pytest.mark.parametrize(("use", "arguments"), ALL)
def test_what_an_objective_says_to_read_it_cannot_do_without_and_nothing_else(use, arguments):
    objective = make(use, **arguments)
    given = with_everyone if getattr(objective, "everyone", False) else encoding
    negatives, layers = getattr(objective, "reads_negatives", 0), max((*getattr(objective, "reads_layers", ()), -1)) + 1
    views = [given(2), given(3)][: objective.views]
    drawn = EACH[:, :negatives] if negatives else None
    shares = max(layers, int(use == "mixed"))
    if isinstance(objective, torch.nn.Module):
        objective.double()
    assert objective(given(1, layers=shares), views, batch(drawn)).isfinite()
    if negatives:
        with pytest.raises(Refused, match="sampler"):
            objective(given(1, layers=shares), views, batch(EACH[:, : negatives - 1] if negatives > 1 else None))
    if layers:
        with pytest.raises(Refused, match=f"gives {layers - 1} layers"):
            objective(given(1, layers=layers - 1), views, batch(drawn))


@pytest.mark.parametrize(
    ("of", "from_step"),
    [({"use": "bsl"}, 1), ({"use": "bsl", "in_batch": True}, 0), ({"use": "bpr"}, 1), ({"use": "slatk", "k": 6}, 2)],
)
def test_a_queue_that_is_too_short_costs_nothing_yet(of, from_step):
    objective, first = make("queue", of=of, size=6).double(), batch()
    others = replace(first, items=torch.tensor([7, 8, 4, 1, 3, 0, 9]))
    for step, asked in enumerate((first, others, first)):
        value = objective(encoding(step), [], asked)
        assert (value.item() != 0) == (step >= from_step), step


@pytest.mark.parametrize(
    ("use", "of", "message"),
    [
        ("queue", {"use": "hardest", "of": {"use": "l2"}}, "is of table rows"),
        ("queue", {"use": "mixed", "of": {"use": "bpr"}}, "layer by layer"),
        ("queue", {"use": "hardest", "of": {"use": "mixed", "of": {"use": "bpr"}}}, "layer by layer"),
        ("mixed", {"use": "constraint"}, "asks which items the negatives are"),
        ("mixed", {"use": "hardest", "of": {"use": "l2"}}, "is of table rows"),
        ("mixed", {"use": "mixed", "of": {"use": "bpr"}}, "asks which items the negatives are"),
        ("uncertain", {"use": "directau"}, "can fall below 0"),
        ("uncertain", {"use": "hardest", "of": {"use": "bsl"}}, "can fall below 0"),
    ],
)
def test_what_cannot_stand_around_another_is_refused_however_deep_it_lies(use, of, message):
    with pytest.raises(Refused, match=rf"objectives\.of: '{of['use']}' .*{message}"):
        make(use, of=of, **({"size": 6} if use == "queue" else {}))


WRAPPERS = {"hardest", "mixed", "queue", "uncertain"}


@pytest.mark.parametrize(("use", "arguments"), [(use, how) for use, how in ALL if use not in WRAPPERS])
def test_what_may_fall_below_zero_says_so_and_nothing_else_does(use, arguments):
    lowest = math.inf
    for seed in range(30):
        objective = make(use, **arguments)
        if isinstance(objective, torch.nn.Module):
            objective.double()
        given = with_everyone if getattr(objective, "everyone", False) else encoding
        other = seed if seed % 2 else seed + 100  # two views that are one are the easiest to tell from all others
        main, views = given(seed, layers=3), [given(seed), given(other)][: objective.views]
        negative = EACH if getattr(objective, "reads_negatives", 0) else None
        lowest = min(lowest, objective(main, views, batch(negative)).detach().item())
    assert (lowest < 0) == getattr(objective, "below_zero", False)


@pytest.mark.parametrize(
    ("use", "arguments", "negative"),
    [(use, how, negative) for use, how in ALL for negative in (EACH, SHARED) if not (use == "queue" and negative is EACH)],
)
def test_contract(use, arguments, negative):
    objective = make(use, **arguments)
    given = with_everyone if getattr(objective, "everyone", False) else encoding
    main = given(1, layers=3)
    views = [given(2), given(3)][: objective.views]
    leaves = [main, *main.layers, *views]
    leaves += [each.everyone for each in leaves if each.everyone]
    tensors = [t.requires_grad_() for e in leaves for t in (e.users, e.items)]
    kept = [t.detach().clone() for t in tensors]

    learned = isinstance(objective, torch.nn.Module)
    if learned:
        objective.double()
    weights = {name for name, _ in objective.named_parameters()} if learned else set()
    state = {k: copy.deepcopy(v) for k, v in objective.state_dict().items() if k not in weights} if learned else {}

    def loss(*_):
        if learned:  # what it remembers and draws is put back
            objective.load_state_dict(state, strict=False)
        return objective(main, views, batch(negative))

    assert loss().shape == ()
    assert torch.isfinite(loss())
    assert use in STOPPED or torch.autograd.gradcheck(loss, tensors)
    gradients = torch.autograd.grad(loss(), tensors, allow_unused=True)
    assert any(g is not None and g.abs().sum() > 0 for g in gradients)
    assert all(torch.equal(a, b) for a, b in zip(kept, tensors, strict=True))
    same = [narrowed(e) for e in (main, *views)]
    if learned:
        objective.float()
    assert objective(same[0], same[1:], batch(negative)).dtype == torch.float32


def narrowed(e: Encoding) -> Encoding:
    layers = tuple(narrowed(layer) for layer in e.layers)
    everyone = narrowed(e.everyone) if e.everyone else None
    return Encoding(e.users.float(), e.items.float(), layers, everyone, shares=e.shares)


def dot(a, b) -> float:
    return sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True))


def rows():
    """(user row, positive row, the query's negative rows)."""
    b = batch(EACH)
    return list(zip(b.query.tolist(), b.positive.tolist(), EACH.tolist(), strict=True))


def test_bpr_is_the_mean_over_pairs():
    main = encoding(1)
    terms = [
        math.log1p(math.exp(dot(main.users[u], main.items[n]) - dot(main.users[u], main.items[p])))
        for u, p, drawn in rows()
        for n in drawn
    ]
    assert value(make("bpr"), main) == pytest.approx(sum(terms) / len(terms), abs=1e-9)


def test_bpr_is_softmax_with_one_negative():
    main, one = encoding(1), EACH[:, :1]
    assert value(make("bpr"), main, negative=one) == pytest.approx(value(make("softmax"), main, negative=one), abs=1e-12)


@pytest.mark.parametrize("use", ["bpr", "bce"])
def test_a_shared_negative_that_is_the_positive_is_left_out(use):
    main = encoding(1)
    objective = make(use)
    terms, weights = [], []
    for q, p, _ in rows():
        kept = [n for n in SHARED.tolist() if n != p]
        single = Batch(None, torch.arange(4), torch.arange(7), 4, torch.tensor([q]), torch.tensor([p]), torch.tensor([kept]))
        terms.append(float(objective(main, (), single)))
        weights.append(len(kept) if use == "bpr" else 1)
    expected = sum(t * w for t, w in zip(terms, weights, strict=True)) / sum(weights)
    assert value(objective, main, negative=SHARED) == pytest.approx(expected, abs=1e-12)


def test_bce_asks_yes_and_no():
    main, total = encoding(1), 0.0
    for u, p, drawn in rows():
        yes = 1 / (1 + math.exp(-dot(main.users[u], main.items[p])))
        no = [1 - 1 / (1 + math.exp(-dot(main.users[u], main.items[n]))) for n in drawn]
        no = [x for x, n in zip(no, drawn, strict=True) if n != p]
        total -= math.log(yes) + sum(map(math.log, no)) / len(no)
    assert value(make("bce"), main) == pytest.approx(total / 5, abs=1e-9)


@pytest.mark.parametrize("negative", [EACH, SHARED], ids=["each", "shared"])
@pytest.mark.parametrize("calibration", [0.0, 0.75, 1.0])
def test_gbce_weakens_the_yes_by_the_share_of_items_never_drawn(calibration, negative):
    main, total, count = encoding(1), 0.0, negative.shape[-1]
    share = count / 9
    beta = share * (calibration * (1 - 1 / share) + 1 / share)
    for u, p, each in rows():
        drawn = SHARED.tolist() if negative.dim() == 1 else each
        yes = 1 / (1 + math.exp(-dot(main.users[u], main.items[p])))
        no = [1 - 1 / (1 + math.exp(-dot(main.users[u], main.items[n]))) for n in drawn if n != p]
        total -= math.log(yes**beta) + sum(map(math.log, no))
    loss = make("gbce", calibration=calibration)
    assert value(loss, main, negative=negative) == pytest.approx(total / 5 / (count + 1), abs=1e-9)


def test_gbce_of_a_catalogue_of_one_item_is_finite():
    one = build("objectives", Component(use="gbce"), "objectives.gbce", shape=Shape(1, 1), interactions=LOG)
    assert math.isfinite(value(one, encoding(1)))


def test_gbce_uncalibrated_with_one_negative_is_half_of_bce():
    main, one = encoding(1), torch.tensor([[4], [6], [4], [5], [2]])
    half = value(make("bce"), main, negative=one) / 2
    assert value(make("gbce", calibration=0.0), main, negative=one) == pytest.approx(half, abs=1e-12)


def slow_log_mean(surrogate) -> float:
    """Mean over queries of the log of the mean surrogate over negatives; ``surrogate(positive score, negative score)``."""
    main, total = encoding(1), []
    for u, p, drawn in rows():
        hit = dot(main.users[u], main.items[p])
        terms = [surrogate(hit, dot(main.users[u], main.items[n])) for n in drawn if n != p]
        total.append(math.log(sum(terms) / len(terms)))
    return sum(total) / len(total)


def test_bsl_balances_its_negatives():
    main = encoding(1)
    hits = [dot(main.users[u], main.items[p]) for u, p, _ in rows()]
    expected = 1.12 * slow_log_mean(lambda p, n: math.exp(n / 0.5)) - sum(hits) / 5 / 0.5
    loss = make("bsl", temperature=0.5, balance=1.12, similarity="dot")
    assert value(loss, main) == pytest.approx(expected, abs=1e-9)


def test_bsl_takes_the_batchs_other_positives_where_none_are_drawn_and_it_is_told_to():
    main, total = encoding(1), 0.0
    for u, p, _ in rows():
        others = [math.exp(cosine(main.users[u], main.items[n]) / 0.5) for n in range(4) if n != p]
        total += 1.2 * math.log(sum(others) / 3) - cosine(main.users[u], main.items[p]) / 0.5
    loss = make("bsl", temperature=0.5, balance=1.2, in_batch=True)
    assert value(loss, main, negative=None) == pytest.approx(total / 5, abs=1e-9)
    assert value(loss, main) == value(make("bsl", temperature=0.5, balance=1.2), main)
    with twice_differentiable():
        assert value(loss, main, negative=None) == pytest.approx(total / 5, abs=1e-9)
        users = main.users.clone().requires_grad_()
        assert torch.autograd.gradgradcheck(lambda rows: loss(Encoding(rows, main.items), (), batch()), (users,))
    with pytest.raises(Refused, match="sampler"):
        loss(main, (), batch(catalogue=True))


@pytest.mark.parametrize(
    ("surrogate", "sigma"),
    [
        ("tanh", lambda d: math.tanh(d) + 1),
        ("atan", lambda d: math.atan(d) + 1),
        ("relu", lambda d: max(d + 1, 0.0)),
        ("exp", math.exp),
    ],
)
def test_psl_puts_its_surrogate_where_the_exponential_was(surrogate, sigma):
    loss = make("psl", temperature=0.5, scale=9.0, surrogate=surrogate, similarity="dot")
    expected = slow_log_mean(lambda p, n: sigma((n - p) / 9.0) ** 2)
    assert value(loss, encoding(1)) == pytest.approx(expected, abs=1e-9)


def test_psl_stays_finite_where_relu_has_nothing_left():
    opposite = Encoding(torch.ones(4, 3, requires_grad=True), torch.cat((torch.ones(4, 3), -torch.ones(3, 3))))
    loss = make("psl", scale=1.0, surrogate="relu")(opposite, (), batch(torch.tensor([4, 5, 6])))
    (gradient,) = torch.autograd.grad(loss, opposite.users)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


def test_psl_with_the_exponential_is_bsl():
    main = encoding(1)
    psl = make("psl", temperature=0.5, scale=2.0, surrogate="exp")
    assert value(psl, main) == pytest.approx(value(make("bsl", temperature=1.0), main), abs=1e-12)


@pytest.mark.parametrize("use", ["bsl", "psl"])
def test_a_query_left_without_negatives_costs_nothing(use):
    main = encoding(1)
    main.users.requires_grad_()
    hits = batch().positive.unsqueeze(1)
    loss = make(use)(main, (), batch(hits))
    (gradient,) = torch.autograd.grad(loss, main.users)
    assert loss == 0
    assert gradient.abs().max() == 0


def cosine(a, b) -> float:
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


@pytest.mark.parametrize("negative", [EACH, SHARED], ids=["each", "shared"])
def test_ccl_counts_negatives_above_its_margin(negative):
    main, total = encoding(1), 0.0
    for u, p, each in rows():
        drawn = SHARED.tolist() if negative.dim() == 1 else each
        over = [max(0.0, cosine(main.users[u], main.items[n]) - 0.1) for n in drawn if n != p]
        total += 1 - cosine(main.users[u], main.items[p]) + 2.0 * sum(over) / len(over)
    loss = make("ccl", margin=0.1, weight_negative=2.0)
    assert value(loss, main, negative=negative) == pytest.approx(total / 5, abs=1e-9)
    assert value(make("ccl", margin=0.999), main) < 2


@pytest.mark.parametrize("negative", [EACH, SHARED], ids=["each", "shared"])
def test_constraint_weighs_pairs_by_degrees(negative):
    main, b, total = encoding(1), batch(negative), 0.0
    users, items = ([ids.tolist().count(n) for n in range(10)] for ids in (LOG.users, LOG.items))

    def weight(u, i) -> float:
        user, item = users[int(b.users[u])], items[int(b.items[i])]
        return 0.2 + 3.0 * math.sqrt(user + 1) / user / math.sqrt(item + 1)

    for u, p, each in rows():
        drawn = [n for n in (SHARED.tolist() if negative.dim() == 1 else each) if n != p]
        hit = dot(main.users[u], main.items[p])
        missed = [weight(u, n) * math.log1p(math.exp(dot(main.users[u], main.items[n]))) for n in drawn]
        total += weight(u, p) * math.log1p(math.exp(-hit)) + 7.0 * sum(missed) / len(missed)
    loss = make("constraint", constant=0.2, degrees=3.0, weight_negative=7.0)
    assert value(loss, main, negative=negative) == pytest.approx(total / 5, abs=1e-6)


def test_constraint_without_degrees_is_bce():
    plain = make("constraint", constant=1.0, degrees=0.0, weight_negative=1.0)
    assert value(plain, encoding(1)) == pytest.approx(value(make("bce"), encoding(1)), abs=1e-12)


def test_feature_contrast_is_barlow_and_a_kernel_of_what_is_projected():
    main, b = encoding(1), batch()
    loss = make("feature_contrast", redundancy=0.3, alpha=2.0, degree=4, offset=0.5).double()
    sides = [main.users[b.query], main.items[b.positive]]
    sides = [loss.projector(rows / rows.norm(dim=1, keepdim=True)) for rows in sides]
    users, items = [((side - side.mean(0)) / side.var(0, unbiased=False).sqrt()).tolist() for side in sides]

    def correlation(one, other, d, e) -> float:
        return sum(x[d] * y[e] for x, y in zip(one, other, strict=True)) / 5

    expected = 0.0
    for d in range(3):
        for e in range(3):
            c = correlation(users, items, d, e)
            expected += ((1 - c) ** 2 if d == e else 0.3 * c * c) / 3
    for side in (users, items):
        kernel = [(correlation(side, side, d, e) + 0.5) ** 4 for d in range(3) for e in range(3)]
        expected += 2.0 * math.log(sum(kernel) / 9) / 2
    assert value(loss, main) == pytest.approx(expected, abs=1e-9)


def test_model_augmented_contrasts_views_with_what_is_made_of_them_and_keeps_them_apart():
    loss, views = make("model_augmented", hidden=4, temperature=0.7, regularisation=0.3).double(), [encoding(2), encoding(3)]
    one, two = (view.users for view in views)
    three, four = loss.first(one), loss.second(two)
    total = 0.0
    for a, b in ((one, four), (two, three), (three, four)):
        s = [[dot(x, y) / 0.7 for y in b] for x in a]
        asked = sum(math.log(sum(map(math.exp, s[i]))) - s[i][i] for i in range(4))
        answered = sum(math.log(sum(math.exp(s[j][i]) for j in range(4))) - s[i][i] for i in range(4))
        total += (asked + answered) / 8
        for i in range(4):
            others = [s[i][j] for j in range(4) if j != i]
            low, high = min(s[i][i], max(others)), max(s[i][i], *others)
            total += 0.3 * (max(0.0, s[i][i] - low) / 4 + sum(max(0.0, high - other) for other in others) / 12)
    assert value(loss, encoding(1), views) == pytest.approx(total, abs=1e-9)


def test_past_agreement_points_to_a_mixture_of_past_and_present():
    loss, b = make("past_agreement", momentum=0.4).double(), batch()
    first, second = encoding(1), encoding(2)
    value(loss, first)
    assert torch.equal(loss.users[b.users], first.users)
    assert torch.equal(loss.items[b.items[:4]], first.items[:4])
    total = 0.0
    for u, p, _ in rows():
        user, item = 0.4 * first.users[u] + 0.6 * second.users[u], 0.4 * first.items[p] + 0.6 * second.items[p]
        asked = cosine(loss.predictor(second.users[u]).detach(), item)
        answered = cosine(loss.predictor(second.items[p]).detach(), user)
        total += 1 - (asked + answered) / 2
    assert value(loss, second) == pytest.approx(total / 5, abs=1e-9)


def test_past_agreement_pulls_the_prediction_and_not_the_target():
    main, b = encoding(1), batch()
    for rows_ in (main.users, main.items):
        rows_.requires_grad_()
    loss = make("past_agreement", momentum=0.0).double()
    loss(main, (), b).backward()
    total = 0.0
    leaves = [x.detach().clone().requires_grad_() for x in (main.users, main.items)]
    for u, p, _ in rows():
        for one, other in ((leaves[0][u], main.items[p]), (leaves[1][p], main.users[u])):
            predicted = loss.predictor(one)
            total = total + 0.5 - (predicted @ other.detach()) / predicted.norm() / other.detach().norm() / 2
    for leaf, given in zip(leaves, (main.users, main.items), strict=True):
        (expected,) = torch.autograd.grad(total / 5, leaf, retain_graph=True)
        assert torch.allclose(given.grad, expected, rtol=0, atol=1e-9)


def test_a_momentum_queue_keeps_what_the_target_made():
    loss = make("queue", of={"use": "softmax", "in_batch": True}, size=6, keep="view")
    assert loss.views == 1
    main, target = encoding(1), encoding(2)
    loss(main, [target], batch(SHARED))
    assert torch.equal(loss.vectors[:4], target.items[:4].float())
    assert loss.ids[:4].tolist() == batch().items[:4].tolist()


def test_directau_spreads_distinct_users_and_positives():
    main, two = encoding(1), 2.0

    def unit(x):
        return [v / math.sqrt(dot(x, x)) for v in x.tolist()]

    def apart(a, b):
        return sum((x - y) ** 2 for x, y in zip(unit(a), unit(b), strict=True))

    def spread(x):
        pushes = [math.exp(-2 * apart(x[i], x[j])) for i in range(len(x)) for j in range(i)]
        return math.log(sum(pushes) / len(pushes))

    pull = sum(apart(main.users[u], main.items[p]) for u, p, _ in rows()) / 5
    expected = pull + two * (spread(main.users) + spread(main.items[:4])) / 2
    assert value(make("directau", gamma=two), main) == pytest.approx(expected, abs=1e-9)
    assert value(make("directau", gamma=two), main, catalogue=True) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("use", ["barlow", "debiased", "decoupled", "hard_weighted", "vicreg"])
def test_contrasting_objectives_add_their_sides(use):
    main, views = encoding(1), [encoding(2), encoding(3)]
    parts = [value(make(use, sides=side), main, views) for side in ("users", "items")]
    assert value(make(use), main, views) == pytest.approx(sum(parts), abs=1e-12)
    assert parts[0] != parts[1]


@pytest.mark.parametrize("layers", [0, 3])
def test_l2_counts_the_rows_of_the_table_as_often_as_they_occur(layers):
    main = encoding(1, layers)
    table = main.layers[0] if layers else main
    total = sum(
        dot(table.users[u], table.users[u]) + sum(dot(table.items[i], table.items[i]) for i in (p, *drawn))
        for u, p, drawn in rows()
    )
    assert value(make("l2"), main) == pytest.approx(total / 2 / 5, abs=1e-9)
    assert value(make("l2"), main, negative=None) < value(make("l2"), main)


def test_softmax_ranges_over_what_the_batch_offers():
    main = encoding(1)

    def slow(offered) -> float:
        total = 0.0
        for u, p, drawn in rows():
            weight = {j: math.exp(dot(main.users[u], main.items[j]) / 0.5) for j in range(7)}
            others = [j for j in offered(drawn) if j != p]
            total += math.log(weight[p] + sum(weight[j] for j in others)) - math.log(weight[p])
        return total / 5

    sampled, mixed = make("softmax", temperature=0.5), make("softmax", temperature=0.5, in_batch=True)
    assert value(sampled, main, catalogue=True) == pytest.approx(slow(lambda drawn: range(7)), abs=1e-9)
    assert value(sampled, main, negative=None) == pytest.approx(slow(lambda drawn: range(4)), abs=1e-9)
    assert value(sampled, main) == pytest.approx(slow(lambda drawn: drawn), abs=1e-9)
    assert value(sampled, main, negative=SHARED) == pytest.approx(slow(lambda drawn: SHARED.tolist()), abs=1e-9)
    assert value(mixed, main) == pytest.approx(slow(lambda drawn: [*drawn, *range(4)]), abs=1e-9)


@pytest.mark.parametrize(("negative", "in_batch"), [(None, False), (EACH, False), (EACH, True), (SHARED, True)])
def test_log_q_divides_by_how_often_a_row_is_expected(negative, in_batch):
    main, b = encoding(1), batch(negative)
    share = (torch.bincount(LOG.items, minlength=10).double() / 12)[b.items].tolist()
    total = 0.0
    for u, p, each in rows():
        drawn = [] if negative is None else SHARED.tolist() if negative.dim() == 1 else each
        use_batch = in_batch or negative is None
        expected = [(1 - (1 - s) ** 5 if use_batch else 0) + len(drawn) / 10 for s in share]
        weight = {j: math.exp(dot(main.users[u], main.items[j])) for j in range(7)}
        others = [j for j in [*drawn, *(range(4) if use_batch else ())] if j != p]
        total += math.log(weight[p] + sum(weight[j] / expected[j] for j in others)) - math.log(weight[p])
    assert value(make("softmax", log_q=True, in_batch=in_batch), main, negative=negative) == pytest.approx(total / 5, abs=1e-9)


def slow_nce(a, p, tau=0.2) -> float:
    cosine = [[dot(x, y) / math.sqrt(dot(x, x) * dot(y, y)) for y in p] for x in a]
    return sum(math.log(sum(math.exp(c / tau) for c in row)) - row[i] / tau for i, row in enumerate(cosine)) / len(a)


def test_info_nce_pairs_what_it_says_it_pairs():
    main, views = encoding(1, layers=3), [encoding(2), encoding(3)]
    users, items = slow_nce(views[0].users, views[1].users), slow_nce(views[0].items[:4], views[1].items[:4])
    assert value(make("info_nce"), main, views) == pytest.approx(users + items, abs=1e-9)
    assert value(make("info_nce", sides="users"), main, views) == pytest.approx(users, abs=1e-9)
    assert value(make("info_nce", sides="items"), main, views) == pytest.approx(items, abs=1e-9)
    against = slow_nce(main.users, views[0].users)
    assert value(make("info_nce", between="main", sides="users"), main, views) == pytest.approx(against, abs=1e-9)
    layer = main.layers[2]
    own = slow_nce(main.users, layer.users) + slow_nce(main.items[:4], layer.items[:4])
    assert value(make("info_nce", between="layers", layer=2), main) == pytest.approx(own, abs=1e-9)
    two = slow_nce(main.layers[0].users, layer.users)
    assert value(make("info_nce", between="layers", base=0, layer=2, sides="users"), main) == pytest.approx(two, abs=1e-9)


def test_the_view_may_ask_and_the_main_encoding_answer_and_anything_itself():
    main, view = encoding(1), encoding(2)
    assert value(make("info_nce", between="view", sides="users"), main, [view]) == pytest.approx(
        slow_nce(view.users, main.users), abs=1e-9
    )
    expected = slow_nce(main.users, main.users) + slow_nce(main.items[:4], main.items[:4])
    assert value(make("info_nce", between="self"), main) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("two_sided", [False, True])
def test_all_users_and_items_are_negatives_where_asked_for(two_sided):
    main, view, b = with_everyone(1), with_everyone(2), batch()

    def slow(asking, everyone, ids) -> float:
        total = 0.0
        for row, own in zip(asking, ids.tolist(), strict=True):
            cosine = [dot(row, x) / math.sqrt(dot(row, row) * dot(x, x)) for x in everyone]
            total += math.log(sum(math.exp(c / 0.2) for c in cosine)) - cosine[own] / 0.2
        return total / len(ids)

    def way(one, other) -> float:
        return slow(one.users, other.everyone.users, b.users) + slow(one.items[:4], other.everyone.items, b.items[:4])

    expected = (way(main, view) + way(view, main)) / 2 if two_sided else way(main, view)
    loss = make("info_nce", between="main", negatives="all", two_sided=two_sided)
    assert loss.everyone
    assert value(loss, main, [view]) == pytest.approx(expected, abs=1e-9)
    with pytest.raises(Refused, match="negatives"):
        loss(encoding(1), [encoding(2)], b)
    with pytest.raises(Refused, match="sides"):
        loss(main, [view], batch(catalogue=True))


def test_identical_views_have_a_closed_form():
    eye = torch.eye(4, dtype=torch.float64)
    view = Encoding(eye, torch.cat((eye, eye[:3])))
    expected = 2 * math.log1p(3 * math.exp(-1 / 0.2))
    assert value(make("info_nce"), view, [view, view]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("between", "views"), [("views", 2), ("main", 1), ("view", 1), ("layers", 0), ("self", 0)])
def test_views_follow_between(between, views):
    assert make("info_nce", between=between).views == views


@pytest.mark.parametrize(
    "use", ["bsl", "debiased", "decoupled", "hard_weighted", "info_nce", "psl", "slatk", "softmax", "sup_con"]
)
@pytest.mark.parametrize("temperature", [0.0, -0.1])
def test_a_temperature_that_is_no_temperature_is_refused(use, temperature):
    with pytest.raises(Refused, match="temperature"):
        make(use, temperature=temperature)


@pytest.mark.parametrize(
    ("use", "arguments", "views", "named"),
    [
        ("bsl", {}, 0, "sampler"),
        ("psl", {}, 0, "sampler"),
        ("bpr", {}, 0, "sampler"),
        ("bce", {}, 0, "sampler"),
        ("gbce", {}, 0, "sampler"),
        ("info_nce", {}, 1, "between"),
        ("info_nce", {"between": "layers", "layer": 3}, 0, "layer"),
    ],
)
def test_what_is_missing_is_named(use, arguments, views, named):
    with pytest.raises(Refused, match=named):
        make(use, **arguments)(encoding(1, layers=3), [encoding(2)] * views, batch())


def test_sides_that_do_not_match_are_refused():
    with pytest.raises(Refused, match="sides"):
        make("info_nce")(encoding(1), [encoding(2), encoding(3)], batch(catalogue=True))


def test_hardest_asks_the_candidate_that_scores_highest():
    main = encoding(1)
    chosen = [[max((n for n in each if n != p), key=lambda n: dot(main.users[u], main.items[n]))] for u, p, each in rows()]
    wrapped = value(make("hardest", of={"use": "bpr"}), main)
    assert wrapped == pytest.approx(value(make("bpr"), main, negative=torch.tensor(chosen)), abs=1e-12)


def test_hardest_of_all_is_the_objective_itself():
    main = encoding(1)
    assert value(make("hardest", of={"use": "psl"}, keep=2), main) == pytest.approx(value(make("psl"), main), abs=1e-12)


def test_hardest_never_takes_the_positive_while_there_is_another():
    b = batch(SHARED)
    main = Encoding(encoding(1).users, encoding(1).users[[0, 1, 2, 3, 0, 1, 2]] * torch.tensor([[1, 9, 1, 1, 1, 1, 1]]).T)
    rows_taken = make("hardest", of={"use": "bpr"})._chosen(main, b)
    assert (rows_taken != b.positive[:, None]).all()


def test_mixed_negatives_lie_between_the_positive_and_the_best_candidate_of_each_layer():
    main, objective = encoding(1, layers=2), make("mixed", of={"use": "bpr"})
    state = objective.state_dict()
    shares = torch.rand(2, 5, 1, generator=copy.deepcopy(objective._rng))
    made = []
    for q, (u, p, each) in enumerate(rows()):
        hops = []
        for layer, share in zip(main.layers, shares[:, q, 0].tolist(), strict=True):
            mixtures = [share * layer.items[p] + (1 - share) * layer.items[n] for n in each if n != p]
            hops.append(max(mixtures, key=lambda row: dot(main.users[u], row)))
        made.append(sum(weight * hop for weight, hop in zip(main.shares, hops, strict=True)))
    terms = [
        math.log1p(math.exp(dot(main.users[u], m) - dot(main.users[u], main.items[p])))
        for (u, p, _), m in zip(rows(), made, strict=True)
    ]
    first = value(objective, main)
    assert first == pytest.approx(sum(terms) / 5, abs=1e-6)
    other = make("mixed", of={"use": "bpr"})
    other.load_state_dict(state | {"_extra_state": objective.get_extra_state()})
    assert value(other, main) == value(objective, main) != first


def test_mixed_never_takes_the_positive_while_there_is_another():
    flat = Encoding(torch.ones(4, 3), torch.ones(7, 3) * torch.tensor([[1, 9, 1, 1, 1, 1, 1]]).T)
    single = Batch(None, torch.arange(4), torch.arange(7), 4, torch.tensor([0]), torch.tensor([1]), SHARED)
    (made,) = make("mixed", of={"use": "bpr"})._made(flat, single)
    share = torch.rand(1, generator=make("mixed", of={"use": "bpr"})._rng)
    torch.testing.assert_close(made, (9 * share + 1 - share).expand(3))


def test_a_queue_offers_what_earlier_batches_met_and_prefers_the_present():
    old, new = encoding(1), encoding(2)
    objective = make("queue", of={"use": "softmax"}, size=6)
    value(objective, old, negative=None)
    assert objective.ids.tolist() == [3, 0, 9, 6, -1, -1]
    later = Batch(None, torch.tensor([4, 0, 5, 2]), torch.tensor([9, 4, 1]), 2, torch.tensor([0, 1]), torch.tensor([0, 1]))
    now = Encoding(new.users, new.items[:3])
    offered = [
        now.items[0],
        *(old.items[j].float().double() for j in (0, 1, 3)),
    ]  # item 9 from the batch, 3, 0 and 6 as they were
    total = 0.0
    for query, positive in ((0, 0), (1, 1)):
        others = [math.exp(dot(now.users[query], row)) for n, row in enumerate(offered) if not (positive == 0 and n == 0)]
        hit = math.exp(dot(now.users[query], now.items[positive]))
        total -= math.log(hit / (hit + sum(others)))
    assert objective(now, (), later).item() == pytest.approx(total / 2, abs=1e-9)
    assert objective.ids.tolist() == [9, 4, 3, 0, 9, 6]


def test_a_queue_expects_what_was_drawn_as_the_sampler_draws_it_and_what_waits_by_popularity():
    objective, b = make("queue", of={"use": "softmax", "log_q": True}, size=4), batch(SHARED)
    nothing = Encoding(torch.zeros(4, 3), torch.zeros(7, 3))
    drawn = [0.1] * 10  # log_q of the batch
    share = [float((LOG.items == item).sum()) / len(LOG) for item in range(10)]
    for waiting in ([], [3, 0, 9, 6]):
        expected = {item: 3 * drawn[item] + len(waiting) * share[item] for item in range(10)}
        offered = [*b.items[SHARED].tolist(), *waiting]
        total = 0.0
        for positive in b.items[b.positive].tolist():
            total += math.log(1 + sum(1 / expected[item] for item in offered if item != positive))
        assert objective(nothing, (), b).item() == pytest.approx(total / 5, rel=1e-6)
    with pytest.raises(Refused, match="no probabilities"):
        objective(nothing, (), replace(b, log_q=None))


@pytest.mark.parametrize(("use", "arguments"), ALL)
def test_a_batch_of_one_pair_has_a_loss_and_gradients(use, arguments):
    negative = torch.tensor([1, 2]) if use == "queue" else torch.tensor([[1, 2]])
    log_q = torch.full((3,), -1.0, dtype=torch.float64)
    one, zero = torch.tensor([4]), torch.tensor([0])
    alone = Batch(None, one, torch.tensor([3, 1, 2]), 1, zero, zero, negative, log_q)
    objective = make(use, **arguments)
    if isinstance(objective, torch.nn.Module):
        objective.double()
    whole = encoding(1, layers=3)
    rows = [t.requires_grad_() for t in (whole.users, whole.items)]
    everyone = Encoding(torch.randn(6, 3).double(), torch.randn(10, 3).double(), whole.layers[:0])

    def first(found: Encoding) -> Encoding:
        layers = tuple(first(layer) for layer in found.layers)
        every = Encoding(everyone.users, everyone.items, tuple(everyone for _ in layers))
        return Encoding(found.users[:1], found.items[:3], layers, every, shares=found.shares)

    loss = objective(first(whole), [first(encoding(2)), first(encoding(3))][: objective.views], alone)
    assert torch.isfinite(loss)
    if loss.requires_grad:
        loss.backward()
        assert all(t.grad is None or torch.isfinite(t.grad).all() for t in rows)


@pytest.mark.parametrize(("temperature", "scale", "similarity"), [(0.1, 2.0, "dot"), (10.0, 0.02, "cosine")])
def test_psl_with_exp_is_bsl_however_far_apart_scores_are(temperature, scale, similarity):
    main = encoding(1)
    far = Encoding(main.users * 60, main.items * 60)
    psl = make("psl", surrogate="exp", temperature=temperature, scale=scale, similarity=similarity)
    bsl = make("bsl", balance=1.0, temperature=temperature * scale, similarity=similarity)
    assert value(psl, far) == pytest.approx(value(bsl, far), rel=1e-9)


def test_mixed_needs_vectors_that_are_a_sum_of_layers():
    with pytest.raises(Refused, match="no sum of"):
        value(make("mixed", of={"use": "bpr"}), replace(encoding(1, layers=2), shares=()))


@pytest.mark.parametrize("use", ["mixed", "queue"])
def test_a_penalty_of_tables_is_refused_inside_what_makes_vectors(use):
    with pytest.raises(Refused, match="'l2' is of table rows"):
        make(use, of={"use": "l2"}, **({"size": 4} if use == "queue" else {}))


@pytest.mark.parametrize("use", ["constraint", "past_agreement"])
def test_what_reads_whose_a_row_is_needs_a_row_a_user(use):
    two = torch.tensor([0, 1])
    with pytest.raises(Refused, match=f"'{use}' needs a row a user"):
        make(use)(encoding(1), (), replace(batch(EACH), users=two))


def test_agreement_refuses_a_view_read_at_other_places():
    fewer = encoding(2)
    with pytest.raises(Refused, match="not read at the same places"):
        make("agreement")(encoding(1), (replace(fewer, users=fewer.users[:-1]),), batch())


def test_what_wrappers_cannot_do_is_refused():
    for use, negative in (("hardest", None), ("mixed", None), ("queue", EACH)):
        extra = {"size": 4} if use == "queue" else {}
        with pytest.raises(Refused, match="sampler"):
            make(use, of={"use": "bpr"}, **extra)(encoding(1), (), batch(negative))
    with pytest.raises(Refused, match=r"objectives\.of"):
        make("hardest", of={"use": "bpr", "similarity": "warm"})


def test_agreement_is_two_minus_two_cosines_each_way():
    main, view = encoding(1), encoding(2)

    def cosine(a, b):
        return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))

    ways = [cosine(main.users[u], view.items[p]) + cosine(main.items[p], view.users[u]) for u, p, _ in rows()]
    assert value(make("agreement"), main, [view]) == pytest.approx(4 - 2 * sum(ways) / 5, abs=1e-9)


def test_slatk_weighs_a_pair_by_its_distance_to_the_list():
    main, total = encoding(1), 0.0
    for u, p, each in rows():
        hit, missed = dot(main.users[u], main.items[p]), [dot(main.users[u], main.items[n]) for n in each if n != p]
        threshold = sorted([hit, *missed], reverse=True)[1]
        wrong = math.log(sum(math.exp((score - hit) / 0.5) for score in missed))
        total += wrong / (1 + math.exp(-(hit - threshold) / 0.3))
    loss = make("slatk", temperature=0.5, weight_temperature=0.3, k=2, similarity="dot")
    assert value(loss, main) == pytest.approx(total / 5, abs=1e-9)
    with pytest.raises(Refused, match="negatives"):
        value(make("slatk", k=3), main)


def test_slatk_holds_its_threshold_still():
    main, b = encoding(1), batch(EACH)
    main.users.requires_grad_()

    def held(users):
        hit = (users[b.query] * main.items[b.positive]).sum(-1)
        missed = (users[b.query, None] * main.items[EACH]).sum(-1)
        kept = b.positive[:, None] != EACH
        listed = torch.cat((hit[:, None], missed.masked_fill(~kept, -9e9)), 1).detach()
        weight = ((hit - listed.sort(1, descending=True).values[:, 1]) / 0.3).sigmoid()
        return (weight * ((missed - hit[:, None]) / 0.5).masked_fill(~kept, -9e9).logsumexp(1)).mean()

    loss = make("slatk", temperature=0.5, weight_temperature=0.3, k=2, similarity="dot")(main, (), b)
    fast, slow = (torch.autograd.grad(value, main.users)[0] for value in (loss, held(main.users)))
    assert torch.allclose(fast, slow, atol=1e-12)


def test_sup_con_averages_over_users_and_within_each():
    main, total, b = encoding(1), 0.0, batch()
    for user in range(4):
        own = b.positive[b.query == user].tolist()
        mass = sum(math.exp(dot(main.users[user], main.items[j]) / 0.5) for j in range(4))
        total += sum(math.log(mass) - dot(main.users[user], main.items[p]) / 0.5 for p in own) / len(own)
    assert value(make("sup_con", temperature=0.5, similarity="dot"), main) == pytest.approx(total / 4, abs=1e-9)
