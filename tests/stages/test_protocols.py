"""One log, several protocols: ranks under each, what the data cannot carry said, nothing made twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.core.files import digest_file
from recsys_cl.core.settings import Component
from recsys_cl.evaluation.agreement import kendall, ranks
from recsys_cl.ingest.protocols import Protocols, windows_of
from recsys_cl.stages.compared import markdown
from recsys_cl.stages.openings import FOLDER, Ledger
from recsys_cl.stages.pipeline import run_pipeline
from recsys_cl.stages.protocols import compare_protocols
from recsys_cl.stages.store import Store
from tests.stages.small import LOGS, write
from tests.warm import python

ROOT = Path(__file__).parents[2]
PIPELINE = f"""
{LOGS}
[prepare]
split = {{ use = "time", valid = 0.15, test = 0.15 }}

[[experiments]]
recipe = "ease"

[[experiments]]
recipe = "item-knn"
"""


class Watch:
    def __init__(self):
        self.seen, self.lines = [], []

    def __call__(self, stage, status, seconds):
        if status != "running":
            self.seen.append((stage, status))


def compare(home: Path, *changes: str, watch: Watch | None = None):
    watch = watch or Watch()
    uri = f"sqlite:///{home}/mlruns/mlflow.db"
    return compare_protocols(home / "small.toml", changes, home / "data", uri, watch, watch.lines.append)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write(tmp_path_factory.mktemp("protocols"), PIPELINE)
    run_pipeline(folder / "small.toml", (), folder / "data", None, lambda *_: None, until="prepare")
    return folder


@pytest.fixture(scope="module")
def first(home: Path):
    watch = Watch()
    return compare(home, watch=watch), watch


@pytest.mark.slow
def test_every_protocol_the_data_carries_is_measured_and_the_other_named(home: Path, first) -> None:
    compared, watch = first
    answer = json.loads((home / "data/small/protocols.json").read_text())
    assert answer == json.loads(json.dumps(compared.as_json(), allow_nan=False))
    names = ["leave_last_out", "ratio", "time", "gap", "rolling"]
    assert [each["name"] for each in answer["protocols"]] == names
    assert answer["protocols"][2]["split"] == {"use": "time", "valid": 0.15, "test": 0.15}, "as the pipeline has it"
    assert answer["protocols"][3]["split"] == {"use": "time", "gap": "1d", "valid": 0.15, "test": 0.15}
    assert [len(each["windows"]) for each in answer["protocols"]] == [1, 1, 1, 1, 3]
    (refused,) = answer["refused"]
    assert refused["name"] == "published"
    assert "no column 'part'" in refused["reason"]
    assert any(line.startswith("published: left out") for line in watch.lines)


@pytest.mark.slow
def test_ranks_and_taus_follow_from_the_means(first) -> None:
    answer = first[0].as_json()
    assert answer["recipes"] == ["popular", "recent-popular", "ease", "item-knn"]
    assert {len(answer[key]) for key in ("means", "ranks", "tau")} == {5}
    assert answer["ranks"] == [ranks(row) for row in answer["means"]]
    assert answer["tau"] == kendall(answer["means"])
    windows = [window["means"] for window in answer["protocols"][4]["windows"]]
    assert answer["means"][4] == pytest.approx([sum(column) / 3 for column in zip(*windows, strict=True)])


@pytest.mark.slow
def test_a_protocol_of_the_pipelines_own_split_is_the_pipelines_own_result(home: Path, first) -> None:
    answer = first[0].as_json()
    watched: list[tuple[str, str]] = []
    made = run_pipeline(home / "small.toml", (), home / "data", None, lambda *seen: watched.append(seen[:2]), until="evaluate")
    assert {status for _, status in watched} == {"skipped"}
    assert [line.test["ndcg@20"] for line in made.experiments] == answer["means"][2]


@pytest.mark.slow
def test_openings_of_a_test_part_are_counted_as_in_a_run(home: Path, first) -> None:
    store, compared = Store(home / "data" / "small"), first[0]
    digests = {digest_file(path) for path in store.root.glob("prepare/*/test")}
    counts = {path.stem: Ledger(path.parent).count(path.stem) for path in (home / "data" / FOLDER).glob("*.jsonl")}
    windows = sum(len(each.windows) for each in compared.measured)
    assert sum(counts.values()) == windows * len(compared.as_json()["recipes"])
    assert counts.keys() <= digests


@pytest.mark.slow
def test_the_report_shows_the_ranks(home: Path, first) -> None:
    uri = f"sqlite:///{home}/mlruns/mlflow.db"
    made = run_pipeline(home / "small.toml", (), home / "data", uri, lambda *_: None, until="report")
    assert made.report is not None
    told = json.loads((made.report.parent / "report.json").read_text())["protocols"]
    assert told == json.loads((home / "data" / "small" / "protocols.json").read_text())
    assert "Kendall&#39;s τ between protocols" in made.report.read_text("utf-8")


@pytest.mark.slow
def test_again_nothing_is_made(home: Path, first) -> None:
    watch = Watch()
    assert compare(home, watch=watch).as_json() == first[0].as_json()
    assert {status for _, status in watch.seen} == {"skipped"}


@pytest.mark.slow
def test_markdown_shows_all_of_it(home: Path, first) -> None:
    text = (home / "data/small/protocols.md").read_text()
    assert text == markdown(first[0].as_json())
    answer = first[0].as_json()
    assert "| recipe | leave_last_out | ratio | time | gap | rolling |" in text
    assert f"{answer['ranks'][0][2]} ({answer['means'][0][2]:.4f})" in text
    assert "- `published`: " in text


@pytest.mark.slow
def test_killed_between_two_stages_the_same_command_finishes(tmp_path: Path) -> None:
    text = PIPELINE + '\n[protocols.splits]\ntime = { use = "time" }\nratio = { use = "ratio" }\n'
    write(tmp_path, text)
    script = f"""
import os, signal, sys
sys.path[:0] = [{str(ROOT)!r}]
from pathlib import Path
from tests.stages.test_protocols import Watch, compare
class Deadly(Watch):
    def __call__(self, stage, status, seconds):
        if (stage, status) == ("ratio: train/ease", "running"):
            os.kill(os.getpid(), signal.SIGKILL)
compare(Path({str(tmp_path)!r}), watch=Deadly())
"""
    done = python(script)
    assert done.returncode == -9, done.stderr
    assert not (tmp_path / "data/small/protocols.json").exists()
    watch = Watch()
    compared = compare(tmp_path, watch=watch)
    assert [each.name for each in compared.measured] == ["time", "ratio"]
    again = [stage for stage, status in watch.seen if status == "done"]
    assert again[0] == "ratio: train/ease"
    assert not any(stage.startswith("time") for stage in again)


@pytest.mark.slow
def test_a_log_without_a_clock_is_split_by_none(tmp_path: Path) -> None:
    lines = [f"u{user} " + " ".join(f"i{(user * 3 + n) % 12}" for n in range(8)) for user in range(20)]
    (tmp_path / "log.txt").write_text("\n".join(lines) + "\n")
    source = f'use = "sequences"\npath = "{tmp_path}/log.txt"'
    head, tail = PIPELINE.split("[ingest.source]")
    rest = tail[tail.index("\n[prepare]") :].replace('"time", valid = 0.15, test = 0.15', '"leave_last_out"')
    write(tmp_path, f"{head}[ingest.source]\n{source}\n{rest}".replace('[[experiments]]\nrecipe = "item-knn"', ""))
    compared = compare(tmp_path, 'protocols.splits={a={use="time"}, b={use="rolling"}, c={use="leave_last_out"}}')
    assert [each.name for each in compared.measured] == ["c"]
    assert set(compared.refused) == {"a", "b"}
    assert "places in each user's list" in compared.refused["a"]
    with pytest.raises(Refused, match=r"can carry no protocol: a: times of source 'sequences'"):
        compare(tmp_path, 'protocols.splits={a={use="time"}}')


@pytest.mark.slow
def test_protocols_are_compared_on_one_log(tmp_path: Path) -> None:
    rows = [f"u{user},i{(user * 5 + n) % 9},{1_600_000_000 + 86_400 * n + user}" for user in range(15) for n in range(8)]
    head, tail = PIPELINE.split("[ingest.source]")
    write(tmp_path, f'{head}[ingest.source]\nuse = "csv"\npath = "{tmp_path}/log.csv"\n' + tail[tail.index("\n[prepare]") :])
    (tmp_path / "log.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")

    class Growing(Watch):
        def __call__(self, stage, status, seconds):
            if (stage, status) == ("b: prepare", "done"):
                (tmp_path / "log.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows[1:]]) + "\n")

    changes = (
        'protocols.splits={a={use="ratio", valid=0.2, test=0.2}, b={use="leave_last_out"}, c={use="time"}}',
        "experiments=[{recipe='ease'}]",
    )
    with pytest.raises(Unavailable, match="the log changed"):
        compare(tmp_path, *changes, watch=Growing())
    assert [each.name for each in compare(tmp_path, *changes).measured] == ["a", "b", "c"]


def test_a_bad_log_is_the_logs_fault_and_no_protocols(tmp_path: Path) -> None:
    head, tail = PIPELINE.split("[ingest.source]")
    write(tmp_path, f'{head}[ingest.source]\nuse = "csv"\npath = "{tmp_path}/none.csv"\n' + tail[tail.index("\n[prepare]") :])
    watch = Watch()
    with pytest.raises(Refused, match=r"none\.csv"):
        compare(tmp_path, watch=watch)
    assert not watch.lines


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("protocols.metric=ndgc@20", r"protocols\.metric: 'ndgc@20' is not measured; did you mean 'ndcg@20'"),
        ('protocols.splits={a={use="tmie"}}', r"protocols\.splits\.a: no 'tmie'.*did you mean 'time'"),
        ('protocols.splits={a={use="time", gpa="1d"}}', r"protocols\.splits\.a\.gpa: .*did you mean 'gap'"),
        ("protocols.split=1", r"protocols\.split: unknown key; did you mean 'splits'"),
    ],
)
def test_a_wrong_setting_is_refused_before_data_is_read(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(Refused, match=message):
        compare(write(tmp_path, PIPELINE), change)
    assert not (tmp_path / "data").exists()


def component(use, **arguments):
    return Component.model_validate({"use": use, **arguments})


def test_the_pipelines_own_split_stands_for_the_usual_one_of_its_kind() -> None:
    assert Protocols().of(component("ratio", test=0.2))["ratio"] == component("ratio", test=0.2)
    gapped = Protocols().of(component("time", gap="2d"))
    assert gapped["time"] == component("time", gap="2d")
    assert "gap" not in gapped, "it would be the same again"
    foreign = Protocols().of(component("mine.splits:Mine"))
    assert next(iter(foreign)) == "own"
    assert len(foreign) == 7
    declared = Protocols(splits={"a": component("time")})
    assert declared.of(component("ratio")) == {"a": component("time")}


def test_a_rolling_split_is_one_for_each_window_unless_one_is_chosen() -> None:
    assert [split.arguments["window"] for split in windows_of(component("rolling", windows=4))] == [1, 2, 3, 4]
    assert windows_of(component("rolling", window=2)) == [component("rolling", window=2)]
    assert windows_of(component("time")) == [component("time")]
