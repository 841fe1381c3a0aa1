"""HTTP/1.1 as a hostile network sends it. What is refused closes its own connection and disturbs no other."""
import gzip
import random

import pytest

import flyte
import http1
from gateway import FILE

PATH = flyte.REST["workflow"]
HEAD = f"POST {PATH} HTTP/1.1\r\n"
HOST = "Host: gateway\r\n"
JSON = "Content-Type: application/json\r\n"

REFUSED = {
    "length and chunks": HEAD + HOST + JSON + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks and length": HEAD + HOST + JSON + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "two lengths that differ": HEAD + HOST + JSON + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "a list of lengths that differ": HEAD + HOST + JSON + "Content-Length: 2, 3\r\n\r\n{} ",
    "a negative length": HEAD + HOST + JSON + "Content-Length: -1\r\n\r\n{}",
    "a length with a sign": HEAD + HOST + JSON + "Content-Length: +2\r\n\r\n{}",
    "a length in hex": HEAD + HOST + JSON + "Content-Length: 0x2\r\n\r\n{}",
    "a length past 64 bits": HEAD + HOST + JSON + "Content-Length: 18446744073709551618\r\n\r\n{}",
    "an empty length": HEAD + HOST + JSON + "Content-Length:\r\n\r\n",
    "a negative chunk": HEAD + HOST + JSON + "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "a chunk that is no number": HEAD + HOST + JSON + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk with 0x": HEAD + HOST + JSON + "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk past 64 bits": HEAD + HOST + JSON + "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than it says": HEAD + HOST + JSON + "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    "two encodings": HEAD + HOST + JSON + "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "two encoding headers": HEAD + HOST + JSON + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "an unknown encoding": HEAD + HOST + JSON + "Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a folded header": HEAD + HOST + "X-A: b\r\n c\r\n" + JSON + "Content-Length: 2\r\n\r\n{}",
    "a bare line feed": HEAD + HOST + "X-A: b\n" + JSON + "Content-Length: 2\r\n\r\n{}",
    "a bare carriage return": HEAD + HOST + "X-A: b\rc\r\n" + JSON + "Content-Length: 2\r\n\r\n{}",
    "white space before a colon": HEAD + HOST + JSON + "Content-Length : 2\r\n\r\n{}",
    "white space before the first header": HEAD + " " + HOST + JSON + "Content-Length: 2\r\n\r\n{}",
    "no host": HEAD + JSON + "Content-Length: 2\r\n\r\n{}",
    "two hosts": HEAD + HOST + HOST + JSON + "Content-Length: 2\r\n\r\n{}",
    "a version to come": f"POST {PATH} HTTP/1.2\r\n" + HOST + JSON + "Content-Length: 2\r\n\r\n{}",
    "a version of old": f"POST {PATH}\r\n\r\n",
    "two spaces": f"POST  {PATH} HTTP/1.1\r\n" + HOST + JSON + "Content-Length: 2\r\n\r\n{}",
    "no HTTP at all": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a NUL in a header": HEAD + HOST + "X-A: b\0c\r\n" + JSON + "Content-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_refused_and_closed(gateway, text):
    g = gateway()
    with http1.Connection(g.http) as other, http1.Connection(g.http) as c:
        c.send(text.encode("latin-1"))
        answer = c.answer()
        assert answer is None or answer[0] == 400, answer
        if answer and answer[2]:
            assert "message" in answer[2].decode()
        assert c.closed()
        assert g.pipeline()["accepted"] == 0
        other.send(http1.post(PATH, b"{}"))
        assert other.answer()[0] == 200


def test_what_follows_a_refused_request_is_not_read(gateway):
    g = gateway()
    with http1.Connection(g.http) as c:
        c.send(REFUSED["length and chunks"].encode() + http1.post(PATH, b"{}"))
        assert c.answer()[0] == 400
        assert c.closed()
    assert g.pipeline()["accepted"] == 0


def test_a_header_without_an_end_is_refused(gateway):
    g = gateway("ingest: {http: {listen: 127.0.0.1:0, max_header_bytes: 8KiB}}\n" + FILE)
    with http1.Connection(g.http) as other, http1.Connection(g.http) as c:
        c.send((HEAD + HOST).encode())
        for i in range(64):
            c.send(f"X-{i}: {'v' * 1000}\r\n".encode())
        answer = c.answer()
        assert answer is None or 400 <= answer[0] < 500
        assert c.closed()
        other.send(http1.post(PATH, b"{}"))
        assert other.answer()[0] == 200


def test_pipelined_requests_are_answered_in_order(gateway):
    g = gateway()
    with http1.Connection(g.http) as c:
        c.send(http1.post(PATH, b"{}") + http1.post("/nowhere", b"{}") + http1.post(flyte.REST["node"], b"{}") + http1.post(PATH, b"["))
        assert [c.answer()[0] for _ in range(4)] == [200, 404, 200, 400]
        c.send(http1.post(PATH, b"{}"))
        assert c.answer()[0] == 200
    g.settled(3)


KINDS = [
    ("POST", http1.post(PATH, b"{}"), 200),
    ("POST", http1.post(flyte.REST["task"], b"", "application/x-protobuf"), 200),
    ("POST", http1.post(PATH, gzip.compress(b"{}"), "application/json", "Content-Encoding: gzip"), 200),
    ("POST", (HEAD + HOST + JSON + "Transfer-Encoding: chunked\r\n\r\n1;a\r\n{\r\n1\r\n}\r\n0\r\nX-T: 1\r\n\r\n").encode(), 200),
    ("POST", (HEAD + HOST + JSON + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}").encode(), 200),
    ("POST", http1.post("http://b" + PATH, b"{}"), 200),
    ("POST", f"POST {PATH} HTTP/1.0\r\nConnection: keep-alive\r\n{JSON}Content-Length: 2\r\n\r\n{{}}".encode(), 200),
    ("POST", http1.post("/v1/events", b"x", "text/plain", "ce-specversion: 1.0", "ce-id: a", "ce-source: b", "ce-type: c"), 202),
    ("POST", http1.post("/v1/events", b"{}", "application/cloudevents+json"), 400),
    ("POST", http1.post(PATH, b"[", "application/json"), 400),
    ("POST", http1.post("/nowhere", b"{}"), 404),
    ("CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 404),
    ("OPTIONS", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    ("OPTIONS", b"OPTIONS /v1/events HTTP/1.1\r\nHost: a\r\nWebHook-Request-Origin: o\r\n\r\n", 200),
    ("GET", b"GET /v1/events HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ("HEAD", b"HEAD /v1/events HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ("HEAD", b"\r\nHEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    ("DELETE", b"DELETE /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 405),
    ("POST", http1.post(PATH, b"{}", "text/plain"), 415),
    ("POST", http1.post(PATH, b"{}", "application/json", "Content-Encoding: br"), 415),
]


def test_sixty_mixed_requests_are_answered_in_order_however_they_are_cut(gateway):
    g = gateway()
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    taken = 0
    for pieces in (1, 60, 1000):
        chosen = KINDS * 3
        chance.shuffle(chosen)
        sent = b"".join(data for _, data, _ in chosen)
        cuts = sorted(chance.sample(range(1, len(sent)), pieces - 1))
        with http1.Connection(g.http) as c:
            for a, b in zip([0, *cuts], [*cuts, len(sent)]):
                c.send(sent[a:b])
            found = []
            for method, _, _ in chosen:
                answer = c.answer(method)
                while answer and answer[0] == 100:
                    answer = c.answer(method)
                found.append(answer and answer[0])
            assert found == [status for *_, status in chosen], (seed, pieces)
            c.send(http1.post(PATH, b"{}"))
            assert c.answer()[0] == 200
        taken += sum(status in (200, 202) and method == "POST" for method, _, status in chosen) + 1
    assert g.settled(taken)["all"]["accepted"] == taken


def test_byte_by_byte(gateway):
    g = gateway()
    with http1.Connection(g.http) as c:
        for byte in http1.post(PATH, b'{"requestId": "x"}'):
            c.send(bytes([byte]))
        assert c.answer()[0] == 200
    g.settled(1)


def test_chunked_bodies(gateway):
    g = gateway()
    body = flyte.task(node_id="n" * 300).SerializeToString()
    chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7]) for i in range(0, len(body), 7))
    head = f"POST {flyte.REST['task']} HTTP/1.1\r\n{HOST}Content-Type: application/x-protobuf\r\nTransfer-Encoding: chunked\r\n\r\n"
    with http1.Connection(g.http) as c:
        c.send(head.encode() + chunks + b"0\r\nX-Trailer: 1\r\n\r\n")
        assert c.answer()[0] == 200
        c.send(http1.post(PATH, b"{}"))
        assert c.answer()[0] == 200
    g.settled(2)
    flyte.assert_documented(g.lines()[0], flyte.task(node_id="n" * 300))


def test_chunks_are_limited_too(gateway):
    g = gateway("ingest: {http: {listen: 127.0.0.1:0, max_body_bytes: 1KiB}}\n" + FILE)
    with http1.Connection(g.http) as c:
        c.send((HEAD + HOST + JSON + "Transfer-Encoding: chunked\r\n\r\n").encode())
        for _ in range(32):
            c.send(b"100\r\n" + b" " * 256 + b"\r\n")
        assert c.answer()[0] == 413
        assert c.closed()


def test_expect_is_answered_before_the_body(gateway):
    g = gateway()
    with http1.Connection(g.http) as c:
        c.send((HEAD + HOST + JSON + "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n").encode())
        assert c.answer()[0] == 100
        c.send(b"{}")
        assert c.answer()[0] == 200
    g.settled(1)


def test_expect_of_a_body_too_large_is_refused_at_once(gateway):
    g = gateway()
    with http1.Connection(g.http) as c:
        c.send((HEAD + HOST + JSON + "Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n").encode())
        assert c.answer()[0] == 413


def test_a_declared_length_too_large_is_refused_before_it_is_read(gateway):
    g = gateway()
    with http1.Connection(g.http) as c:
        c.send((HEAD + HOST + JSON + "Content-Length: 4294967296\r\n\r\n").encode())
        assert c.answer()[0] == 413


def test_http_1_0_and_connection_close(gateway):
    g = gateway()
    with http1.Connection(g.http) as c:
        c.send(f"POST {PATH} HTTP/1.0\r\n{HOST}{JSON}Content-Length: 2\r\n\r\n{{}}".encode())
        assert c.answer()[0] == 200 and c.closed()
    with http1.Connection(g.http) as c:
        c.send(http1.post(PATH, b"{}", "application/json", "Connection: close"))
        assert c.answer()[0] == 200 and c.closed()
    g.settled(2)


def test_a_client_that_goes_away_disturbs_nobody(gateway):
    g = gateway()
    for cut in (1, 20, 90):
        with http1.Connection(g.http) as c:
            c.send(http1.post(PATH, b"{}" + b" " * 50)[:cut])
    assert g.post(PATH, gzip.compress(b"{}"), headers={"content-encoding": "gzip"})[0] == 200
    assert g.settled(1)["all"]["accepted"] == 1


def test_a_slow_head_is_ended(gateway):
    g = gateway("ingest: {http: {listen: 127.0.0.1:0, header_timeout: 200ms}}\n" + FILE)
    with http1.Connection(g.http) as c:
        c.send(HEAD.encode())
        answer = c.answer()
        assert answer is None or answer[0] == 408
        assert c.closed()


def test_a_slow_body_is_ended(gateway):
    g = gateway("ingest: {http: {listen: 127.0.0.1:0, body_timeout: 200ms}}\n" + FILE)
    with http1.Connection(g.http) as c:
        c.send((HEAD + HOST + JSON + "Content-Length: 2\r\n\r\n{").encode())
        answer = c.answer()
        assert answer is None or answer[0] == 408
        assert c.closed()
    assert g.pipeline()["accepted"] == 0


def test_an_idle_connection_is_ended(gateway):
    g = gateway("ingest: {http: {listen: 127.0.0.1:0, idle_timeout: 200ms}}\n" + FILE)
    with http1.Connection(g.http) as c:
        c.send(http1.post(PATH, b"{}"))
        assert c.answer()[0] == 200
        assert c.closed()
