"""Hooks that wait for HTTP, in the real program with a real server: other keys go on, nothing is lost, nothing gets inside."""
import http.server
import json
import socket
import threading

import pytest

from gateway import request, run
from wait import wait_until

BATCH = "application/cloudevents-batch+json"
SCRIPT = """\
local moongate = require "moongate"
local http, base = moongate.http, moongate.params.base
return function(event)
  local r, why = http.get(base .. "/" .. event.id, {timeout = moongate.params.timeout})
  event.got = r and r.status .. " " .. #r.body or "none"
  event.why = moongate.clean(why)
end
"""


class Server:
    """Answers GET; answer(path) gives (status, headers, body), or waits as long as it likes. Others may drip or cut."""

    def __init__(self, server=http.server.ThreadingHTTPServer):
        self.answer = lambda path: (200, {}, b"ok")
        self.asked, self.over = [], threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.asked.append(self.path.strip("/"))
                answer = outer.answer(self.path)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, body = answer
                try:
                    self.send_response(status)
                    for name, value in {"content-length": str(len(body)), **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True                # the gateway had enough

            def log_message(self, *args):
                pass

        server.request_queue_size = 512
        self.server = server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    @property
    def port(self):
        return self.server.server_port

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server():
    s = Server()
    yield s
    s.close()


def config(base, limits="", more="", params="timeout: null", shutdown="3s"):
    return (f"shutdown_timeout: {shutdown}\npipelines:\n  - name: all\n    hooks: [hook.lua]\n    params: {{base: '{base}', {params}}}\n"
            f"    hook_limits: {{allow_hosts: ['127.0.0.1']{limits}}}\n    publisher: {{type: file, path: all.jsonl}}\n{more}")


def event(i, key):
    return {"specversion": "1.0", "id": i, "source": "/s", "type": "t", "partitionkey": key}


def post(g, events):
    status, _, text = g.post("/v1/events", json.dumps(events), BATCH)
    assert status == 202, text


def by_id(g):
    return {e["id"]: e for e in g.lines()}


def test_other_keys_go_on_and_a_key_keeps_its_order(gateway, server):
    shut = threading.Event()

    def answer(path):
        if path == "/a0":
            shut.wait(30)
        return 200, {}, b"ok"
    server.answer = answer
    g = gateway(config(server.url, ", timeout: 60s"), {"hook.lua": SCRIPT})
    post(g, [event("a0", "a"), event("a1", "a"), event("b2", "b"), event("a3", "a"), event("c4", "c")])
    wait_until(lambda: len(g.lines()) == 2, g.pipelines)
    assert sorted(by_id(g)) == ["b2", "c4"] and "a1" not in server.asked
    wait_until(lambda: g.pipeline()["lag"] == 3, g.pipelines)
    assert g.pipeline()["up"]
    shut.set()
    g.settled(5)
    assert [e["id"] for e in g.lines() if e["id"][0] == "a"] == ["a0", "a1", "a3"]
    assert all(e["got"] == "200 2" for e in g.lines())


def test_a_timeout_is_a_dead_letter_and_the_script_goes_on(gateway, server):
    server.answer = lambda path: server.over.wait() if path == "/slow" else (200, {}, b"ok")
    script = "local n = 0\n" + SCRIPT.replace("event.got =", "n = n + 1 event.n = n event.got =")
    g = gateway(config(server.url, ", timeout: 900ms"), {"hook.lua": script})
    post(g, [event("first", "k"), event("slow", "k"), event("last", "k")])
    p = g.settled(3)["all"]
    assert (p["published"], p["dead_lettered"], p["up"]) == (2, 1, True)
    assert g.metric("moongate_events_dead_lettered_total", pipeline="all", reason="hook_timeout") == 1
    assert [(e["id"], e["n"]) for e in g.lines()] == [("first", 1), ("last", 2)]      # the same state
    letter = json.loads(run("dead", "list", "-c", g.config_file, "--json").stdout)
    assert letter["reason"] == "hook_timeout" and "hook.lua:5: no answer within 900 ms" in letter["error"]


def test_timeouts_of_many_hooks_do_not_stop_the_pipeline(gateway, server):
    server.answer = lambda path: server.over.wait()
    g = gateway(config(server.url, ", timeout: 200ms"), {"hook.lua": SCRIPT})
    post(g, [event(f"e{i}", f"k{i}") for i in range(30)])
    p = g.settled(30)["all"]
    assert p["dead_lettered"] == 30 and p["up"]


def test_what_answers_badly_gives_nil_and_why(gateway, server):
    """One script's own timeout, so that nothing here takes long."""
    def answer(path):
        if path == "/huge":
            return 200, {}, b"x" * (2 << 20)
        if path == "/heads":
            return 200, {f"x-{i}": "y" * 1000 for i in range(80)}, b""
        if path == "/cut":
            return 200, {"content-length": "100"}, b"half"
        if path == "/never":
            server.over.wait()
        if path == "/gone":
            return None
        if path == "/twice":
            return 200, {"content-length": "5", "Content-Length": "6"}, b"x"
        return 200, {}, b"ok"
    server.answer = answer
    g = gateway(config(server.url, params="timeout: 1.5"), {"hook.lua": SCRIPT})
    ids = ["huge", "heads", "cut", "never", "gone", "fine"]
    post(g, [event(i, i) for i in ids])
    g.settled(len(ids))
    got = by_id(g)
    assert got["fine"]["got"] == "200 2" and all(got[i]["got"] == "none" for i in ids[:-1])
    assert "larger than 1048576 bytes" in got["huge"]["why"] and "headers are larger" in got["heads"]["why"]
    assert "no answer within 1.5 s" in got["never"]["why"]


class Drip(threading.Thread):
    """A byte of an endless answer now and then, for each connection."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.over = threading.Event()
        self.start()

    def run(self):
        self.listener.settimeout(0.05)
        open_ones = []
        while not self.over.is_set():
            try:
                c = self.listener.accept()[0]
                c.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
                open_ones.append(c)
            except TimeoutError:
                pass
            for c in list(open_ones):
                try:
                    c.sendall(b"x")
                except OSError:
                    open_ones.remove(c)
        for c in open_ones:
            c.close()
        self.listener.close()


def test_a_server_that_drips_holds_nothing_past_the_timeout(gateway):
    d = Drip()
    try:
        base = f"http://127.0.0.1:{d.listener.getsockname()[1]}"
        g = gateway(config(base, ", timeout: 400ms"), {"hook.lua": SCRIPT})
        post(g, [event(f"e{i}", f"k{i}") for i in range(20)])
        p = g.settled(20)["all"]
        assert p["dead_lettered"] == 20 and p["up"]
    finally:
        d.over.set()
        d.join()


def test_nothing_gets_where_it_is_not_allowed(gateway, server):
    """Redirects, names and odd spellings of 127.0.0.1; the server sees only what the list allows."""
    other = Server()
    try:
        bad = {"file": "file:///etc/passwd", "other": f"{other.url}/in", "name": f"http://localhost:{other.port}/in",
               "below": f"http://x.localhost:{other.port}/in", "v6": f"http://[::1]:{other.port}/in",
               "mapped": f"http://[::ffff:127.0.0.1]:{other.port}/in", "number": f"http://2130706433:{other.port}/in",
               "user": f"http://127.0.0.1:{server.port}@localhost:{other.port}/in", "meta": "http://169.254.169.254/latest"}
        server.answer = lambda path: (302, {"location": bad[path.strip("/")]}, b"")
        script = SCRIPT.replace('base .. "/" .. event.id', 'event.subject or base .. "/" .. event.id')
        g = gateway(config(server.url).replace("['127.0.0.1']", f"['127.0.0.1:{server.port}', '*.localhost']"), {"hook.lua": script})
        ways = [event(i, i) for i in bad] + [dict(event(f"direct{i}", i), subject=u) for i, u in bad.items()]
        post(g, ways)
        g.settled(len(ways))
        got = by_id(g)
        assert {e["got"] for e in got.values()} == {"none"} and other.asked == []
        for i in ("below", "directbelow"):
            assert "loopback address that hook_limits.allow_hosts does not list" in got[i]["why"]
        for i in ("other", "directname", "directmapped"):
            assert "is not in hook_limits.allow_hosts" in got[i]["why"]
    finally:
        other.close()


def test_a_proxy_of_the_environment_is_not_used(gateway, server):
    nowhere = "http://127.0.0.1:1"
    g = gateway(config(server.url), {"hook.lua": SCRIPT}, env={"http_proxy": nowhere, "no_proxy": "", "ALL_PROXY": nowhere})
    post(g, [event("e", "k")])
    g.settled(1)
    assert g.lines()[0]["got"] == "200 2"


def test_a_thousand_hooks_wait_at_once(gateway, server):
    """All of a thousand keys: as many as are in flight are asked for, the rest waits in line, every one is answered."""
    server.answer = lambda path: (server.over.wait(60), (200, {}, b"ok"))[1]
    g = gateway(config(server.url, ", timeout: 60s", "    max_in_flight: 2000\n"), {"hook.lua": SCRIPT})
    post(g, [event(f"e{i}", f"k{i}") for i in range(1000)])
    wait_until(lambda: len(server.asked) >= 256, lambda: len(server.asked))
    assert g.pipeline()["lag"] == 1000 and g.get("/readyz")[0] == 200
    assert len(server.asked) == 256
    server.over.set()
    p = g.settled(1000)["all"]
    assert p["published"] == 1000 and sorted(by_id(g)) == sorted(f"e{i}" for i in range(1000))


def test_a_stop_lets_waiting_hooks_end(gateway, server):
    shut = threading.Event()
    server.answer = lambda path: (shut.wait(30), (200, {}, b"ok"))[1]
    g = gateway(config(server.url, ", timeout: 60s", shutdown="30s"), {"hook.lua": SCRIPT})
    post(g, [event(f"e{i}", f"k{i}") for i in range(5)])
    wait_until(lambda: len(server.asked) == 5)
    threading.Timer(0.3, shut.set).start()
    assert g.stop() == 0
    assert len(g.lines()) == 5                                 # published before it ended
    g.start()
    g.settled(5)
    assert len(g.lines()) == 5 and len(server.asked) == 5      # and not again


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_waiting_hooks_are_not_lost_when_the_gateway_ends(gateway, server, how):
    server.answer = lambda path: (server.over.wait(60), (200, {}, b"ok"))[1]
    g = gateway(config(server.url, ", timeout: 60s", shutdown="300ms"), {"hook.lua": SCRIPT})
    post(g, [event(f"e{i}", f"k{i % 7}") for i in range(50)])
    wait_until(lambda: len(server.asked) == 7)
    if how == "kill":
        g.kill()
    else:
        assert g.stop() == 0, g.log()
    assert g.lines() == []
    server.over.set()
    g.start()
    g.settled(50)
    ids = [e["id"] for e in g.lines()]
    assert sorted(ids) == sorted(f"e{i}" for i in range(50))
    for k in range(7):
        assert [i for i in ids if int(i[1:]) % 7 == k] == [f"e{i}" for i in range(50) if i % 7 == k]


def test_a_pause_lets_waiting_hooks_end_and_a_resume_goes_on(gateway, server):
    shut = threading.Event()
    server.answer = lambda path: (shut.wait(30), (200, {}, b"ok"))[1]
    g = gateway(config(server.url, ", timeout: 60s"), {"hook.lua": SCRIPT})
    post(g, [event(f"e{i}", f"k{i}") for i in range(3)])
    wait_until(lambda: len(server.asked) == 3)
    assert request(g.admin, "POST", "/api/pipelines/all/pause")[0] == 200
    post(g, [event("later", "k")])
    shut.set()
    wait_until(lambda: g.pipeline()["published"] == 3, g.pipelines)
    assert "later" not in server.asked
    assert request(g.admin, "POST", "/api/pipelines/all/resume")[0] == 200
    g.settled(4)


def test_dead_replay_and_log_diff_wait_too(gateway, server):
    server.answer = lambda path: (503, {}, b"")
    script = SCRIPT.replace("event.got =", 'if r.status ~= 200 then error("status " .. r.status) end\n  event.got =')
    g = gateway(config(server.url), {"hook.lua": script})
    post(g, [event(f"e{i}", f"k{i}") for i in range(4)])
    assert g.settled(4)["all"]["dead_lettered"] == 4
    server.answer = lambda path: (200, {}, b"ok")
    run("dead", "replay", "-c", g.config_file, "--pipeline", "all", check=0)
    assert sorted(by_id(g)) == ["e0", "e1", "e2", "e3"]
    assert g.stop() == 0
    g.write("other.lua", script.replace("event.got =", 'event.extra = "x"\n  event.got ='))
    diff = run("log", "replay", "-c", g.config_file, "--pipeline", "all", "--script", "other.lua", "--diff", cwd=g.folder,
               check=0).stdout
    assert "extra" in diff, diff


def test_check_tells_wrong_hosts(gateway):
    hosts = "['10.0.0.0/8', 'http://a', '*', 'a:b', 'ok.example.com:443']"
    g = gateway(config("http://x").replace("['127.0.0.1']", hosts), {"hook.lua": SCRIPT}, started=False)
    out = run("check", "-c", g.config_file, check=1).stdout
    for bad in ("10.0.0.0/8", "http://a", '"*"', "a:b"):
        assert bad in out, out
    assert "ok.example.com" not in out and out.count("error:") == 4
