"""A service that is told to stop finishes what it has begun."""

import json
import signal
import socket
import subprocess
import sys
from contextlib import suppress

import pytest

from recsys_cl.serving.answer import recommend
from recsys_cl.serving.bundle import write_bundle

pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")


@pytest.mark.slow
def test_sigterm_lets_a_request_that_has_begun_finish(bundle, tmp_path):
    write_bundle(bundle, tmp_path / "model")
    command = [sys.executable, "-m", "recsys_cl", "serve", "--model", str(tmp_path / "model"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        port = int(server.stdout.readline().split("(")[0].rsplit(":", 1)[1])
        body = json.dumps({"user_ids": ["u001"], "k": 3}).encode()
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(b"POST /recommend HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n")
            client.sendall(b"Content-Length: %d\r\n\r\n" % len(body))
            assert client.recv(100).startswith(b"HTTP/1.1 100")  # the server waits for the body
            server.send_signal(signal.SIGTERM)
            refuse_newcomers(port)
            client.sendall(body)
            reply = b"".join(iter(lambda: client.recv(65536), b""))
        assert server.wait(60) == 0
        assert "Traceback" not in server.stderr.read()
    assert reply.startswith(b"HTTP/1.1 200")
    found = [each["item_id"] for each in json.loads(reply.split(b"\r\n\r\n", 1)[1])["users"][0]["items"]]
    assert found == recommend(bundle, ["u001"], 3)["item_id"].to_pylist()


def refuse_newcomers(port):
    """Wait until nobody new is let in."""
    with suppress(ConnectionRefusedError, ConnectionResetError):
        while True:
            socket.create_connection(("127.0.0.1", port), timeout=60).close()
