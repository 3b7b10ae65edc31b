"""Objectives between the parts of an encoding: what an item lacks is left out, by a slow twin that leaves it out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Encoding, Interactions, ItemFeatures, Modality, Shape

SHAPE = Shape(6, 10)
LOG = Interactions(SHAPE, torch.arange(6), torch.arange(6), torch.zeros(6, dtype=torch.int64))
BATCH = Batch(
    None,
    torch.arange(4),
    torch.arange(7),
    5,
    query=torch.tensor([0, 1, 2, 3]),
    positive=torch.tensor([0, 1, 2, 4]),
    negative=torch.tensor([[5], [6], [3], [5]]),
)


def make(use: str, *, content: ItemFeatures | None = None, **arguments: object):
    offered = {"shape": SHAPE, "interactions": LOG, "rng": torch.Generator().manual_seed(0), "dim": 3, "features": content}
    return build("objectives", Component(use=use, **arguments), "objectives.x", **offered)


def rows(seed: int, count: int = 7) -> Tensor:
    return torch.randn(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def part(seed: int, present: list[int]) -> Encoding:
    mask = torch.zeros(7, dtype=torch.bool)
    mask[present] = True
    return Encoding(rows(seed)[:0], rows(seed), present=mask)


IMAGE, AUDIO, TEXT = part(2, [0, 1, 2, 5, 6]), part(3, [0, 2, 3, 4, 5]), part(4, [])


def main(**modalities: Encoding) -> Encoding:
    content = Encoding(rows(5)[:0], rows(5), parts=modalities)
    return Encoding(rows(0, 4), rows(1), parts={"content": content})


def nce(one: Tensor, other: Tensor, temperature: float) -> float:
    total = 0.0
    for i in range(len(one)):
        cosines = [float(torch.cosine_similarity(one[i], other[j], dim=0)) / temperature for j in range(len(other))]
        total += math.log(sum(math.exp(c) for c in cosines)) - cosines[i]
    return total / len(one)


def test_the_one_info_nce_between_two_parts_leaves_out_whom_one_of_them_lacks() -> None:
    loss = make("info_nce", between="layers", base="content/image", layer="content/audio", sides="items", temperature=0.5)
    both = [0, 2]  # of the five positives
    assert loss(main(image=IMAGE, audio=AUDIO), [], BATCH).item() == pytest.approx(
        nce(IMAGE.items[both], AUDIO.items[both], 0.5)
    )


def test_the_main_encoding_against_its_content() -> None:
    loss = make("info_nce", between="layers", layer="content", sides="items", temperature=0.5)
    assert loss(main(), [], BATCH).item() == pytest.approx(nce(rows(1)[:5], rows(5)[:5], 0.5))


def test_where_nobody_has_both_there_is_nothing_to_learn_and_a_gradient_of_nothing() -> None:
    image = Encoding(IMAGE.users, IMAGE.items.clone().requires_grad_(), present=IMAGE.present)
    loss = make("info_nce", between="layers", base="content/image", layer="content/text", sides="items")
    found = loss(main(image=image, text=TEXT), [], BATCH)
    found.backward()
    assert found.item() == 0
    assert not image.items.grad.any()


PAIR = {"use": "info_nce", "between": "main", "sides": "items", "temperature": 0.5}


def test_pairs_are_all_pairs() -> None:
    loss, third = make("modality_pairs", of=PAIR), part(6, [0, 1, 2, 3, 4])
    pairs = [(IMAGE, AUDIO, [0, 2]), (IMAGE, third, [0, 1, 2]), (AUDIO, third, [0, 2, 3, 4])]
    expected = 0.0
    for one, other, both in pairs:
        ordered = (one, other) if one is not IMAGE or other is third else (other, one)  # by name: audio, image, text
        expected += nce(ordered[0].items[both], ordered[1].items[both], 0.5) / 3
    assert loss(main(text=third, image=IMAGE, audio=AUDIO), [], BATCH).item() == pytest.approx(expected)
    assert loss(main(audio=AUDIO, text=third, image=IMAGE), [], BATCH).item() == pytest.approx(expected)
    assert loss(main(image=IMAGE), [], BATCH).item() == 0


def test_clip_is_info_nce_both_ways_at_the_temperature_it_has_learned() -> None:
    loss, both = make("clip", temperature=0.5, base="content/image", layer="content/audio"), [0, 2]
    one, other = IMAGE.items[both], AUDIO.items[both]
    expected = (nce(one, other, 0.5) + nce(other, one, 0.5)) / 2
    found = loss(main(image=IMAGE, audio=AUDIO), [], BATCH)
    assert found.item() == pytest.approx(expected)
    found.backward()
    step = 1e-6
    slope = (nce(one, other, 0.5 * math.exp(-step)) + nce(other, one, 0.5 * math.exp(-step))) / 2 - expected
    assert loss.factor.grad.item() == pytest.approx(slope / step, rel=1e-3)
    with torch.no_grad():
        loss.factor.fill_(math.log(1000.0))
    steep = loss(main(image=IMAGE, audio=AUDIO), [], BATCH)
    loss.factor.grad = None
    steep.backward()
    assert loss.factor.grad.abs() > 1e-6, "it can come down again"
    assert steep.item() == pytest.approx((nce(one, other, 0.01) + nce(other, one, 0.01)) / 2), "the factor stays below 100"


def test_an_uncertain_weight_finds_the_size_of_its_loss() -> None:
    loss, plain = make("uncertain", of={"use": "bpr"}), make("bpr")
    encoding = main()
    size = plain(encoding, [], BATCH).item()
    assert loss(encoding, [], BATCH).item() == pytest.approx(size)
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.3)
    for _ in range(200):
        optimizer.zero_grad()
        loss(encoding, [], BATCH).backward()
        optimizer.step()
    assert loss.log_variance.exp().item() == pytest.approx(size, rel=1e-4)
    assert loss(encoding, [], BATCH).item() == pytest.approx(1 + math.log(size), rel=1e-4)


WIDE = Modality(
    torch.randn(10, 4, generator=torch.Generator().manual_seed(8)), torch.tensor([1, 1, 0, 1, 1, 0, 1, 1, 1, 1]) > 0
)


@pytest.mark.parametrize("only_hidden", [False, True])
def test_decoders_tell_the_modality_as_it_was_prepared(*, only_hidden: bool) -> None:
    loss = make("reconstruct", content=ItemFeatures({"image": WIDE}), only_hidden=only_hidden).double()
    view = main(image=IMAGE)
    shared = view.parts["content"]
    found = loss(main(image=IMAGE), [view], BATCH)
    told = [item for item in (0, 1, 3, 4) if not (only_hidden and item in (0, 1))]  # 2 has no image; the view left 0, 1 theirs
    decoder = loss.decoders[0]
    errors = [
        sum(float(error) ** 2 for error in (decoder(shared.items[item]) - WIDE.values[item]).detach()) / 4 for item in told
    ]
    assert found.item() == pytest.approx(sum(errors) / len(errors))


def test_where_nothing_is_left_to_tell_the_loss_is_nothing() -> None:
    loss = make("reconstruct", content=ItemFeatures({"image": Modality(WIDE.values, WIDE.present & False)}))
    assert loss(main(image=IMAGE), [main(image=IMAGE)], BATCH).item() == 0
    with pytest.raises(Refused, match=r"\[prepare\.features\]"):
        make("reconstruct")


def test_modalities_agree_with_the_item_and_with_themselves() -> None:
    loss, target = make("modality_agreement"), main(image=part(12, [0]), audio=part(13, []))
    expected = 0.0
    for modality, other in ((IMAGE, target.parts["content"].parts["image"]), (AUDIO, target.parts["content"].parts["audio"])):
        there = [item for item in range(5) if modality.present[item]]
        for item in there:
            for answer in (target.items[item], other.items[item]):
                expected += (1 - float(torch.cosine_similarity(modality.items[item], answer, dim=0))) / len(there)
    assert loss(main(image=IMAGE, audio=AUDIO), [target], BATCH).item() == pytest.approx(expected)


def test_each_modality_answers_for_itself_where_it_is_there() -> None:
    loss, users = make("each_modality", of={"use": "bpr"}), rows(0, 4)
    asked = {"image": [(0, 0, 5), (1, 1, 6)], "audio": [(0, 0, 5), (2, 2, 3), (3, 4, 5)]}
    expected = 0.0
    for told, queries in ((IMAGE, asked["image"]), (AUDIO, asked["audio"])):
        gaps = [float(users[u] @ (told.items[p] - told.items[n])) for u, p, n in queries]
        expected += sum(math.log1p(math.exp(-gap)) for gap in gaps) / len(gaps)
    assert loss(main(image=IMAGE, audio=AUDIO), [], BATCH).item() == pytest.approx(expected)
    assert loss(main(text=TEXT), [], BATCH).item() == 0


@pytest.mark.parametrize(
    ("use", "arguments", "message"),
    [
        ("info_nce", {"between": "layers", "layer": "contend", "sides": "items"}, "no part 'contend'; did you mean 'content'"),
        (
            "info_nce",
            {"between": "layers", "layer": "content", "sides": "users"},
            "the users of the two encodings are not the same",
        ),
        ("info_nce", {"between": "layers", "layer": "content", "negatives": "all"}, "take the 'batch'"),
        ("clip", {"temperature": 0.005}, "temperature"),
        ("modality_pairs", {"of": {"use": "bpr"}}, r"objectives\.of: 'bpr' must read one view"),
        ("each_modality", {"of": PAIR}, r"objectives\.of: 'info_nce' reads views"),
    ],
)
def test_what_cannot_be_is_refused(use: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(Refused, match=message):
        make(use, **arguments)(main(image=IMAGE), [], BATCH)


def test_the_bottleneck_is_the_divergence_from_a_standard_normal() -> None:
    rng = torch.Generator().manual_seed(3)
    middle, told = (
        Encoding(torch.randn(3, 4, dtype=torch.float64, generator=rng), torch.randn(5, 4, dtype=torch.float64, generator=rng))
        for _ in range(2)
    )
    objective = build("objectives", Component(use="bottleneck"), "objectives.bottleneck")
    found = objective(Encoding(middle.users, middle.items, parts={"mean": middle, "log_variance": told}), [], None)
    expected = torch.zeros((), dtype=torch.float64)
    standard = torch.distributions.Normal(torch.zeros((), dtype=torch.float64), 1.0)
    for mean, log_variance in ((middle.users, told.users), (middle.items, told.items)):
        drawn = torch.distributions.Normal(mean, (log_variance / 2).exp())
        expected += torch.distributions.kl_divergence(drawn, standard).sum(-1).mean()
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("use", "arguments", "views"),
    [
        ("each_modality", {"of": {"use": "bpr"}}, 0),
        ("modality_pairs", {"of": {"use": "info_nce", "between": "main", "sides": "items"}}, 0),
        ("modality_agreement", {}, 1),
    ],
)
def test_a_part_that_is_not_told_modality_by_modality_is_refused(use: str, arguments: dict[str, object], views: int) -> None:
    with pytest.raises(Refused, match="encoder: does not tell 'content' modality by modality"):
        make(use, **arguments)(main(), [main()][:views], BATCH)


def test_pairs_of_modalities_have_items_alone() -> None:
    with pytest.raises(Refused, match=r"objectives\.of: modalities have items alone; 'agreement' must say, and take, sides"):
        make("modality_pairs", of={"use": "agreement"})
