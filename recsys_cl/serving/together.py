"""Questions that arrive while others are being answered are answered together: one pass over the catalogue serves them all."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Together(Generic[Q, A]):
    """A thread that answers whatever has come in since it last looked; nobody waits for a batch to fill.

    Ranking a catalogue for sixteen people costs what it costs for one, so that under load each answer becomes cheaper.

    Args:
        answer: answers several questions in order; where it raises, each is asked alone, so that one cannot spoil the others.
        most: questions answered at once.
    """

    def __init__(self, answer: Callable[[Sequence[Q]], Sequence[A]], most: int = 64) -> None:
        self._answer, self._most = answer, most
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="together")
        self._work: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        """The answer to one question, in its turn."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._until_none_waits())
        return await future

    async def _until_none_waits(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            found = await loop.run_in_executor(self._thread, self._each, [question for question, _ in some])
            for (_, future), answer in zip(some, found, strict=True):
                if future.cancelled():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    def _each(self, questions: list[Q]) -> Sequence[A | Exception]:
        try:
            return self._answer(questions)
        except Exception as error:  # the client's mistake or ours: whose it is decides who answers for it, not this thread
            return [error] if len(questions) == 1 else [self._each([question])[0] for question in questions]
