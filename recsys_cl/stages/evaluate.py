"""The only stage that opens the test part: one trained experiment, ranked in full. Every opening is on record."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from recsys_cl.config import Recipe
from recsys_cl.core.files import digest_file, write_json
from recsys_cl.core.runtime import Runtime
from recsys_cl.evaluation.settings import Evaluation
from recsys_cl.stages.store import COST

if TYPE_CHECKING:
    from recsys_cl.core.protocols import Job
    from recsys_cl.core.values import Interactions, Ragged
    from recsys_cl.ops.ranks import Ranks
    from recsys_cl.stages.openings import Ledger
    from recsys_cl.stages.verdict import Verdict

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluateStage:
    """Ranks the catalogue for every user with something in the test part, knowing train and valid.

    Args:
        experiment: the name under which the model was trained.
        recipe: what it is made of.
        evaluation: what to measure.
        runtime: where to compute.
        seed: of the pipeline.
        ledger: where each opening of the test part is recorded; none where the store is made up, as in tests.
        ranks: the processes that evaluate together; None: this one alone.
    """

    experiment: str
    recipe: Recipe
    evaluation: Evaluation
    runtime: Runtime
    seed: int
    ledger: Ledger | None = field(default=None, compare=False)
    ranks: Ranks | None = field(default=None, compare=False)

    version: ClassVar[int] = 9

    @property
    def name(self) -> str:
        """``evaluate/EXPERIMENT``."""
        return f"evaluate/{self.experiment}"

    @property
    def reads(self) -> tuple[str, ...]:
        """The data set and the trained model."""
        return ("train", "valid", "test", "vocabulary", f"model/{self.experiment}")

    @property
    def writes(self) -> tuple[str, ...]:
        """``evaluation/EXPERIMENT``: values per user, per segment and on average, lists, vectors."""
        return (f"evaluation/{self.experiment}",)

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that decides the result; memory only decides how fast it comes."""
        return {
            "recipe": self.recipe.settings(),
            "evaluation": self.evaluation.model_dump(mode="json", exclude={"memory_mib"}),
            "device": self.runtime.device,
            "seed": self.seed,
        }

    def outside(self) -> Mapping[str, str]:
        """Nothing beyond the store is read."""
        return {}

    def run(self, job: Job) -> Mapping[str, float]:
        """Write the folder; answer with the mean of every metric and the number of users.

        Raises:
            Refused: nobody can be evaluated, a score would not be finite, or the weights are not this recipe's.
        """
        from recsys_cl.ingest.dataset import load_users
        from recsys_cl.stages.segmenting import segments_of, write_segments
        from recsys_cl.stages.strangers import write_strangers
        from recsys_cl.stages.verdict import count_rows, write_representation, write_verdict

        began = perf_counter()
        digests = {part: digest_file(job.reads[part]) for part in ("train", "valid", "test")}
        openings = self._open(digests["test"], job)
        vocabulary = job.reads["vocabulary"]
        verdict, train, known, test, categories = self._judge(job)
        candidates = verdict.candidates

        user_ids = load_users(vocabulary)["user_id"].to_list()
        cold_users = count_rows(job.reads["test"]) - len(test)
        segments = segments_of(verdict, train, known, vocabulary, self.evaluation, cold_users)
        if not verdict.kept:
            width = verdict.encoding.users.shape[1]
            _log.info(
                "%s: vectors of %s numbers each are ranked and not kept; it cannot be registered", self.experiment, f"{width:,}"
            )
        facts: dict[str, Any] = {
            "vectors": verdict.kept,  # whether they are in the folder
            "cold_users": cold_users,
            **({"outside_candidates": len(test) - len(candidates.among(test))} if candidates else {}),
            "test_digest": digests["test"],  # promotion compares only what was measured on the same part
            "digests": digests,
            "test_openings": openings,
            "categories": {"column": self.evaluation.category, "separator": self.evaluation.category_separator},
            "exclude_seen": self.evaluation.exclude_seen,  # a registered model makes its lists by the same two
            "history": self.evaluation.history,
            "seed": self.seed,
        }
        folder = job.out(self.writes[0])
        write_verdict(verdict, user_ids, folder, facts)
        write_segments(segments, verdict, user_ids, folder)
        write_representation(verdict, known, categories, self.seed, folder)
        if self.evaluation.shots:
            write_strangers(verdict, self.experiment, job.reads, self.evaluation, folder)
        write_json(folder / COST, {"seconds": round(perf_counter() - began, 3), "device": str(test.users.device)})
        return {"users": len(verdict.held_out.users), **verdict.means()}

    def assist(self, job: Job) -> None:
        """Rank some of the users as one of several processes, of which another one writes."""
        self._judge(job)

    def _judge(self, job: Job) -> _Judged:
        from recsys_cl.evaluation.candidates import candidates_of
        from recsys_cl.ingest.dataset import load_categories, load_features, load_interactions, load_shape, select_items
        from recsys_cl.ops.ranks import ALONE
        from recsys_cl.stages.assemble import assemble, device_of
        from recsys_cl.stages.verdict import judge_test, load_weights

        vocabulary, evaluation, asked = job.reads["vocabulary"], self.evaluation, self.evaluation.candidates
        shape, device = load_shape(vocabulary), device_of(self.runtime)
        train, valid, test = (load_interactions(job.reads[part], shape).to(device) for part in ("train", "valid", "test"))
        known = train if evaluation.history == "train" else train.then(valid)
        made = assemble(self.recipe, known, self.seed, device, load_features(vocabulary, shape))
        load_weights(made.method, job.reads[f"model/{self.experiment}"] / "weights.safetensors")
        categories = load_categories(vocabulary, evaluation.category, evaluation.category_separator, device)
        candidates = candidates_of(select_items(vocabulary, asked), shape.items, asked)
        candidates = None if candidates is None else candidates.to(device)
        told, ranks = (evaluation, self.experiment, categories, candidates), self.ranks or ALONE
        verdict = judge_test(made.method, made.feed, test, known, *told, ranks=ranks)
        return _Judged(verdict, train, known, test, categories)

    def _open(self, digest: str, job: Job) -> int | None:
        """Put on record that the test part is about to be read; how often it has been, None where nobody counts."""
        facts = {"experiment": self.experiment, "fingerprint": job.fingerprint}
        openings = self.ledger.open(digest, facts) if self.ledger else None
        _log.info("opening the test part %s for '%s': opening %s of it", digest[:12], self.experiment, openings or "?")
        return openings


class _Judged(NamedTuple):
    """What the test part says, and the data it was said of, on the device."""

    verdict: Verdict
    train: Interactions
    known: Interactions
    test: Interactions
    categories: Ragged | None
