"""The admin listener's routes that change something or stream: who may, what they do, what they answer."""
import http.client
import json
import os
import re

import pytest

import flyte
from gateway import ROOT, request
from wait import wait_until

HOOK = "return function(e) if e.id:find('FAILED') then error('broken') end end\n"
CONFIG = "pipelines:\n  - {name: all, hooks: [hook.lua], publisher: {type: file, path: all.jsonl}}\n"
TOKEN = "a-token-of-32-bytes-or-so-0123456"


def routes():
    """(method, path with * in it, changes) as the table in the code has them."""
    with open(os.path.join(ROOT, "gateway/admin/routes.c"), encoding="utf-8") as f:
        found = re.findall(r'\{"([A-Z]+)", "([^"]+)", (\w+), \w+\}', f.read())
    assert len(found) > 15
    return [(method, path, flags == "CHANGES") for method, path, flags in found]


CHANGING = [(method, path) for method, path, changes in routes() if changes]


def concrete(path):
    """Names what is not there, so that a request that gets through changes nothing."""
    return path.replace("*", "nosuch", 1).replace("*", "1")


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def failed(gateway):
    """A gateway with two dead letters."""
    g = gateway(CONFIG, files={"hook.lua": HOOK})
    with g.channel() as channel:
        for name in ("f1", "f2"):
            flyte.send(channel, flyte.workflow(name=name, phase="FAILED"))
            flyte.send(channel, flyte.workflow(name=name))
    g.settled(4)
    return g


def ask(g, method, path, headers=None):
    status, _, body = request(g.admin, method, path, None, headers)
    return status, body


# ---- who may

def refused(g, headers):
    return {ask(g, method, concrete(path), headers)[0] for method, path in CHANGING}


def let_through(g, headers=None):
    got = refused(g, headers)
    assert got and not got & {401, 403, 405}, got


def test_every_changing_route_takes_what_comes_from_this_machine(gateway):
    g = gateway()
    port = g.admin.split(":")[1]
    let_through(g)
    for host in (g.admin, "localhost", f"localhost:{port}", "127.0.0.1", f"[::1]:{port}", "LOCALHOST:1"):
        let_through(g, {"Host": host})
    let_through(g, {"Origin": f"http://{g.admin}"})
    let_through(g, {"Origin": f"http://localhost:{port}", "Host": f"localhost:{port}"})


def test_no_changing_route_takes_what_another_page_sent(gateway):
    g = gateway()
    port = g.admin.split(":")[1]
    for origin in ("http://evil.example", "null", "", f"https://{g.admin}", "http://127.0.0.1:1", f"http://{g.admin}.evil.example",
                   f"http://localhost:{port}0"):
        assert refused(g, {"Origin": origin}) == {403}, origin
    for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", "127.0.0.1.nip.io", f"moongate:{port}"):
        assert refused(g, {"Host": host}) == {403}, host
        assert refused(g, {"Host": host, "Origin": f"http://{host}"}) == {403}, host
    assert g.get("/api/pipelines/all")[0] == 200


def test_with_a_token_nothing_else_opens_a_changing_route(gateway):
    g = gateway("admin: {listen: 127.0.0.1:0, token_file: token}\n" + CONFIG, files={"token": TOKEN + "\n", "hook.lua": HOOK})
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": TOKEN}, {"Authorization": f"Bearer {TOKEN}x"}):
        assert refused(g, headers) == {401}, headers
    status, headers, body = request(g.admin, "POST", "/api/reload")
    assert status == 401 and headers["www-authenticate"] == "Bearer" and json.loads(body)["code"] == 16
    let_through(g, {"Authorization": f"Bearer {TOKEN}"})
    let_through(g, {"Authorization": f"Bearer {TOKEN}", "Host": "admin.example", "Origin": "http://console.example"})
    assert ask(g, "GET", "/api/pipelines")[0] == 200
    g.write("token", "another-one")
    assert refused(g, {"Authorization": f"Bearer {TOKEN}"}) == {401}
    let_through(g, {"Authorization": "Bearer another-one"})
    os.unlink(g.path("token"))
    assert refused(g, {"Authorization": "Bearer another-one"}) == {403}


def test_beyond_loopback_without_a_token_nothing_changes(gateway):
    g = gateway("admin: {listen: '0.0.0.0:0'}\n" + CONFIG, files={"hook.lua": HOOK})
    assert refused(g, {"Host": "127.0.0.1"}) == {403}
    assert "admin.token_file" in ask(g, "POST", "/api/reload")[1]
    assert "level=warn" in g.log() and "admin.token_file" in g.log()
    assert ask(g, "GET", "/api/pipelines")[0] == 200


@pytest.mark.parametrize("text, what", [(None, "No such file"), ("\n", "no token")])
def test_a_token_file_without_a_token_is_an_error(gateway, text, what):
    g = gateway("admin: {listen: 127.0.0.1:0, token_file: token}\n" + CONFIG, files={"hook.lua": HOOK, **({"token": text} if text else {})},
                started=False).spawn()
    assert g.wait() == 1
    assert re.search(r"moongate\.yaml:\d+:\d+: admin\.token_file", g.log()) and what in g.log()


# ---- which methods

def test_every_path_says_which_methods_it_has(gateway):
    g = gateway()
    by_path = {}
    for method, path, _ in routes():
        by_path.setdefault(path, set()).update({method, "HEAD"} if method == "GET" else {method})
    for path, methods in by_path.items():
        for method in {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - methods:
            status, headers, body = request(g.admin, method, concrete(path))
            assert status == 405 and set(headers["allow"].split(", ")) == methods, (method, path)
            assert method == "HEAD" or json.loads(body)["code"] == 12
    for path in ("/", "/api", "/api/dead/", "/healthz/", "/api/pipelines/a/b", "/api/reload/x"):
        assert request(g.admin, "POST", path)[0] == 404


def test_head_is_get_without_the_body(failed):
    for path in ("/healthz", "/api/pipelines", "/api/dead", "/api/dead/all/1", "/api/log", "/api/log/records", "/api/pipelines/all/tap"):
        status, _, body = request(failed.admin, "HEAD", path)
        assert (status, body) == (200, ""), path
    assert request(failed.admin, "HEAD", "/api/dead/all/99")[0] == 404


@pytest.mark.parametrize("method, path, what", [
    ("GET", "/api/dead?pipelin=all", 'did you mean \\"pipeline\\"'), ("GET", "/api/dead?id=all", "PIPELINE/NUMBER"),
    ("GET", "/api/dead?id=all/1&pipeline=other", "another pipeline"), ("GET", "/api/dead?id=all/1&id=all/1", "twice"),
    ("GET", "/api/dead?id=%zz", "percent-encoded"), ("GET", "/api/dead/%zz/1", "percent-encoded"),
    ("GET", "/api/log/records?from=yesterday", "yesterday"), ("GET", "/api/log/records?raw=maybe", "maybe"),
    ("DELETE", "/api/dead", "all=true"), ("DELETE", "/api/dead?all=false", "all=true"), ("POST", "/api/dead/replay", "pipeline"),
    ("POST", "/api/log/replay", "pipeline"), ("POST", "/api/log/forget", "pipeline"), ("POST", "/api/reload?x=1", "unknown parameter")])
def test_a_request_that_makes_no_sense_says_why(failed, method, path, what):
    status, body = ask(failed, method, path)
    assert status == 400 and what in body and json.loads(body)["code"] == 3
    assert failed.get("/api/dead")[1].count("\n") == 2


# ---- what they do

def test_pause_and_resume(gateway):
    g = gateway()
    status, body = ask(g, "POST", "/api/pipelines/all/pause")
    assert status == 200 and json.loads(body)["up"] is False and "paused" in json.loads(body)["last_error"]
    with g.channel() as channel:
        flyte.send(channel, flyte.workflow())
    assert g.pipeline()["lag"] == 1 and g.metric("moongate_pipeline_up", pipeline="all") == 0
    assert ask(g, "POST", "/api/pipelines/all/pause")[0] == 200
    status, body = ask(g, "POST", "/api/pipelines/all/resume")
    assert status == 200 and json.loads(body)["name"] == "all"
    g.settled(1)
    assert g.pipeline()["up"] is True
    assert ask(g, "POST", "/api/pipelines/nosuch/pause")[0] == 404


def test_dead_letters_are_listed_and_shown(failed):
    g = failed
    status, headers, body = request(g.admin, "GET", "/api/dead")
    assert status == 200 and headers["content-type"] == "application/x-ndjson"
    letters = lines(body)
    assert [x["id"] for x in letters] == ["all/1", "all/2"]
    assert set(letters[0]) == {"id", "pipeline", "reason", "event_id", "attempts", "first_at", "last_at", "error"}
    assert letters[0]["reason"] == "hook_error" and "broken" in letters[0]["error"]
    for query, n in (("pipeline=all", 2), ("pipeline=other", 0), ("reason=hook_error", 2), ("reason=rejected", 0), ("id=all%2F2", 1),
                     ("id=all/2&pipeline=all", 1), ("id=all/3", 0)):
        assert len(lines(ask(g, "GET", "/api/dead?" + query)[1])) == n, query
    whole = json.loads(ask(g, "GET", "/api/dead/all/2")[1])
    assert whole["id"] == "all/2" and "f2" in json.dumps(whole["record"])
    for path in ("/api/dead/all/3", "/api/dead/other/1", "/api/dead/all/x", "/api/dead/all/0", "/api/dead/all/99999999999999999999"):
        assert ask(g, "GET", path)[0] == 404, path


def test_dead_letters_are_dropped(failed):
    g = failed
    assert ask(g, "DELETE", "/api/dead?pipeline=other") == (200, '{"dropped":0}\n')
    assert ask(g, "DELETE", "/api/dead/all/1") == (200, '{"dropped":1}\n')
    assert ask(g, "DELETE", "/api/dead/all/1")[0] == 404
    assert ask(g, "DELETE", "/api/dead?all=true") == (200, '{"dropped":1}\n')
    assert ask(g, "GET", "/api/dead") == (200, "")


def test_dead_letters_are_replayed_through_todays_hooks(failed):
    g = failed
    told = lines(ask(g, "POST", "/api/dead/replay?pipeline=all&dry_run=true")[1])[-1]
    assert told["ended"] and told["done"] == 2 and len(g.lines()) == 2
    told = lines(ask(g, "POST", "/api/dead/replay?pipeline=all")[1])[-1]
    assert told["ended"] and told["failed"] == 2 and told["published"] == 0
    g.write("hook.lua", "return function() end\n")
    told = lines(ask(g, "POST", "/api/dead/replay?id=all/2")[1])[-1]
    assert told["ended"] and (told["failed"], told["published"]) == (0, 1)
    assert g.ids()[2:] == [flyte.id_of(flyte.workflow(name="f2", phase="FAILED"))]
    assert [x["id"] for x in lines(g.get("/api/dead")[1])] == ["all/1"]
    assert ask(g, "POST", "/api/dead/replay?pipeline=nosuch")[0] == 404


def test_records_are_shown_and_replayed(gateway):
    g = gateway("log: {retain: 1h}\n" + CONFIG, files={"hook.lua": HOOK, "other.lua": "return function(e) e.again = 'yes' end\n",
                                                      "wrong.lua": "return function(e) syntax error"})
    with g.channel() as channel:
        for name in ("f1", "f2", "f3"):
            flyte.send(channel, flyte.workflow(name=name))
    g.settled(3)
    stats = json.loads(g.get("/api/log")[1])
    assert stats["records"] == 3 and stats["pipelines"][0]["name"] == "all" and stats["bytes"] > 0
    records = lines(g.get("/api/log/records")[1])
    assert [r["id"] for r in records] == g.ids() and all(set(r) == {"seq", "received_at", "kind", "key", "id"} for r in records)
    assert all(r["record"] for r in lines(g.get("/api/log/records?raw=1")[1]))
    assert len(lines(g.get(f"/api/log/records?from={records[1]['received_at']}")[1])) == 2
    assert len(lines(g.get(f"/api/log/records?to={records[1]['received_at']}")[1])) == 1
    assert g.get("/api/log/records?to=1") == (200, "")
    status, body = ask(g, "POST", f"/api/log/replay?pipeline=all&from={records[2]['received_at']}&script={g.path('other.lua')}")
    assert status == 200 and lines(body)[-1]["published"] == 1
    assert g.lines()[3]["again"] == "yes" and g.lines()[3]["id"] == records[2]["id"]
    assert g.pipeline()["published"] == 3
    status, body = ask(g, "POST", f"/api/log/replay?pipeline=all&script={g.path('wrong.lua')}")
    assert status != 200 and "wrong.lua:1" in body


def test_forget_ends_an_orphan_only(gateway):
    gone = "g" * 63                                # the longest
    g = gateway(f"pipelines:\n  - {{name: all, publisher: {{type: 'null'}}}}\n  - {{name: {gone}, publisher: {{type: 'null'}}}}\n")
    status, body = ask(g, "POST", f"/api/log/forget?pipeline={gone}")
    assert status == 409 and gone in body
    assert ask(g, "POST", "/api/log/forget?pipeline=never")[0] == 409
    g.configure("pipelines:\n  - {name: all, publisher: {type: 'null'}}\n")
    assert ask(g, "POST", "/api/reload")[0] == 200
    assert g.metric("moongate_log_orphan_cursors") == 1
    assert ask(g, "POST", f"/api/log/forget?pipeline={gone}g")[0] == 409
    assert ask(g, "POST", f"/api/log/forget?pipeline={gone}") == (200, f'{{"forgotten":"{gone}"}}\n')
    assert g.metric("moongate_log_orphan_cursors") == 0
    assert [p["name"] for p in json.loads(g.get("/api/log")[1])["pipelines"]] == ["all"]


# ---- streams

class Stream:
    """A GET that is read line by line."""

    def __init__(self, g, path):
        self.connection = http.client.HTTPConnection(g.admin, timeout=60)
        self.connection.request("GET", path)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200

    def line(self):
        """None at the end."""
        text = self.answer.readline()
        return json.loads(text) if text else None


def test_a_tap_tells_what_the_pipeline_does_until_the_gateway_stops(gateway):
    g = gateway()
    tap = Stream(g, "/api/pipelines/all/tap")
    with g.channel() as channel:
        flyte.send(channel, flyte.workflow(name="seen"))
    assert "seen" in json.dumps(tap.line())
    assert ask(g, "GET", "/api/pipelines/nosuch/tap")[0] == 404
    assert g.stop() == 0
    assert tap.line() is None


def test_a_tap_that_is_left_is_let_go(gateway):
    """Though nothing happens in the pipeline."""
    g = gateway()
    for _ in range(70):                            # more than may be open at once
        tap = Stream(g, "/api/pipelines/all/tap")
        tap.connection.close()
        tap.answer.close()
    assert g.stop() == 0


def test_a_replay_under_way_is_ended_by_a_stop(gateway):
    """Its destination never answers; the letters stay."""
    g = gateway("shutdown_timeout: 1s\nlog: {retain: 1h}\n"
                "pipelines:\n  - {name: all, publisher: {type: 'null'}}\n"
                "  - {name: k, enabled: false, publisher: {type: kafka, brokers: '127.0.0.1:1', topic: t}}\n")
    with g.channel() as channel:
        flyte.send(channel, flyte.workflow())
    g.settled(1)
    connection = http.client.HTTPConnection(g.admin, timeout=60)
    connection.request("POST", "/api/log/replay?pipeline=k")
    answer = connection.getresponse()
    assert not json.loads(answer.readline())["ended"]
    assert g.stop() == 0
    rest = lines(answer.read().decode())
    assert not any(line.get("ended") for line in rest)
    assert rest[-1] == {"code": 14, "message": "shutting down"}


def test_a_replay_of_a_pipeline_that_is_removed_meanwhile_goes_on(gateway):
    g = gateway("log: {retain: 1h}\npipelines:\n  - {name: all, publisher: {type: 'null'}}\n"
                "  - {name: slow, rate: 20, publisher: {type: file, path: slow.jsonl}}\n")
    with g.channel() as channel:
        for i in range(30):
            flyte.send(channel, flyte.workflow(name=f"f{i}"))
    g.settled(30)
    before = len(g.lines("slow.jsonl"))
    connection = http.client.HTTPConnection(g.admin, timeout=60)
    connection.request("POST", "/api/log/replay?pipeline=slow")
    answer = connection.getresponse()
    answer.readline()
    g.configure("log: {retain: 1h}\npipelines:\n  - {name: all, publisher: {type: 'null'}}\n")
    status, body = ask(g, "POST", "/api/reload")
    assert status == 200 and json.loads(body)["removed"] == 1
    told = [json.loads(line) for line in answer.read().decode().splitlines()][-1]
    assert told["ended"] and told["published"] == 30
    assert len(g.lines("slow.jsonl")) == before + 30
    wait_until(lambda: g.get("/healthz")[0] == 200)
