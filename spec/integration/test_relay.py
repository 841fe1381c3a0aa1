"""What a server behind us answers, nonsense of every kind too, as clients of HTTP/1.1 (read by h11) and of HTTP/2 get it; which requests go
there, and which of them are events."""
import contextlib
import socket
import threading

import h11
import pytest

import flyte
import h2raw
from answers import CASES, Speaker
from gateway import FILE, request
from seen import Seen
from wait import wait_until



def in_front_of(address, more=""):
    return f"ingest: {{http: {{listen: 127.0.0.1:0, upstream: 'http://{address}'{more}}}}}\n" + FILE


@pytest.fixture(name="rig", scope="module")
def start(kept):
    with Speaker() as speaker:
        yield kept(in_front_of(speaker.address)), speaker


def by_h11(address, method, target, version=b"1.1"):
    """(status, fields, body, whether it ended as it should)."""
    peer, answer, body = h11.Connection(h11.CLIENT), None, b""
    sent = peer.send(h11.Request(method=method, target=target, headers=[("Host", "a")])) + peer.send(h11.EndOfMessage())
    with socket.create_connection(address.split(":"), timeout=60) as s:
        s.sendall(sent.replace(b"HTTP/1.1", b"HTTP/" + version))
        while True:
            try:
                event = peer.next_event()
            except h11.RemoteProtocolError:
                return answer and answer.status_code, fields_of(answer), body, False
            if event is h11.NEED_DATA:
                try:
                    peer.receive_data(s.recv(65536))
                except ConnectionResetError:
                    peer.receive_data(b"")
            elif isinstance(event, h11.Response):
                answer = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return answer.status_code, fields_of(answer), body, True
            else:
                return answer and answer.status_code, fields_of(answer), body, False


def fields_of(answer):
    return {k.decode("latin-1"): v.decode("latin-1") for k, v in answer.headers} if answer else {}


def by_h2(connection, method, target):
    stream = connection.headers(target, end=True, method=method)
    a = connection.answer(stream)
    fields = {k: v.encode().decode("latin-1") for k, v in a.headers.items()}
    return int(fields.pop(":status", 0)) or None, fields, a.data, a.ended and a.reset is None


def wrong(case, status, fields, body, whole):
    """What is not as the case says, or None."""
    if case.status == 503:
        return None if (status, whole) == (503, True) and b"upstream: " in body + b"upstream: " * (case.method == "HEAD") else (case.name, status, body)
    if case.cut:                                           # it may break before anything of it was passed on
        return None if (status, whole) in ((case.status, False), (None, False), (503, True)) else (case.name, status, body, whole)
    odd = {k: fields.get(k) for k, v in case.has.items() if fields.get(k) != v}
    if (status, body, whole) == (case.status, case.body, True) and not odd:
        return None
    return case.name, status, body, whole, odd


def test_every_answer_arrives_as_it_is_or_is_none_over_http1(rig):
    g, _ = rig
    found = [wrong(c, *by_h11(g.http, c.method, f"/x?{i}")) for i, c in enumerate(CASES)]
    assert not list(filter(None, found))


def test_and_over_http2(rig):
    g, _ = rig
    with h2raw.Connection(g.http) as connection:
        found = [wrong(c, *by_h2(connection, c.method, f"/x?{i}")) for i, c in enumerate(CASES)]
    assert not list(filter(None, found))


def test_an_event_is_kept_when_the_answer_is_whole_and_says_so(rig):
    g, speaker = rig
    del speaker.asked[:]
    kept, cases = [], [(i, c) for i, c in enumerate(CASES) if c.method == "GET"]
    for i, c in cases:
        taken = c.status // 100 == 2 and not c.cut
        status, _, body = g.post(f"{flyte.REST['task']}?{i}", f'{{"event": {{"reason": "{i}"}}}}')
        assert (status, body.encode()) == (c.status, c.body) if c.status != 503 and not c.cut else status == 503, c.name
        kept += [i] * taken
    g.settled(len(kept))
    assert len(g.ids()) == len(kept) and len(speaker.asked) == len(cases)


# ---- silence

@contextlib.contextmanager
def silent(*begins):
    """A server that says the n-th of these to a request of /n, and no more; bodies are not read."""
    class Silent(Speaker):
        @staticmethod
        def say(client, number):
            client.sendall(begins[number])
            while client.recv(65536):
                pass
    with Silent() as server:
        yield server


def test_a_silent_server_takes_no_place_for_ever(gateway):
    """More requests than there are places for wait for nothing: each is told so, and then there are places again."""
    with silent(b"", b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as server:
        g = gateway(in_front_of(server.address, ", upstream_timeout: 150ms"))
        for n in (0, 1):
            status, _, body = request(g.http, "GET", f"/{n}")
            assert status == 504 and "nothing came for 0.15 s" in body and '"code":4' in body
        assert g.post(flyte.REST["task"] + "?0", "{}")[0] == 504
        wait_until(lambda: by_h11(g.http, "GET", "/2")[::2] == (200, b"ab"))   # and no more; the server, too, may be slow
        crowd = [socket.create_connection(g.http.split(":"), timeout=60) for _ in range(260)]
        for s in crowd:
            s.sendall(b"GET /0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert {s.recv(12) for s in crowd} <= {b"HTTP/1.1 504", b"HTTP/1.1 429"}
        for s in crowd:
            s.close()
        wait_until(lambda: request(g.http, "GET", "/3")[::2] == (200, "ok"))
        assert g.pipeline()["accepted"] == 0


# ---- requests

def test_what_is_an_event_to_flyteadmin_is_one_here(gateway):
    """It reads escapes in a path; other methods are its affair."""
    with Seen() as behind:
        g = gateway(in_front_of(behind.address))
        paths = ("/api/v1/events/%74asks", "/%61pi/v1/events/task%73", "/api/v1%2Fevents/tasks", "/api/v1/events/tasks?a=%2F..", "//api///v1/events/tasks",
                 "/api/./v1/x/y/../../events/tasks", "/%2e%2e/../api/v1/events/x%2f../tasks")
        for i, path in enumerate(paths):
            assert g.post(path, f'{{"event": {{"reason": "{i}"}}}}')[::2] == (200, "ok")
        assert [r[:2] for r in behind.requests] == [("POST", p) for p in paths]
        assert g.post("/v1/%65vents", "{")[0] == 400 and len(behind.requests) == len(paths)
        assert [g.post(p, "{}")[0] for p in ("/v1/push/%73ns", "/x/../v1/push/sns", "//v1/push/x")] == [404] * 3 and len(behind.requests) == len(paths)
        del behind.requests[:]
        others = [("GET", "/api/v1/events/tasks"), ("PUT", "/api/v1/events/%74asks"), ("OPTIONS", "/api/v1/events/nodes"), ("POST", "/api/v1/events/%74asks/"),
                  ("POST", "/api/v1/events/%"), ("POST", "/api/v1/events/tasks/x"), ("POST", "/api/v1/events/tasks/."), ("POST", "/api/v1/events//"),
                  ("POST", "/api/v1/events/.tasks"), ("GET", "/../x"), ("GET", "/a/%2e%2e/b")]
        for method, path in others:
            assert by_h11(g.http, method, path)[0] == 200
        assert [r[:2] for r in behind.requests] == others
        g.settled(len(paths))
        assert len(g.ids()) == len(paths)


def test_what_http1_could_not_say_does_not_go_there(gateway):
    """HTTP/2 lets more into its pseudo fields than into a request line and a Host."""
    def status(path, authority):
        return connection.answer(connection.headers(path, end=True, method="GET", authority=authority)).headers[":status"]
    with Seen() as behind:
        g = gateway(in_front_of(behind.address))
        with h2raw.Connection(g.http) as connection:
            for path, authority in (("/x#y", "a"), ("/x?a#", "a"), ("/x", "u:p@a"), ("/x", "a:b"), ("/x", "a:1:2"), ("/x", "[::1]x")):
                assert status(path, authority) == "400", (path, authority)
            assert not behind.requests
            assert [status("/x", authority) for authority in ("a", "a:1", "[::1]:80")] == ["200"] * 3 and not behind.wrong


def test_nothing_leads_out_of_the_upstreams_prefix(gateway):
    with Seen() as behind:
        g = gateway(in_front_of(behind.address + "/below/it/"))
        for path in ("/..", "/../x", "/a/../b", "/%2e%2e/x", "/.%2E", "/..%2fx", "/a%2F..%2Fb", "/..\\x", "/a%5c..", "/..;a=b/x", "/a/..?b", "/%2E./%2e%2e"):
            status, _, body, _ = by_h11(g.http, "GET", path)
            assert status == 400 and b"leads out" in body, path
        assert not behind.requests
        fine = ("/", "/.x", "/..x", "/x..", "/a/.../b", "/./a", "/a;..", "/?/../", "/a?b=..", "/%2e", "//x")
        for path in fine:
            assert by_h11(g.http, "GET", path)[0] == 200
        assert [r[1] for r in behind.requests] == ["/below/it" + p for p in fine] and not behind.wrong


def test_a_refusal_of_a_body_that_was_not_read_arrives(gateway):
    """By a server that answers by the head and closes: its end is a reset."""
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse():
        for _ in range(5):
            client = listener.accept()[0]
            while b"\r\n\r\n" not in client.recv(65536, socket.MSG_PEEK):
                pass
            client.sendall(b"HTTP/1.1 413 x\r\nContent-Length: 2\r\n\r\nno")
            client.close()
    threading.Thread(target=refuse, daemon=True).start()
    g = gateway(in_front_of("127.0.0.1:%d" % listener.getsockname()[1]))
    for _ in range(5):
        assert request(g.http, "POST", "/x", b"x" * 3000000)[::2] == (413, "no")
    listener.close()
