"""A registered copy is used only after it gave the answers of the bundle it was made from."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from recsys_cl.core.errors import Refused
from recsys_cl.serving.answer import DEFAULT_K, frame_of, recommend
from recsys_cl.serving.bundle import Bundle

_USERS = 20
_STRANGER = "\N{REPLACEMENT CHARACTER} a user the model does not know"


@contextmanager
def _code_alone() -> Iterator[None]:
    """Within, code is run as it was registered: bytecode that lies beside it is not looked for, and none is left there."""
    before = sys.pycache_prefix
    with TemporaryDirectory() as elsewhere:
        sys.pycache_prefix = elsewhere
        try:
            yield
        finally:
            sys.pycache_prefix = before


def check_copy(folder: Path, bundle: Bundle) -> None:
    """Load the model in ``folder`` as MLflow does and compare its answers, for some users and a stranger, exactly.

    Raises:
        Refused: they differ.
    """
    import pandas
    from mlflow.pyfunc import load_model

    k = min(DEFAULT_K, len(bundle.item_ids))
    some = bundle.user_ids[:: max(1, len(bundle.user_ids) // _USERS)][:_USERS]
    asked = [*some, _STRANGER, _STRANGER]
    histories = [*([None] * (len(asked) - 1)), bundle.item_index[: 2 * k].tolist()]
    with _code_alone():
        answered = load_model(str(folder)).predict(pandas.DataFrame({"user_id": asked, "item_ids": histories}), params={"k": k})
    expected = frame_of(recommend(bundle, asked, k, histories))
    if not answered.equals(expected):
        raise Refused(f"{folder}: the registered copy does not answer as the model it was made from")
