"""Each line is one JSON object, whoever logs it; afterwards nothing is left of it."""

from __future__ import annotations

import json
import logging
import warnings

import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.core.logs import VARIABLE, say, set_up, set_up_by_environment, structured


def test_facts_warnings_and_errors_are_lines_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert set_up("json")
    try:
        assert structured()
        say("stage", stage="train/sgl", seconds=1.5)
        logging.getLogger("recsys_cl.x").warning("'%s'\nis odd", "key")
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            logging.getLogger("other").exception("failed")
    finally:
        assert not set_up("text")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert (lines[0]["event"], lines[0]["stage"], lines[0]["seconds"]) == ("stage", "train/sgl", 1.5)
    assert lines[1]["message"] == "'key'\nis odd"
    assert lines[2]["error"] == "ZeroDivisionError: division by zero"
    assert not structured()


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(Refused, match="did you mean 'json'"):
        set_up("jsn")


def test_every_command_obeys_the_environment_and_a_warning_is_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setenv(VARIABLE, "jsn")
    with pytest.raises(Refused, match=f"^{VARIABLE}: .*did you mean 'json'"):
        set_up_by_environment()
    monkeypatch.setenv(VARIABLE, "json")
    try:
        set_up_by_environment()
        warnings.showwarning("checkpoint 3 is damaged", RuntimeWarning, "checkpoint.py", 52)
    finally:
        set_up("text")
    [line] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["level"], line["message"]) == ("warning", "RuntimeWarning: checkpoint 3 is damaged")
