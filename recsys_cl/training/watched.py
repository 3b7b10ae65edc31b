"""A person sees training go on, and the loop does not know: a feed that counts its batches, a tracker that shows numbers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from torch import Generator, Tensor

from recsys_cl.core.logs import say, structured
from recsys_cl.core.protocols import Feed
from recsys_cl.core.values import Batch

if TYPE_CHECKING:
    from rich.progress import Progress

S = TypeVar("S")


class Watched(Generic[S]):
    """A feed and a tracker in one: on a terminal a progress bar, elsewhere a line an epoch, on standard error.

    Args:
        feed: what is passed through, unchanged.
        label: whose training this is.
        epochs: how many there will be at most.
        select: the validation metric to show.
        silent: show nothing; another process does.
    """

    def __init__(self, feed: Feed[S], label: str, epochs: int, select: str, *, silent: bool = False) -> None:
        self.shape = feed.shape
        self.steps = feed.steps
        self.reads_histories = feed.reads_histories
        self._feed = feed
        self._label = label
        self._epochs = epochs
        self._select = f"valid/{select}"
        self._silent = silent
        self._epoch = 0  # the last one told of
        self._best: float | None = None
        self._resumed = False  # then there may have been a better one before
        self._bar: Progress | None = None
        self._news = ""

    def __enter__(self) -> Watched[S]:
        """Open the bar, if there is a terminal to draw it on."""
        if sys.stderr.isatty() and not self._silent and not structured():
            self._bar = _bar()
            self._bar.start()
            self._bar.add_task(self._label, total=self.steps, news="")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the bar and leave nothing of it."""
        if self._bar is not None:
            self._bar.stop()

    def training(self, rng: Generator) -> Iterator[Batch[Any]]:
        """The feed's epoch; every batch moves the bar."""
        self._show(completed=0)
        for batch in self._feed.training(rng):
            yield batch
            if self._bar is not None:
                self._bar.advance(self._bar.task_ids[0])

    def inference(self, users: Tensor) -> Iterator[tuple[S, Tensor]]:
        """The feed's own."""
        return self._feed.inference(users)

    def note(self, values: Mapping[str, str]) -> None:
        """Facts are not shown."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Show what an epoch brought: its loss, the selected metric, and the best so far."""
        self._resumed |= not self._epoch and step > 1
        terms = [value for name, value in metrics.items() if name.startswith("loss/") and name != "loss/gradient"]
        news = [f"loss {sum(terms):.4f}"] if terms else []
        if self._select in metrics:
            score = metrics[self._select]
            self._best = score if self._best is None else max(score, self._best)
            news.append(f"{self._select.removeprefix('valid/')} {score:.4f}")
        if self._best is not None and not self._resumed:
            news.append(f"best {self._best:.4f}")
        self._news = "  ".join(news)
        self._show()
        self._epoch = step
        if self._silent or self._bar is not None:
            return
        if structured():
            facts: dict[str, Any] = {"training": self._label, "epoch": step, "epochs": self._epochs}
            facts["best"] = None if self._resumed else self._best
            say("epoch", **facts, **dict[str, Any](metrics))
        else:
            sys.stderr.write(f"{self._label}  epoch {step}/{self._epochs}  {self._news}\n")

    def _show(self, completed: int | None = None) -> None:
        if self._bar is not None:
            # A resumed run may begin anywhere: the number is known once an epoch has been told of.
            text = f"{self._label}  epoch {self._epoch + 1}/{self._epochs}" if self._epoch else self._label
            self._bar.update(self._bar.task_ids[0], completed=completed, description=text, news=self._news)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[news]}"))
    return Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True, refresh_per_second=4)
