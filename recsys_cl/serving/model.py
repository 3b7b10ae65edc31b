"""The registered model as MLflow runs it: this file is stored beside the bundle and executed when the model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from recsys_cl.core.errors import RecsysError, Refused
from recsys_cl.serving.answer import DEFAULT_K, frame_of, recommend
from recsys_cl.serving.bundle import Bundle, read_bundle
from recsys_cl.serving.new_items import new_items_in, with_new_items
from recsys_cl.serving.within import within


class Recommending(PythonModel):  # type: ignore[misc]  # MLflow ships no types
    """``predict(frame, params={"k": 10})``, the frame with ``user_id``, ``item_ids`` (oldest first) or both: a row per rank.

    The parameter ``new_items`` is a JSON list of items to recommend too, each with ``item_id`` and its content. The
    parameter ``steps`` is the budget within which a model that adapts to histories does so; -1: its own.
    """

    bundle: Bundle

    def load_context(self, context: PythonModelContext) -> None:
        """Verify and read the bundle."""
        self.bundle = read_bundle(Path(context.artifacts["bundle"]))

    def predict(
        self, context: PythonModelContext, model_input: pandas.DataFrame, params: dict[str, Any] | None = None
    ) -> pandas.DataFrame:
        """Rows as `recommend` gives them; what cannot be answered is an INVALID_PARAMETER_VALUE."""
        del context
        users, histories = (_column(model_input, name) for name in ("user_id", "item_ids"))
        try:
            if users is None and histories is None:
                raise Refused(
                    "the input needs a column user_id (text), item_ids (lists of texts, oldest first) or both; no other is read"
                )
            people = [None] * len(model_input) if users is None else users
            bundle, new = self.bundle, (params or {}).get("new_items", "")
            if new:
                bundle, _ = with_new_items(bundle, new_items_in(new))
            budget = (params or {}).get("steps", -1)
            bundle = bundle if budget == -1 else within(bundle, budget)
            answer = recommend(bundle, people, (params or {}).get("k", DEFAULT_K), histories)
        except RecsysError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        return frame_of(answer)


def _column(frame: pandas.DataFrame, name: str) -> list[Any] | None:
    """Its values; what pandas calls missing is None."""
    if name not in frame:
        return None
    return [None if isinstance(value, float) and value != value else value for value in frame[name].tolist()]  # noqa: PLR0124


set_model(Recommending())
