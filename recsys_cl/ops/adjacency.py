"""The bipartite graph as one symmetric matrix, D^-1/2 A D^-1/2, in compressed rows; edges can be left out without sorting."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recsys_cl.core.values import Shape
from recsys_cl.ops.ordering import Ordering, places, unplaced


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A sparse matrix in compressed rows: row ``r`` holds entries ``starts[r] : starts[r + 1]``."""

    starts: Tensor  # [R + 1] int32 or int64, first 0, never falling
    columns: Tensor  # [nnz] of the type of starts
    weights: Tensor  # [nnz] float

    def __len__(self) -> int:
        """Number of rows."""
        return self.starts.numel() - 1

    def only(self, rows: Tensor) -> Rows:
        """The matrix of the given ``rows`` [Q], in that order."""
        begin = self.starts[rows]
        count = self.starts[rows + 1] - begin
        starts = torch.zeros(rows.numel() + 1, dtype=count.dtype, device=rows.device)
        torch.cumsum(count, 0, out=starts[1:])
        shift = torch.repeat_interleave(begin - starts[:-1], count)
        entries = torch.arange(shift.numel(), dtype=shift.dtype, device=shift.device).add_(shift)
        return Rows(starts, self.columns.index_select(0, entries), self.weights.index_select(0, entries))  # faster than []

    def transposed(self, columns: int) -> Rows:
        """The same entries by column: a matrix of ``columns`` rows."""
        if self.columns.is_cuda:
            order = torch.argsort(self.columns)
            starts = torch.zeros(columns + 1, dtype=self.starts.dtype, device=order.device)
            torch.cumsum(torch.bincount(self.columns, minlength=columns), 0, out=starts[1:])
            rows = torch.arange(len(self), dtype=self.columns.dtype, device=order.device)
            rows = torch.repeat_interleave(rows, self.starts.diff())
            return Rows(starts, rows.index_select(0, order), self.weights.index_select(0, order))
        from scipy.sparse import csr_array  # counts where torch would sort: four times faster

        stored = (part.numpy() for part in (self.weights, self.columns, self.starts))
        found = csr_array(tuple(stored), shape=(len(self), columns)).tocsc()
        starts, rows = (torch.from_numpy(part) for part in (found.indptr, found.indices))
        return Rows(starts, rows, torch.from_numpy(found.data))


@dataclass(frozen=True, slots=True, eq=False)
class Adjacency:
    """Users are nodes ``0 .. U - 1``, items are ``U .. U + I - 1``; A is 1 where a user met an item, in both directions.

    Rows and columns of ``matrix`` are places in ``ordering``, users before items; without one a node's place is its number.
    Edge ``e`` is entry ``e`` of ``matrix`` (the users' rows come first, so edges go by place of the user, then of the item);
    entry ``E + j`` (the items' rows) is edge ``back[j]``. With ``strengths`` an edge counts for as much instead of 1.
    """

    shape: Shape
    matrix: Rows  # U + I rows, 2 E entries
    back: Tensor  # [E] int64, a permutation of the edges: by item, then user
    ordering: Ordering | None = None
    strengths: Tensor | None = None  # [E] float, positive

    @property
    def edges(self) -> int:
        """Number of undirected edges, E."""
        return self.back.numel()

    def ends(self) -> tuple[Tensor, Tensor]:
        """User ids [E] and item ids [E] of the edges, int64."""
        degrees = self.matrix.starts[: self.shape.users + 1].diff()
        users = torch.arange(self.shape.users, device=degrees.device)
        items = self.matrix.columns[: self.edges].long()
        if self.ordering:
            users, items = self.ordering.nodes[: self.shape.users], self.ordering.nodes[items]
        return torch.repeat_interleave(users, degrees), items - self.shape.users

    def degrees(self) -> Tensor:
        """How many neighbours every node has, [U + I]; with strengths, what its edges count for together."""
        found = _degrees(self.matrix.starts, _both_ways(self.strengths, self.back))
        return unplaced(found, self.ordering)

    def few(self, rows: int) -> bool:
        """Whether to pick out so many rows costs less than it saves in a product."""
        return 2 * rows <= len(self.matrix)

    def of(self, nodes: Tensor) -> Rows:
        """The rows of ``nodes`` [Q], whose columns are nodes by number, not by place: a matrix [Q, U + I]."""
        found = self.matrix.only(places(nodes, self.ordering))
        if not self.ordering:
            return found
        return Rows(found.starts, self.ordering.nodes[found.columns].to(found.columns.dtype), found.weights)

    def met(self, users: Tensor) -> Rows:
        """The items that each of ``users`` [Q] met, by number: a matrix [Q, I]."""
        found = self.of(users)
        return Rows(found.starts, found.columns - self.shape.users, found.weights)

    def sides(self) -> tuple[Rows, Rows]:
        """The matrix in two halves: users' rows over items [U, I], and its transpose, items' rows over users [I, U].

        Users and items are counted by place, each from 0.
        """
        users, whole = self.shape.users, self.matrix
        by_user = Rows(whole.starts[: users + 1], whole.columns[: self.edges] - users, whole.weights[: self.edges])
        by_item = Rows(whole.starts[users:] - self.edges, whole.columns[self.edges :], whole.weights[self.edges :])
        return by_user, by_item

    def alike(self) -> Adjacency:
        """The same edges, each of which counts for 1."""
        if self.strengths is None:
            return self
        matrix = _normalised(self.matrix.starts, self.matrix.columns, self.matrix.weights.dtype, None)
        return Adjacency(self.shape, matrix, self.back, self.ordering)

    def keep(self, kept: Tensor) -> Adjacency:
        """The graph of the edges where ``kept`` [E] bool is true, its degrees counted anew. O(E), no sort."""
        returning = kept[self.back]
        entries = torch.cat((kept, returning))
        passed = torch.zeros(entries.numel() + 1, dtype=self.matrix.starts.dtype, device=kept.device)
        torch.cumsum(entries, 0, out=passed[1:])
        renumbered = kept.cumsum(0) - 1
        back, strengths = renumbered[self.back[returning]], None if self.strengths is None else self.strengths[kept]
        counts, dtype = _both_ways(strengths, back), self.matrix.weights.dtype
        matrix = _normalised(passed[self.matrix.starts], self.matrix.columns[entries], dtype, counts)
        return Adjacency(self.shape, matrix, back, self.ordering, strengths)


def connect(
    shape: Shape,
    users: Tensor,
    items: Tensor,
    dtype: torch.dtype = torch.float32,
    ordering: Ordering | None = None,
    strengths: Tensor | None = None,
) -> Adjacency:
    """The adjacency of the pairs ``users`` [N], ``items`` [N]; pairs met more than once are one edge of weight 1.

    With ``strengths`` [N] a pair counts for as much, and for the most of its own where it was met more than once. The
    normalisation is that of LightGCN (He et al., 2020, arXiv:2002.02126, equation 8), by sums of strengths where there are any.
    """
    if ordering:
        users, items = places(users, ordering), places(items + shape.users, ordering) - shape.users
    met = users * shape.items + items
    if strengths is None:
        pairs = torch.unique(met)
    else:
        pairs, which = torch.unique(met, return_inverse=True)
        strengths = strengths.new_zeros(pairs.numel()).scatter_reduce_(0, which, strengths, "amax")
    users, items = pairs // shape.items, pairs % shape.items
    back = torch.argsort(items, stable=True)
    nodes = shape.users + shape.items
    index = torch.int32 if max(nodes, 2 * pairs.numel()) < 2**31 else torch.int64
    counts = torch.cat((users.bincount(minlength=shape.users), items.bincount(minlength=shape.items)))
    starts = torch.zeros(nodes + 1, dtype=index, device=users.device)
    torch.cumsum(counts, 0, out=starts[1:])
    columns = torch.cat((items + shape.users, users[back])).to(index)
    matrix = _normalised(starts, columns, dtype, _both_ways(strengths, back))
    return Adjacency(shape, matrix, back, ordering, strengths)


def _normalised(starts: Tensor, columns: Tensor, dtype: torch.dtype, counts: Tensor | None) -> Rows:
    neighbours = starts.diff()
    scale = _degrees(starts, counts).masked_fill(neighbours == 0, 1).to(dtype).rsqrt()
    weights = torch.repeat_interleave(scale, neighbours).mul_(scale[columns])
    return Rows(starts, columns, weights if counts is None else weights.mul_(counts))


def _degrees(starts: Tensor, counts: Tensor | None) -> Tensor:
    """Sum of each row's entries, which are 1 where ``counts`` [nnz] does not say what they are."""
    if counts is None:
        return starts.diff()
    return torch.segment_reduce(counts, "sum", offsets=starts.long(), initial=0)


def _both_ways(strengths: Tensor | None, back: Tensor) -> Tensor | None:
    """What the matrix's entries count for, [2 E], from what the edges do."""
    return None if strengths is None else torch.cat((strengths, strengths[back]))
