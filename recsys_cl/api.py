"""The Python face: fit a recipe on logs, ask it for recommendations, keep it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from recsys_cl.core.errors import Refused

if TYPE_CHECKING:
    import pandas as pd

    from recsys_cl.serving.bundle import Bundle

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}


class Recommender:
    """A recommender in ten lines.

    >>> model = Recommender().fit("interactions.csv", recipe="xsimgcl")  # doctest: +SKIP
    >>> model.recommend(["user-1", "user-2"], k=10)  # doctest: +SKIP
    >>> model.similar(["item-7"], k=5)  # doctest: +SKIP
    >>> model.save("model"); Recommender.load("model")  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._bundle: Bundle | None = None

    def fit(
        self,
        logs: pd.DataFrame | str | Path,
        recipe: str = "xsimgcl",
        *,
        seed: int = 1,
        columns: dict[str, str] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> Recommender:
        """Train on all of ``logs``.

        Each user's last interaction first serves to choose the number of epochs; then a fresh model is trained on
        everything for as long. To measure a recipe honestly, run a pipeline: it keeps a test part that this does not.

        Args:
            logs: a frame, or a CSV, JSONL or Parquet file, with ``user_id``, ``item_id`` and ``timestamp``.
            recipe: a name that ``recsys-cl recipes`` lists, or a path to a recipe's TOML.
            seed: same seed, same machine, same model.
            columns: the names of those three in ``logs``, where they differ.
            settings: laid over the recipe, e.g. ``{"training": {"epochs": 5}}``.

        Raises:
            Refused: the logs or the settings cannot be used.
        """
        from recsys_cl.stages.fit_logs import fit_logs

        with TemporaryDirectory() as scratch:
            path = _as_file(logs, Path(scratch))
            source = {"use": FORMATS[path.suffix], "path": str(path), "columns": columns or {}}
            self._bundle = fit_logs(source, recipe, settings or {}, seed, Path(scratch))
        return self

    def recommend(
        self,
        users: Iterable[object] | None = None,
        k: int = 10,
        *,
        histories: Iterable[Iterable[object] | None] | None = None,
        filters: Mapping[str, Any] | str | Path | None = None,
        steps: int | None = None,
    ) -> pd.DataFrame:
        """The best ``k`` unseen items of each user: ``user_id, rank, item_id, score, source``.

        ``source`` is ``personal``, ``history``, ``folded`` (a history, by a rule), or ``popular`` where nothing is known.

        Args:
            users: ids; may be left out where there are histories.
            k: length of each list.
            histories: what each user met, oldest first, or None; see `recsys_cl.serving.answer.recommend`.
            filters: the rules of the lists, e.g. ``{"blocked": ["item-7"], "categories": {"most": 2}}``, or a file of them;
                see `recsys_cl.serving.rules.Rules`.
            steps: of a model that adapts to histories: by at most so many; None: its own number.
        """
        from recsys_cl.serving.answer import recommend
        from recsys_cl.serving.rules import read_filters
        from recsys_cl.serving.within import within

        past = None if histories is None else list(histories)
        if users is None and past is None:
            raise Refused("users: name those who ask, or hand over their histories")
        people = _several(users, "users") if users is not None else [None] * len(past or ())
        rules = read_filters(self._fitted, filters)
        bundle = self._fitted if steps is None else within(self._fitted, steps)
        answer: pd.DataFrame = recommend(bundle, people, k, past, rules).to_pandas()
        return answer

    def similar(self, items: Iterable[object], k: int = 10) -> pd.DataFrame:
        """The ``k`` items nearest to each item by the cosine of their vectors, itself left out."""
        from recsys_cl.serving.answer import similar

        answer: pd.DataFrame = similar(self._fitted, _several(items, "items"), k).to_pandas()
        return answer

    def save(self, folder: str | Path) -> None:
        """Write safetensors, Parquet and JSON with checksums; ``folder`` must not exist."""
        from recsys_cl.serving.bundle import write_bundle

        write_bundle(self._fitted, Path(folder))

    @classmethod
    def load(cls, model: str | Path, tracking_uri: str | None = None) -> Recommender:
        """From a folder that ``save`` wrote, or a registered model (``models:/demo@champion``); verified before use."""
        from recsys_cl.serving.load import load_bundle

        made = cls()
        made._bundle = load_bundle(str(model), tracking_uri)
        return made

    @property
    def _fitted(self) -> Bundle:
        if self._bundle is None:
            raise Refused("this Recommender has no model yet: call fit() or Recommender.load() first")
        return self._bundle


def _several(ids: Iterable[object], name: str) -> Iterable[object]:
    if isinstance(ids, str | bytes):
        raise Refused(f"{name}: several ids are meant, and a text is its letters; say [{ids!r}]")
    if hasattr(ids, "columns"):
        raise Refused(f"{name}: ids are meant, and a table is its columns; hand over the one that holds them")
    if not isinstance(ids, Iterable):
        raise Refused(f"{name}: several ids are meant, not one {type(ids).__name__}; say [{ids!r}]")
    return ids


def _as_file(logs: pd.DataFrame | str | Path, scratch: Path) -> Path:
    if isinstance(logs, str | Path):
        path = Path(logs)
        if path.suffix not in FORMATS:
            raise Refused(f"{path}: expected a file that ends in {', '.join(FORMATS)}")
        return path
    import pandas as pd
    import pyarrow as pa

    if not isinstance(logs, pd.DataFrame):
        raise Refused(f"logs: a pandas frame, or the path of a file, is meant, not {type(logs).__name__}")
    path = scratch / "logs.parquet"
    try:
        logs.to_parquet(path, index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:  # columns of several kinds, or of one name
        raise Refused(f"logs: the frame cannot be written as Parquet: {str(error).splitlines()[0]}") from error
    return path
