"""Yesterday's model answers the newest test part: asked for the same users, with all that is known of them today."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.evaluation.held_out import hold_out
from recsys_cl.evaluation.measure import measure
from recsys_cl.evaluation.settings import Evaluation, build_metrics
from recsys_cl.stages.as_served import as_served

if TYPE_CHECKING:
    import pandas as pd

    from recsys_cl.serving.bundle import Bundle


def remeasure(bundle: Bundle, reads: Mapping[str, Path], evaluation: Evaluation, metric: str, name: str) -> pd.Series[float]:
    """``metric`` of an older model on the test part of ``reads``, by the text of each user's id, rising.

    It ranks its own catalogue: an item it does not know is a miss, as it would be in production. Histories are those of train
    and valid of today; who has none that it can read is answered by what it remembers, strangers by what was popular.

    Args:
        bundle: the registered model.
        reads: paths of ``train``, ``valid``, ``test`` and ``vocabulary``.
        evaluation: the rules by which the challenger was measured.
        metric: such as ``ndcg@20``; one that reads the ranking and what the model knows of popularity, not categories.
        name: of the model, for messages.

    Raises:
        Refused: the metric is not one of ``evaluation``, or nobody can be evaluated.
    """
    import pandas as pd

    from recsys_cl.ingest.dataset import load_users

    if evaluation.candidates or evaluation.history == "train":
        raise Refused(
            "evaluation.candidates, evaluation.history: an older model is asked anew about all items by all that is known"
        )
    known_metrics = {each.name: each for each in build_metrics(evaluation)}
    if metric not in known_metrics:
        raise Refused(f"metric '{metric}' is not measured; {nearest(metric, known_metrics)}")
    truth, known = _translated(bundle, reads)
    held_out = hold_out(truth, known, exclude_seen=evaluation.exclude_seen)
    names = load_users(reads["vocabulary"])["user_id"]
    ids = [str(names[user]) for user in held_out.users.tolist()]
    values = measure(
        as_served(bundle, ids, held_out.history), held_out, [known_metrics[metric]], evaluation.budget, name
    ).values
    return pd.Series(values[metric].numpy(), index=pd.Index(ids, name="user_id"), dtype="float64").sort_index()


def _translated(bundle: Bundle, reads: Mapping[str, Path]) -> tuple[Interactions, Interactions]:
    """The test part, and all before it, in the item numbers of ``bundle``; users keep the numbers of today.

    What was held out twice counts once, as for the challenger; then items the model does not know become ``shape.items``.
    """
    from recsys_cl.ingest.dataset import load_interactions, load_items, load_shape
    from recsys_cl.serving.asked import places
    from recsys_cl.stages.bundle import known_before_test

    today = load_shape(reads["vocabulary"])
    shape = Shape(today.users, len(bundle.item_ids))
    number = places(bundle.item_index, load_items(reads["vocabulary"])["item_id"].tolist())
    number = torch.where(number >= 0, number, shape.items)
    number = torch.cat((number, number.new_tensor([shape.items])))  # outside today's vocabulary: a miss for both

    test, known = load_interactions(reads["test"], today), known_before_test(reads)
    inside = test.items < today.items
    once = torch.unique(test.users[inside] * today.items + test.items[inside])
    users = torch.cat((once // today.items, test.users[~inside]))
    items = torch.cat((once % today.items, test.items[~inside]))
    truth = Interactions(shape, users, number[items], torch.zeros_like(users))

    met = number[known.items]
    kept = met < shape.items
    return truth, Interactions(shape, known.users[kept], met[kept], known.times[kept])
