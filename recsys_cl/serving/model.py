"""The registered model as MLflow runs it: this file is stored beside the bundle and executed when the model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from recsys_cl.core.errors import RecsysError
from recsys_cl.serving.answer import DEFAULT_K, recommend
from recsys_cl.serving.bundle import Bundle, read_bundle


class Recommending(PythonModel):  # type: ignore[misc]  # MLflow ships no types
    """``predict(DataFrame{"user_id"}, params={"k": 10})``: one row per user and rank."""

    bundle: Bundle

    def load_context(self, context: PythonModelContext) -> None:
        """Verify and read the bundle."""
        self.bundle = read_bundle(Path(context.artifacts["bundle"]))

    def predict(
        self, context: PythonModelContext, model_input: pandas.DataFrame, params: dict[str, Any] | None = None
    ) -> pandas.DataFrame:
        """Rows ``user_id, rank, item_id, score, source``; what cannot be answered is an INVALID_PARAMETER_VALUE."""
        del context
        try:
            answer = recommend(self.bundle, model_input["user_id"], (params or {}).get("k", DEFAULT_K))
        except RecsysError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        return pandas.DataFrame(answer.to_pandas())


set_model(Recommending())
