"""Agreement without negatives: what the model makes of a user points to what another makes of the item, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn.functional import embedding

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Batch, Encoding
from recsys_cl.ops.uniformity import alignment


class Agreement:
    """``|z_u - z'_p|^2 + |z_p - z'_u|^2`` on the unit sphere, mean over queries: 2 - 2 cos each way.

    ``z`` is the main encoding, ``z'`` the first view's: in BUIR the target network's (Lee et al. 2021, arXiv:2105.06323),
    in SelfCF the output after dropout (Zhou et al. 2023, arXiv:2107.03019, as negative cosines: half of this less a constant).

    Relations: meant for the method ``bootstrap``. Without a view that passes no gradient it collapses, unless something
    else (``directau``'s uniformity, say) keeps vectors apart.
    """

    views = 1

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """Mean loss of the batch, between 0 and 8."""
        if not views:
            raise Refused("views: 'agreement' compares the main encoding with a view and the recipe has none")
        if len(views[0].users) != len(main.users):
            raise Refused("views: 'agreement' compares row by row, and the view's histories are not read at the same places")
        query, positive = batch.query, batch.positive
        asked = alignment(embedding(query, main.users), embedding(positive, views[0].items))
        answered = alignment(embedding(positive, main.items), embedding(query, views[0].users))
        return asked + answered
