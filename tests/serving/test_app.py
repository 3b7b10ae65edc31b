"""The service as clients meet it, friendly and hostile: real sockets on the loopback."""

import http.client
import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread

import pytest

from recsys_cl.core.errors import Unavailable
from recsys_cl.serving.answer import recommend, similar
from recsys_cl.serving.live import Live
from recsys_cl.serving.question import Limits
from recsys_cl.serving.server import bind, make_server

pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")

ASKED = ["u004", "nobody", "u000"]


@contextmanager
def serving(live):
    server = make_server(live)
    with bind("127.0.0.1", 0) as listening:
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def port(bundle):
    with serving(Live(lambda: "models:/planted/1", lambda _: bundle)) as port:
        yield port


def ask(port, method, path, body=None, headers=None):
    """Status, body, and whether it is JSON, of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def answer(port, method, path, body=None):
    status, text = ask(port, method, path, None if body is None else json.dumps(body))
    assert status == 200, text
    return json.loads(text)


def rows(reply):
    return [
        (user["user_id"], rank, each["item_id"], pytest.approx(each["score"], rel=1e-6), user["source"])
        for user in reply["users"]
        for rank, each in enumerate(user["items"], start=1)
    ]


def test_the_answers_are_those_of_batch(port, bundle):
    expected = [tuple(row.values()) for row in recommend(bundle, ASKED, 4).to_pylist()]
    many = answer(port, "POST", "/recommend", {"user_ids": ASKED, "k": 4})
    assert many["model"] == "models:/planted/1"
    assert rows(many) == expected
    assert [user["source"] for user in many["users"]] == ["personal", "popular", "personal"]
    assert answer(port, "GET", "/recommend?user_id=u004&user_id=nobody&user_id=u000&k=4") == many


def test_similar_items_are_those_of_similar(port, bundle):
    reply = answer(port, "POST", "/similar", {"item_ids": ["i003", "i001"], "k": 2})
    found = [(item["item_id"], each["item_id"]) for item in reply["items"] for each in item["items"]]
    assert found == [(row["item_id"], row["similar_item_id"]) for row in similar(bundle, ["i003", "i001"], 2).to_pylist()]
    assert answer(port, "GET", "/similar?item_id=i003&item_id=i001&k=2") == reply


def test_a_request_may_bring_rules(port, bundle):
    plain = answer(port, "POST", "/recommend", {"user_ids": ASKED, "k": 6})
    best = plain["users"][0]["items"]
    rules = {"blocked": [best[0]["item_id"], "gone"], "allowed": [each["item_id"] for each in best]}
    ruled = answer(port, "POST", "/recommend", {"user_ids": ["u004"], "k": 6, **rules})
    assert ruled["users"][0]["items"] == best[1:]


def test_whoever_asks_twice_is_answered_once(port):
    assert [u["user_id"] for u in answer(port, "POST", "/recommend", {"user_ids": ["u1", 7, "u1"]})["users"]] == ["u1", "7"]


HOSTILE = [
    ("POST", "/recommend", b"", 400, "not UTF-8 JSON"),
    ("POST", "/recommend", b"\xff\xfe{", 400, "not UTF-8 JSON"),
    ("POST", "/recommend", b"[]", 400, "must be an object"),
    ("POST", "/recommend", b"[" * 200_000, 400, "nested too deeply"),
    ("POST", "/recommend", b'{"user_ids": ["a"], "k": NaN}', 400, "NaN is not a JSON number"),
    ("POST", "/recommend", b'{"user_ids": ["a"], "k": -Infinity}', 400, "not a JSON number"),
    ("POST", "/recommend", b'{"user_ids": ["a"], "k": 1e999}', 400, "k must be a whole number"),
    ("POST", "/recommend", b'{"user_ids": ["a"], "k": ' + b"9" * 5000 + b"}", 400, "not UTF-8 JSON"),
    ("POST", "/recommend", b'{"user_ids": ["a"], "k": 0}', 400, "from 1 to 1000"),
    ("POST", "/recommend", b'{"user_ids": ["a"], "k": true}', 400, "k must be a whole number"),
    ("POST", "/recommend", b'{"user_ids": ["a"], "k": "5"}', 400, "k must be a whole number"),
    ("POST", "/recommend", b'{"user_ids": "a"}', 400, "list of ids"),
    ("POST", "/recommend", b'{"user_ids": []}', 400, "1 to 1000"),
    ("POST", "/recommend", b'{"user_ids": [null]}', 400, "must be text"),
    ("POST", "/recommend", b'{"user_ids": [1.5]}', 400, "must be text"),
    ("POST", "/recommend", b'{"user_ids": [["a"]]}', 400, "must be text"),
    ("POST", "/recommend", b'{"user_ids": ["\\ud800"]}', 400, "lone surrogate"),
    ("POST", "/recommend", b'{"userids": ["a"]}', 400, "did you mean 'user_ids'"),
    ("POST", "/recommend", b'{"user_ids": ["' + b"x" * 2**20 + b'"]}', 400, "1 to 1024 bytes"),
    ("POST", "/recommend", json.dumps({"user_ids": ["a"] * 1001}).encode(), 400, "not 1001"),
    ("POST", "/recommend", json.dumps({"user_ids": ["a"] * 1000, "k": 1000}).encode(), 400, "ask in parts"),
    ("POST", "/recommend", b" " * (3 * 2**20), 413, "at most"),
    ("POST", "/similar", b'{"item_ids": ["nothing"]}', 400, "knows no item 'nothing'"),
    ("GET", "/recommend", None, 400, "user_id"),
    ("GET", "/recommend?user_id=a&k=1e9", None, 400, "k must be a whole number"),
    ("GET", "/recommend?user_id=a&k=1000000000", None, 400, "from 1 to 1000"),
    ("GET", "/recommend?user_id=a&k=0", None, 400, "from 1 to 1000"),
    ("GET", "/recommend?user=a", None, 400, "unknown parameter 'user'; did you mean 'user_id'"),
    ("POST", "/recommend", b'{"user_ids": ["a"], "k": -1}', 400, "from 1 to 1000"),
    ("POST", "/recommend", b'{"user_ids": ["a"], "k": 1000000000}', 400, "from 1 to 1000"),
    (
        "POST",
        "/recommend",
        b'{"user_ids": ["a"], "allowed": []}',
        400,
        "'allowed' must be a list of item ids that is not empty",
    ),
    ("POST", "/recommend", b'{"user_ids": ["a"], "blocked": "x"}', 400, "'blocked' must be a list"),
    ("POST", "/recommend", b'{"user_ids": ["a"], "blocked": [[]]}', 400, "item_id must be text"),
    ("POST", "/recommend", json.dumps({"user_ids": ["a"], "blocked": ["x"] * 10_001}).encode(), 400, "at most 10000 items"),
    ("POST", "/recommend", b'{"histories": [null]}', 400, "neither an id nor a history"),
    ("POST", "/recommend", json.dumps({"histories": [["x"] * 10_001]}).encode(), 400, "at most 10000 items"),
    ("POST", "/similar", b'{"item_ids": ["i001"], "blocked": ["i002"]}', 400, "unknown key 'blocked'"),
    ("GET", "/recommend?user_id=a&k=-1", None, 400, "from 1 to 1000"),
    ("GET", "/recommend?user_id=", None, 400, "1 to 1024 bytes"),
    ("GET", "/recommend?user_id=a&k=31", None, 400, "from 1 to 30 (the catalogue)"),
    ("DELETE", "/recommend", None, 405, "'/recommend' takes "),
    ("GET", "/recomend?user_id=u1", None, 404, "nothing at '/recomend'; did you mean '/recommend'?"),
    ("GET", "/../etc/passwd", None, 404, "nothing at '/../etc/passwd'; valid: /health, /metrics, /recommend, /similar"),
]


def test_many_at_once_are_answered_as_alone(port, bundle):
    asked = [{"user_ids": [user], "k": k} for k in (1, 3, 30) for user in (*bundle.user_ids, "nobody")]
    asked.append({"user_ids": ["u001"], "k": 31})  # more than there are: its own 400, and nobody else's
    alone = [ask(port, "POST", "/recommend", json.dumps(body)) for body in asked]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda body: ask(port, "POST", "/recommend", json.dumps(body)), asked * 3))
    assert together == alone * 3
    assert [status for status, _ in alone] == [200] * (len(asked) - 1) + [400]


@pytest.mark.parametrize(("method", "path", "body", "status", "message"), HOSTILE, ids=range(len(HOSTILE)))
def test_what_cannot_be_answered_is_one_short_message(port, method, path, body, status, message):
    found, text = ask(port, method, path, body)
    assert (found, set(json.loads(text))) == (status, {"error"})
    assert message in json.loads(text)["error"]
    assert len(text) < 400


def test_a_compressed_body_is_not_unpacked(port):
    status, text = ask(port, "POST", "/recommend", b"\x1f\x8b bomb", {"Content-Encoding": "gzip"})
    assert (status, "compressed" in text) == (415, True)


def test_a_body_of_untold_length_is_read_no_further_than_its_limit(port):
    status, text = ask(port, "POST", "/recommend", (b" " * 2**16 for _ in range(40)))
    assert (status, "at most" in text) == (413, True)


def test_our_own_mistake_shows_the_client_nothing(bundle, caplog):
    broken = replace(bundle, users=None)  # any request now fails inside
    with serving(Live(lambda: "m", lambda _: broken)) as port:
        status, text = ask(port, "GET", "/recommend?user_id=u001")
        assert ask(port, "GET", "/health")[0] == 200
    assert (status, json.loads(text)) == (500, {"error": "internal error"})


def test_openapi_describes_the_body_that_is_read_by_hand(port):
    paths = answer(port, "GET", "/openapi.json")["paths"]
    schema = paths["/recommend"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["anyOf"] == [{"required": ["user_ids"]}, {"required": ["histories"]}]
    assert {"type": "null"} in schema["properties"]["user_ids"]["items"]["anyOf"], "of whom only a history is known"
    asked = {"user_ids": [None, "u001"], "histories": [["i001"], None], "k": 2}
    assert [entry["user_id"] for entry in answer(port, "POST", "/recommend", asked)["users"]] == [None, "u001"]


def test_openapi_says_what_can_come_back(port):
    paths = answer(port, "GET", "/openapi.json")["paths"]
    assert set(paths["/recommend"]["post"]["responses"]) == {"200", "400", "408", "413", "415", "500"}
    assert set(paths["/similar"]["get"]["responses"]) == {"200", "400", "500"}
    assert [each["name"] for each in paths["/similar"]["get"]["parameters"]] == ["item_id", "k"]


def test_a_megabyte_of_an_id_is_told_its_limit_in_an_address_too(port):
    for path, name in (("/recommend", "user_id"), ("/similar", "item_id")):
        status, text = ask(port, "GET", f"{path}?{name}=" + "x" * 2**20)
        assert (status, json.loads(text)) == (400, {"error": f"{name} must have 1 to 1024 bytes, not {2**20}"})


def test_a_request_line_without_end_is_a_4xx(port):
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /recommend?user_id=" + b"x" * Limits().body)
        assert client.recv(12) == b"HTTP/1.1 400"


def test_metrics_count_what_was_answered_and_no_label_is_a_clients(bundle):
    with serving(Live(lambda: 'a"b', lambda _: bundle)) as port:
        for path in ("/recommend?user_id=u001&k=2", "/recommend?user_id=u001&k=0", "/made-up"):
            ask(port, "GET", path)
        lines = ask(port, "GET", "/metrics")[1].splitlines()
    assert 'recsys_cl_requests_total{path="/recommend",status="200"} 1' in lines
    assert 'recsys_cl_requests_total{path="/recommend",status="400"} 1' in lines
    assert 'recsys_cl_requests_total{path="other",status="404"} 1' in lines
    assert 'recsys_cl_request_seconds_count{path="/recommend"} 2' in lines
    assert 'recsys_cl_request_seconds_bucket{path="/recommend",le="+Inf"} 2' in lines
    assert 'recsys_cl_model_info{model="a\\"b"} 1' in lines
    assert not any("made-up" in line for line in lines)


def test_the_alias_moves_under_requests_and_each_sees_one_model(bundle):
    turned = replace(bundle, items=-bundle.items)
    versions, at = {"m/1": bundle, "m/2": turned}, ["m/1"]
    expected = {name: rows_of(recommend(each, ["u002"], 5)) for name, each in versions.items()}
    assert expected["m/1"] != expected["m/2"]
    live = Live(lambda: at[0], versions.__getitem__)

    def once(number):
        if number % 10 == 0:
            at[0] = f"m/{1 + number // 10 % 2}"
            live.refresh()
        return answer(port, "GET", "/recommend?user_id=u002&k=5")

    with serving(live) as port, ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(once, range(60)))
    assert {reply["model"] for reply in replies} == set(versions)
    for reply in replies:
        assert [each["item_id"] for each in reply["users"][0]["items"]] == expected[reply["model"]]


def rows_of(table):
    return table["item_id"].to_pylist()


def test_a_damaged_next_model_is_not_served(bundle, caplog):
    at = ["m/1"]

    def load(name):
        if name == "m/2":
            raise Unavailable("m/2: the disk is gone")
        return bundle

    live = Live(lambda: at[0], load)
    at[0] = "m/2"
    assert not live.refresh()
    assert (live.served.model, live.failures, live.trouble) == ("m/1", 1, "m/2: the disk is gone")
    assert not live.refresh()
    assert caplog.text.count("m/1 stays in service: m/2: the disk is gone") == 1, "an outage of a night is one line"
    assert live.failures == 2
    at[0] = "m/3"
    assert live.refresh()
    assert (live.served.model, live.reloads, live.trouble) == ("m/3", 1, "")


def test_no_answer_waits_for_an_acknowledgement():
    with bind("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_in_use_is_exit_3_before_the_model_is_read(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"127.0.0.1:{port}"):
            bind("127.0.0.1", port)
        command = [sys.executable, "-m", "recsys_cl", "serve", "--model", "nowhere", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert "cannot listen on" in done.stderr


def test_an_unknown_model_is_exit_2():
    command = [sys.executable, "-m", "recsys_cl", "serve", "--model", "nowhere", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip().count("\n")) == (2, 0)
    assert "nowhere: no such model" in done.stderr
