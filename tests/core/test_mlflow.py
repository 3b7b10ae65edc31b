"""An address is shown without its password, however it is spelt and whoever repeats it."""

from __future__ import annotations

from typing import NoReturn
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from recsys_cl.core.errors import Unavailable
from recsys_cl.core.mlflow import connect, explained, without_credentials

WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=20).map(lambda text: f"§{text}§")


@given(user=WORDS, password=WORDS)
def test_neither_spelling_of_a_password_is_left_in_any_text(user: str, password: str) -> None:
    uri = f"postgresql+psycopg://{quote(user, safe='')}:{quote(password, safe='')}@db:5432/mlflow?sslmode=require"
    assert without_credentials(uri) == "postgresql+psycopg://db:5432/mlflow?sslmode=require"
    for text in (f"cannot reach {uri}", f"FATAL: password {password} is wrong", f"tried {quote(password, safe='')}"):
        shown = without_credentials(text, uri)
        assert password not in shown
        assert quote(password, safe="") not in shown


def test_a_password_in_the_query_is_left_out() -> None:
    uri = "postgresql:///mlflow?host=db&user=someone&password=hunter2&sslpassword=hunter3"
    shown = without_credentials(f"cannot reach {uri}", uri)
    assert shown == "cannot reach postgresql:///mlflow?host=db&user=someone&password=…&sslpassword=…"


def test_what_has_no_password_is_left_as_it_is() -> None:
    for text in ("sqlite:////home/me/mlruns/mlflow.db", "https://mlflow.example.org", "databricks://profile"):
        assert without_credentials(text) == text
        assert without_credentials(f"nobody at {text}: p@ssword", text) == f"nobody at {text}: p@ssword"


def test_a_driver_that_is_not_installed_is_named_with_its_remedy() -> None:
    with (
        pytest.raises(Unavailable, match=r"postgresql://db/mlflow: psycopg is not installed; pip install") as told,
        explained("postgresql://me:hunter2@db/mlflow"),
    ):
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("uri", ["postgresql+psycopg://team:secret@db/mlflow", "mysql://team:secret@db/mlflow"])
def test_a_database_that_refuses_is_asked_once_and_never_by_mlflow(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refusing(address: str, **how: object) -> NoReturn:
        asked.append((address, how))
        raise OperationalError("SELECT", None, Exception("password authentication failed for user team, secret"))

    monkeypatch.setattr("sqlalchemy.create_engine", refusing)
    with pytest.raises(
        Unavailable, match=r"tracking store \w+(\+psycopg)?://db/mlflow: .*password authentication failed"
    ) as told:
        connect(uri)
    assert asked == [(uri, {"connect_args": {"connect_timeout": 10}})]
    assert "secret" not in str(told.value)
