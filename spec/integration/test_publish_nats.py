"""NATS: a real nats-server, with and without JetStream, and nats-py as the judge of what arrives."""
import json
import signal
import time

import pytest

import flyte
import nats_creds
import natsd
from gateway import run
from test_check_online import ask
from test_publish_flyteadmin import vectors
from wait import wait_until

RETRY = "retry: {initial: 10ms, max: 100ms}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if not natsd.installed():
        pytest.skip("no nats-server: run `make test-deps`")
    s = natsd.Server(tmp_path_factory.mktemp("nats"), "-js", "-sd", "js").start()
    yield s
    s.stop()


@pytest.fixture(scope="module")
def judge(server):
    c = natsd.Client(server)
    yield c
    c.close()


@pytest.fixture
def own_server(tmp_path):
    if not natsd.installed():
        pytest.skip("no nats-server: run `make test-deps`")
    started = []

    def make(*args, **options):
        s = natsd.Server(tmp_path / f"nats{len(started)}", *args, **options)
        started.append(s)
        return s
    yield make
    for s in started:
        s.stop(signal.SIGKILL)


@pytest.fixture
def subject(name):
    return "t." + name.replace("_", "-")


def pipeline(server, subject, more="", format="", name="n"):
    return f"  - {{name: {name}, {RETRY}, {format} publisher: {{type: nats, servers: '{server.address}', subject: '{subject}'{more}}}}}\n"


def send(g, requests):
    with g.channel() as channel:
        for r in requests:
            flyte.send(channel, r)


def down(g, name="n"):
    return wait_until(lambda: (p := g.pipeline(name)) and not p["up"] and p["last_error"] and p, lambda: f"{g.pipelines()}\n{g.log()[-2000:]}")


THREE = [flyte.workflow(), flyte.node(), flyte.task()]


def test_every_form_of_an_event_arrives(gateway, server, judge, subject):
    """One gateway, a pipeline for each form."""
    forms = {"structured": "", "protobuf": "format: {encoding: protobuf},", "binary": "format: {mode: binary},",
             "json": "format: {mode: binary, data: json}, set: {text: \"naïve 100% \\\"x y\\\"\"},"}
    g = gateway("pipelines:\n" + "".join(pipeline(server, f"{subject}.{n}", "", f, n) for n, f in forms.items()) +
                pipeline(server, subject + ".{project}.{kind}", "", "", "template"))
    judge.messages.clear()
    judge.subscribe(subject + ".>")
    send(g, THREE)
    g.settled(3)
    got = judge.got(15)

    def of(form):
        return [m for m in got if m.subject.startswith(f"{subject}.{form}")]
    for m, r in zip(of("structured"), THREE):
        assert m.headers == {"content-type": "application/cloudevents+json"}
        flyte.assert_documented(json.loads(m.data), r)
    for m, r in zip(of("protobuf"), THREE):
        assert m.headers == {"content-type": "application/cloudevents+protobuf"} and r.SerializeToString() in m.data
    for m, r in zip(of("binary"), THREE):
        kind = flyte.kind_of(r)
        assert m.data == r.SerializeToString() and m.headers["ce-datacontenttype"] == "application/protobuf"
        assert m.headers["ce-specversion"] == "1.0" and m.headers["ce-type"] == f"com.flyte.resource.{kind}"
        assert "content-type" not in m.headers and m.headers["ce-id"].startswith("flytesnacks:development:f1:")
    for m in of("json"):
        assert m.headers["ce-text"] == "na%C3%AFve%20100%25%20%22x%20y%22" and m.headers["ce-datacontenttype"] == "application/json"
        assert "event" in json.loads(m.data)
    assert [m.subject for m in got if ".flytesnacks." in m.subject] == [f"{subject}.flytesnacks.{k}" for k in ("workflow", "node", "task")]


def test_flyteadmins_section_sends_what_flyteadmin_sent(gateway, server, judge, subject):
    want = [v for v in vectors() if v.nats]
    g = gateway("cloudEvents:\n  enable: true\n  type: nats\n"
                f"  eventsPublisher: {{topicName: {subject}, eventTypes: all}}\n  nats: {{servers: ['nats://{server.address}']}}\n")
    judge.messages.clear()
    judge.subscribe(subject)
    send(g, [v.message() for v in want])
    g.settled(len(want))
    got = judge.got(len(want))
    assert all(m.headers is None for m in got)
    assert sorted(m.data.decode() for m in got) == sorted(v.nats for v in want)     # in order within one execution only


def test_jetstream_keeps_repeats_out_and_takes_replays(gateway, server, judge, subject):
    judge.stream("repeats", subject)
    g = gateway("log: {retain: 1h}\npipelines:\n" + pipeline(server, subject, ", jetstream: true"))
    send(g, THREE + THREE)
    g.settled(6)
    kept = judge.kept("repeats")
    assert natsd.ids(kept) == [m.headers["Nats-Msg-Id"] for m in kept] and len(kept) == 3
    run("log", "replay", "-c", g.config_file, "--pipeline", "n", cwd=g.folder, check=0)
    again = judge.kept("repeats")[3:]                                   # six records, three ids, one replay
    assert natsd.ids(again) == natsd.ids(kept) and all(":r" in m.headers["Nats-Msg-Id"] for m in again)


def test_jetstream_in_flyteadmins_style_loses_none_of_the_events_that_share_an_id(gateway, server, judge, subject):
    judge.stream("shared", subject)
    g = gateway("pipelines:\n" + pipeline(server, subject, ", jetstream: true", "format: {style: flyteadmin},"))
    send(g, [flyte.task(name=f"f{i}") for i in range(5)])
    g.settled(5)
    kept = judge.kept("shared")
    assert len(kept) == 5 and len(set(natsd.ids(kept))) == 1


def test_pipelines_whose_subjects_one_stream_has_lose_nothing_and_repeats_are_kept_out(gateway, server, judge, subject):
    judge.stream("both", subject + ".>")
    g = gateway("pipelines:\n" + "".join(pipeline(server, f"{subject}.{n}", ", jetstream: true", name=n) for n in "ab"))
    events = [flyte.workflow(name=f"f{i}") for i in range(10)]
    for again in (False, True):
        if again:                                                       # the log has all of them once more
            g.kill()
            g.start()
        send(g, events)
        g.settled(10, "a")
        g.settled(10, "b")
    kept = judge.kept("both")
    assert sorted((m.subject[-1], i) for m, i in zip(kept, natsd.ids(kept))) == sorted((n, flyte.id_of(r)) for n in "ab" for r in events)
    assert {m.headers["Nats-Msg-Id"].removesuffix("@" + m.subject) for m in kept} == {flyte.id_of(r) for r in events}


def test_a_stream_that_is_missing_is_named_until_it_is_there(gateway, server, judge, subject):
    g = gateway("pipelines:\n" + pipeline(server, subject, ", jetstream: true"))
    send(g, THREE)
    state = down(g)
    assert f"nats stream add NAME --subjects {subject}" in state["last_error"] and state["lag"] == 3
    judge.stream("late", subject)
    g.settled(3)
    assert sorted(natsd.ids(judge.kept("late"))) == sorted(flyte.id_of(r) for r in THREE) and g.pipeline("n")["up"]


def test_what_is_too_large_is_a_dead_letter_and_a_full_stream_is_waited_for(gateway, own_server):
    s = own_server("-js", "-sd", "js", conf="max_payload: 8192\n").start()
    judge = natsd.Client(s)
    judge.stream("small", "small", max_msg_size=2000).stream("full", "full", max_msgs=2, discard="new")
    judge.subscribe("core")
    big = [flyte.workflow(error="x" * n) for n in (9000, 3000, 10)]
    g = gateway("pipelines:\n" + pipeline(s, "core", name="core") + pipeline(s, "small", ", jetstream: true", name="small") +
                pipeline(s, "full", ", jetstream: true", "match: {phase: QUEUED},", "full"))
    for i, r in enumerate(big):
        r.event.execution_id.name = f"f{i}"
    send(g, big)
    wait_until(lambda: g.pipeline("small")["lag"] == g.pipeline("core")["lag"] == 0, lambda: f"{g.pipelines()} {g.log()[-2000:]}")
    assert (g.pipeline("core")["dead_lettered"], g.pipeline("small")["dead_lettered"]) == (1, 2)
    letters = [json.loads(x) for x in run("dead", "list", "--json", "-c", g.config_file, cwd=g.folder, check=0).stdout.splitlines()]
    assert {x["reason"] for x in letters} == {"too_large"}
    assert any("max_payload" in x["error"] for x in letters) and any("message size exceeds maximum allowed" in x["error"] for x in letters)
    assert natsd.ids(judge.got(2)) == [flyte.id_of(r) for r in big[1:]] and natsd.ids(judge.kept("small")) == [flyte.id_of(big[2])]
    send(g, [flyte.workflow(name=f"q{i}", phase="QUEUED") for i in range(3)])
    assert "maximum messages exceeded" in down(g, "full")["last_error"]
    judge.wait(judge.js.purge_stream("full"))
    g.settled(6, "full")
    judge.close()


def test_hooks_choose_among_the_subjects_that_routes_allows(gateway, server, judge, subject):
    hook = ("local moongate = require 'moongate'\nreturn function(event, request, flyte)\n"
            "  if flyte.kind == 'node' then return moongate.route(event, {topic = '%s.a.node', headers = {['x-team'] = 'ml'}}) end\n"
            "  if flyte.kind == 'task' then return moongate.route(event, {topic = '%s.a.b.task'}) end\nend\n" % (subject, subject))
    g = gateway("pipelines:\n" + pipeline(server, subject + ".default", f", routes: ['{subject}.*.node']", "hooks: [h.lua],"), files={"h.lua": hook})
    judge.messages.clear()
    judge.subscribe(subject + ".>")
    send(g, THREE)
    state = g.settled(3)["n"]
    got = judge.got(2)
    assert [m.subject for m in got] == [subject + ".default", subject + ".a.node"] and got[1].headers["x-team"] == "ml"
    assert state["dead_lettered"] == 1 and "is none of what publisher.routes allows" in g.log()


# ---- who may publish

def secured(own_server, kind, tmp_path):
    """(a server that asks who is there, keys of ours that it lets in, keys that it does not, what is said of these)"""
    if kind == "user":
        return own_server("--user", "gw", "--pass", "pw1"), "username: gw, password: pw1", "username: gw, password: pw2", "check username and password"
    if kind == "token":
        return own_server("--auth", "pw1"), "token: pw1", "token: pw2", "check token"
    if kind == "nkey":
        conf, seed = nats_creds.nkey_conf()
        (tmp_path / "good").write_text(seed)
        (tmp_path / "bad").write_text(nats_creds.key(nats_creds.USER)[0])
        return own_server(conf=conf), f"nkey_file: {tmp_path}/good", f"nkey_file: {tmp_path}/bad", "check nkey_file"
    if kind == "creds":
        conf, account = nats_creds.operator_conf()
        (tmp_path / "good").write_text(nats_creds.creds(account))
        (tmp_path / "bad").write_text(nats_creds.creds(account, exp=int(time.time()) - 60))
        return own_server(conf=conf), f"creds_file: {tmp_path}/good", f"creds_file: {tmp_path}/bad", "check creds_file, and whether its JWT has expired"
    natsd.certificates(tmp_path)
    tls = ["--tlscert", f"{tmp_path}/s.pem", "--tlskey", f"{tmp_path}/s.key"]
    if kind == "tls":
        return own_server("--tls", *tls), f"tls: {{ca: {tmp_path}/ca.pem}}", "tls: {}", "TLS: "
    return (own_server("--tlsverify", *tls, "--tlscacert", f"{tmp_path}/ca.pem"),
            f"tls: {{ca: {tmp_path}/ca.pem, cert: {tmp_path}/c.pem, key: {tmp_path}/c.key}}", f"tls: {{ca: {tmp_path}/ca.pem}}", "")


@pytest.mark.parametrize("kind", ["user", "token", "nkey", "creds", "tls", "mutual"])
def test_who_is_known_is_let_in_and_who_is_not_is_told_what_to_check(gateway, own_server, tmp_path, kind):
    server, good, bad, said = secured(own_server, kind, tmp_path)
    server.start()
    g = gateway("pipelines:\n" + pipeline(server, "a", f", {good}", name="good") + pipeline(server, "b", f", {bad}", name="bad"))
    send(g, THREE)
    g.settled(3, "good")
    state = down(g, "bad")
    assert said in state["last_error"] and state["lag"] == 3 and state["dead_lettered"] == 0, state
    everything = g.log() + json.dumps(g.pipelines())
    assert "pw1" not in everything and "pw2" not in everything
    if kind in ("nkey", "creds"):                                       # read anew at each connection
        assert (tmp_path / "bad").read_text().splitlines()[-2 if kind == "creds" else -1] not in everything
        (tmp_path / "bad").write_text((tmp_path / "good").read_text())
        g.settled(3, "bad")


def test_a_subject_that_is_not_ours_holds_back_nothing_else(gateway, own_server):
    conf = 'authorization { users: [ {user: gw, password: pw, permissions: {publish: ["t.good.>", "$JS.>"], subscribe: "_INBOX.>"}},' \
           ' {user: judge, password: pw} ] }\n'
    s = own_server(conf=conf).start()
    judge = natsd.Client(s, user="judge", password="pw").subscribe("t.>")
    g = gateway("pipelines:\n" + pipeline(s, "t.{project}.x", ", username: gw, password: pw"))
    send(g, [flyte.workflow(name=f"f{i}", project=p) for i in range(4) for p in ("good", "bad")])
    wait_until(lambda: g.pipeline("n")["published"] == 4, lambda: f"{g.pipelines()} {g.log()[-1000:]}")
    assert "t.bad.x" in down(g)["last_error"] and g.pipeline("n")["lag"] == 4
    assert {m.subject for m in judge.messages} == {"t.good.x"} and len(set(natsd.ids(judge.messages))) == 4
    judge.close()


# ---- servers that come and go

def test_a_server_that_is_not_there_yet_is_waited_for(gateway, own_server):
    s = own_server()
    g = gateway("pipelines:\n" + pipeline(s, "a") + pipeline(s, "b", name="idle"))
    send(g, THREE)
    assert down(g)["last_error"] == f"no server can be reached: {s.address}"
    s.start()
    g.settled(3)
    assert g.pipeline("n")["up"]


def test_servers_killed_under_load_lose_nothing_and_keep_the_order_of_a_key(gateway, own_server):
    s = own_server("-js", "-sd", "js").start()
    judge = natsd.Client(s)
    judge.stream("load", "load")
    judge.close()
    g = gateway("pipelines:\n" + pipeline(s, "load", ", jetstream: true") + pipeline(s, "core", name="core"))
    phases = ["QUEUED", "RUNNING", "SUCCEEDING", "SUCCEEDED"]
    for n, phase in enumerate(phases):
        send(g, [flyte.workflow(name=f"f{i}", phase=phase) for i in range(100)])
        wait_until(lambda n=n: g.pipeline("n")["published"] > 50 * n, g.log)
        s.stop(signal.SIGKILL)
        send(g, [flyte.node(name=f"f{i}", node_id=f"n{n}") for i in range(20)])
        s.start()
    g.settled(480)
    judge = natsd.Client(s)
    kept = natsd.ids(judge.kept("load"))
    assert len(kept) == len(set(kept)) == 480
    for i in range(100):
        assert [x.rsplit(":", 1)[1] for x in kept if f":f{i}:" in x and ":n" not in x] == phases
    judge.close()


def test_check_online_asks_the_server_and_which_stream_has_the_subject(tmp_path, server, judge, subject, own_server):
    judge.stream("online", subject + ".here")
    off = own_server("--user", "gw", "--pass", "pw1").start()
    found = ask(tmp_path, "pipelines:\n" + pipeline(server, subject + ".here", ", jetstream: true", name="js") +
                pipeline(server, subject + ".none", ", jetstream: true", name="none") +
                pipeline(server, subject + ".{project}", ", jetstream: true", name="each") + pipeline(server, subject, name="core") +
                pipeline(off, subject, ", username: gw, password: pw2", name="out") +
                pipeline(off, subject + ".off", ", jetstream: true, username: gw, password: pw1", name="off"))
    assert {n: level for n, (level, _) in found.items()} == {"js": "note", "none": "error", "each": "note", "core": "note", "out": "error", "off": "error"}
    assert found["js"][1] == f"NATS: {server.address} lets us in, stream online has subject {subject}.here"
    assert f"nats stream add NAME --subjects {subject}.none" in found["none"][1] and "is it on for this account?" in found["off"][1]
    assert "check username and password" in found["out"][1] and "pw2" not in str(found)
