"""Pub/Sub against pstest with the real service's limits (and Google's emulator, where it is); google-cloud-pubsub's own client
reads what arrives."""
import base64
import http.server
import json
import subprocess
import threading

import pytest

import flyte
import pubsub as pubsub_server
from gateway import run
from pubsub import PROJECT
from test_publish_aws import runs, send, unordered, vectors
from test_sections import PUBSUB as DOCUMENTED
from wait import wait_until

RETRY = "retry: {initial: 10ms, max: 50ms}"
RETRYABLE = ["ABORTED", "CANCELLED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "NOT_FOUND",
             "PERMISSION_DENIED", "FAILED_PRECONDITION", "UNIMPLEMENTED"]
PHASES = ["QUEUED", "RUNNING", "SUCCEEDING", "SUCCEEDED"]


def pipeline(topic, more="", format="", name="a"):
    return f"  - {{name: {name}, {RETRY}, {format} publisher: {{type: pubsub, project: {PROJECT}, topic: '{topic}'{more}}}}}\n"


def phases(n):
    return [flyte.workflow(name=f"f{i}", phase=p) for p in PHASES for i in range(n)]


def ids(messages):
    return [json.loads(m.data)["id"] for m in messages]


def in_order(found, n):
    """Every phase of every execution has arrived, in order, whatever came twice."""
    for i in range(n):
        mine = [x.rsplit(":", 1)[1] for x in found if f":f{i}:" in x]
        assert list(dict.fromkeys(mine)) == PHASES, mine


@pytest.fixture(params=["pstest", "emulator"])
def judge(request):
    return request.getfixturevalue("pubsub" if request.param == "pstest" else "emulator")


def test_a_topic_gets_each_event_with_its_attributes_and_the_order_of_a_key(gateway, judge, name):
    one, other = judge.pair(name), judge.pair(name + "-b", ordered=False)
    g = gateway("pipelines:\n" + pipeline(name, ", ordering: key, attributes: [type, team]", "set: {team: ml},")
                + pipeline(name + "-b", format="format: {mode: binary, data: json},", name="b"), env=judge.env())
    send(g, phases(5))
    g.settled(20)
    got = judge.read(one, 20)
    assert len(got) == 20
    in_order(ids(got), 5)
    m = got[0]
    event = json.loads(m.data)
    assert dict(m.attributes) == {"content-type": "application/cloudevents+json", "type": event["type"], "team": "ml"}
    assert m.ordering_key == event["id"].rsplit(":", 1)[0]
    got = judge.pull(other, 20)
    assert len(got) == 20 and {m.ordering_key for m in got} == {""}
    for m in got:
        a = dict(m.attributes)
        assert a["content-type"] == "application/json" and a["ce-specversion"] == "1.0"
        assert json.loads(m.data)["event"]["phase"] == a["ce-id"].rsplit(":", 1)[1]
        assert a["ce-subject"] == "admin_event_pb2.WorkflowExecutionEventRequest" and a["ce-time"].endswith("Z")


def test_a_third_of_all_requests_fail_and_nothing_is_lost(gateway, pubsub, name):
    """Every retryable code, the server gone twice, and (last) answers that get lost, so that messages come twice."""
    g = gateway("pipelines:\n" + pipeline(name, ", ordering: key, batch: {events: 7}")
                + pipeline(name + "-none", ", batch: {events: 7}", name="none"), env=pubsub.env())
    pubsub.topic(name)
    pubsub.topic(name + "-none")
    pubsub.always({"every": 3, "codes": RETRYABLE})
    send(g, phases(12))
    g.settled(48)
    calls = pubsub.calls(name=name) + pubsub.calls(name=name + "-none")
    failed = [c["code"] for c in calls if c["code"] != "OK"]
    assert len(set(failed)) >= 9 and len(failed) >= len(calls) // 3
    for again in ("", "?gracefully=1"):
        pubsub.say("close" + again)
        send(g, phases(3))
        wait_until(lambda: not g.pipeline("a")["up"], g.log)
        pubsub.up()
    pubsub.always({"every": 3, "codes": RETRYABLE, "done": True})
    send(g, phases(12))
    state = g.settled(120)
    assert all(p["up"] and p["published"] == 120 for p in state.values())
    taken = {n: [m for c in pubsub.calls(name=n) if c["code"] == "OK" for m in c["messages"]] for n in (name, name + "-none")}
    found = {n: [json.loads(base64.b64decode(m["data"]))["id"] for m in taken[n]] for n in taken}
    assert all(set(f) == {flyte.id_of(r) for r in phases(12)} for f in found.values())
    assert {m["ordering_key"] for m in taken[name + "-none"]} == {""}
    assert {m["ordering_key"] for m in taken[name]} == {flyte.key_of(r) for r in phases(12)}
    assert all(len({m["ordering_key"] for m in c["messages"]}) == 1 for c in pubsub.calls(name=name))
    # Whatever failed, nothing of a key has overtaken.
    for i in range(12):
        mine = [x.rsplit(":", 1)[1] for x in found[name] if f":f{i}:" in x]
        assert mine[:4] == PHASES, mine


def test_what_is_refused_is_found_and_its_neighbours_arrive(gateway, pubsub, name):
    subscription = pubsub.pair(name, ordered=False)
    g = gateway("pipelines:\n" + pipeline(name, ", batch: {events: 100, wait: 300ms}"), env=pubsub.env())
    pubsub.always({"code": "INVALID_ARGUMENT", "message": "bad data", "containing": ":f7:"},
                  {"code": "INVALID_ARGUMENT", "message": "bad data", "containing": ":f19:"})
    send(g, runs(32))
    state = g.settled(32)["a"]
    assert (state["published"], state["dead_lettered"], state["up"]) == (30, 2, True)
    assert sorted(ids(pubsub.pull(subscription, 30))) == sorted(flyte.id_of(r) for r in runs(32) if r.event.execution_id.name not in ("f7", "f19"))
    letters = [json.loads(line) for line in run("dead", "list", "-c", g.config_file, "--json").stdout.splitlines()]
    assert sorted(x["event_id"] for x in letters) == sorted(flyte.id_of(flyte.workflow(name=n)) for n in ("f7", "f19"))
    assert {(x["reason"], x["error"]) for x in letters} == {("rejected", "Pub/Sub: INVALID_ARGUMENT: bad data")}
    assert max(len(c["messages"]) for c in pubsub.calls(name=name)) > 1


def test_what_pubsub_never_takes_is_a_dead_letter_before_it_is_sent(gateway, pubsub, name):
    pubsub.pair(name)
    g = gateway("pipelines:\n" + pipeline(name, format="format: {mode: binary},"), env=pubsub.env())
    send(g, [flyte.workflow(name="x" * 1100), flyte.workflow(name="y")])
    assert g.settled(2)["a"]["published"] == 1
    letter, = [json.loads(line) for line in run("dead", "list", "-c", g.config_file, "--json").stdout.splitlines()]
    assert letter["reason"] == "too_large" and letter["error"].startswith("attribute ce-id: 1")
    assert [len(c["messages"]) for c in pubsub.calls(name=name)] == [1]


def test_a_topic_that_is_not_there_is_named_until_it_is(gateway, pubsub, name):
    g = gateway("pipelines:\n" + pipeline(name), env=pubsub.env())
    send(g, runs(3))
    down = wait_until(lambda: (p := g.pipeline("a")) and not p["up"] and p, g.log)
    command = f"gcloud pubsub topics create {name} --project {PROJECT}"
    assert down["last_error"].startswith("Pub/Sub: NOT_FOUND: ") and down["last_error"].endswith(command) and down["lag"] == 3
    assert command in g.log()
    assert command in run("check", "--online", "-c", g.config_file, env=pubsub.env(), check=1).stdout
    pubsub.topic(name)
    g.settled(3, "a")
    assert "error" not in run("check", "--online", "-c", g.config_file, env=pubsub.env(), check=0).stdout
    # What the service says of how long to wait is kept to.
    pubsub.faults({"code": "RESOURCE_EXHAUSTED", "retry_after": 0.7})
    before = len(pubsub.calls(name=name))
    send(g, [flyte.workflow(name="late")])
    g.settled(4, "a")
    assert [c["code"] for c in pubsub.calls(name=name)[before:]] == ["ResourceExhausted", "OK"]


def test_hooks_choose_among_the_topics_that_routes_allow(gateway, pubsub, name):
    one, other = pubsub.pair(name), pubsub.pair(name + "-eu")
    hook = f"""local moongate = require "moongate"
    return function(event, request, flyte)
        if flyte.execution == "f1" then moongate.route(event, {{topic = "{name}-eu", key = "mine", headers = {{region = "eu"}}}}) end
    end"""
    g = gateway("pipelines:\n" + pipeline(name, f", ordering: key, routes: ['{name}-*']", "hooks: [r.lua],"), env=pubsub.env(),
                files={"r.lua": hook})
    send(g, runs(2))
    assert g.settled(2)["a"]["published"] == 2, run("dead", "list", "-c", g.config_file).stdout
    m, = pubsub.read(other, 1)
    assert m.ordering_key == "mine" and m.attributes["region"] == "eu" and ":f1:" in ids([m])[0]
    m, = pubsub.read(one, 1)
    assert ":f0:" in ids([m])[0]


# ---- FlyteAdmin's own

@pytest.mark.parametrize("style", ["flyteadmin", "flyteadmin-external"])
def test_flyteadmins_messages_are_its_own(gateway, pubsub, name, style):
    subscription = pubsub.pair(name, ordered=False)
    g = gateway("pipelines:\n" + pipeline(name, format=f"format: {{style: {style}, id_spacing: 1}},"), env=pubsub.env())
    want = []
    for v in vectors():
        spacing = v["styles"].get(style, {}).get("id_spacing")
        if not spacing or not v["styles"][style].get("same_as_request", True):
            continue
        assert g.post(f"/api/v1/events/{v['kind']}s", base64.b64decode(v["request_b64"]), "application/octet-stream")[0] == 200
        form = spacing.get("1", spacing.get("any"))["pubsub"]
        want.append((form["data_b64"], form["attributes"]))
    assert len(want) > 8
    g.settled(len(want))
    got = pubsub.pull(subscription, len(want))
    assert sorted((base64.b64encode(m.data).decode(), str(dict(m.attributes))) for m in got) == sorted((d, str(a)) for d, a in want)
    assert {m.ordering_key for m in got} == {""}


def test_flyteadmins_v2_messages_are_its_own(gateway, pubsub, name):
    """An empty source, too, which FlyteAdmin sends here. Without records: what needs none of them."""
    subscription = pubsub.pair(name, ordered=False)
    g = gateway("pipelines:\n" + pipeline(name, format="format: {style: flyteadmin-v2, id_spacing: 1},"), env=pubsub.env())
    want, sourceless = [], 0
    for v in vectors():
        v2 = v["styles"].get("flyteadmin-v2")
        if not v2 or v2["enrichment"]:
            continue
        assert g.post(f"/api/v1/events/{v['kind']}s", base64.b64decode(v["request_b64"]), "application/octet-stream")[0] == 200
        form = v2["id_spacing"]["1"]
        sourceless += not form["attributes"]["source"]
        want.append((unordered(form["pubsub"]["data_b64"]), str(form["pubsub"]["attributes"])))
    assert len(want) > 5 and sourceless == 1
    g.settled(len(want))
    got = pubsub.pull(subscription, len(want))
    assert sorted((unordered(base64.b64encode(m.data)), str(dict(m.attributes))) for m in got) == sorted(want)


@pytest.mark.parametrize("form", ["flyteadmin", "documented"])
def test_the_documentations_block_runs_as_it_stands(gateway, pubsub, name, form):
    """But for the names of the project and the topic, which are this test's."""
    subscription = pubsub.pair(name)
    text = DOCUMENTED.replace("my-project-id", PROJECT).replace("my-topic", name)
    if form == "documented":
        text = text.replace("type: gcp", "type: gcp\n    style: documented")
    g = gateway(text, env=pubsub.env())
    send(g, [flyte.workflow(name="f1"), flyte.node(name="f1"), flyte.task(name="f1")])
    g.settled(3, "cloud_events")
    got = pubsub.read(subscription, 3)
    if form == "documented":
        assert {json.loads(m.data)["type"] for m in got} == {f"com.flyte.resource.{k}" for k in ("workflow", "node", "task")}
        assert all(dict(m.attributes) == {"content-type": "application/cloudevents+json"} for m in got)
    else:
        kinds = {f"flyteidl.admin.{k}ExecutionEventRequest" for k in ("Workflow", "Node", "Task")}
        assert {m.attributes["key"] for m in got} == kinds and all(len(m.attributes) == 1 for m in got)
        assert all(b"com.flyte.resource.flyteidl.admin." in m.data for m in got)


# ---- who may, and over what

class Metadata:
    """An instance's metadata server, whose tokens are t1, t2, …"""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):                                 # pylint: disable=invalid-name
                outer.asked += "/token" in self.path
                body = json.dumps({"access_token": f"t{outer.asked}", "expires_in": 3600, "token_type": "Bearer"}) \
                    if "/token" in self.path else "somebody"
                self.send_response(200)
                self.send_header("Metadata-Flavor", "Google")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass
        outer, self.asked = self, 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def metadata():
    server = Metadata()
    yield server
    server.close()


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out", "cert.pem",
                    "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=DNS:localhost"], cwd=folder, check=True, capture_output=True)
    server = pubsub_server.Server("-cert", str(folder / "cert.pem"), "-key", str(folder / "key.pem"))
    server.ca = str(folder / "cert.pem")
    yield server
    server.close()


def test_tokens_are_sent_over_tls(gateway, over_tls, metadata, name, tmp_path):
    subscription = over_tls.pair(name)
    env = {"GCE_METADATA_HOST": metadata.address, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": over_tls.ca, "HOME": str(tmp_path)}
    port = over_tls.tls_address.rsplit(":", 1)[1]
    over_tls.token("t1")
    g = gateway("pipelines:\n" + pipeline(name, f", endpoint: 'https://localhost:{port}'"), env=env)
    send(g, runs(2))
    g.settled(2)
    over_tls.token("")
    assert sorted(ids(over_tls.read(subscription, 2))) == sorted(flyte.id_of(r) for r in runs(2))
    last = over_tls.calls(name=name)[-1]
    assert last["code"] == "OK" and last["metadata"]["authorization"] == ["Bearer t1"]
    assert last["metadata"]["x-goog-request-params"] == [f"topic=projects/{PROJECT}/topics/{name}"]
    assert "Bearer" not in g.log() + json.dumps(g.pipelines()) + g.get("/metrics")[1]


def test_who_has_no_credentials_and_whom_nobody_signed_is_told(gateway, over_tls, metadata, name, tmp_path):
    port = over_tls.tls_address.rsplit(":", 1)[1]
    env = {"GCE_METADATA_HOST": "127.0.0.1:1", "HOME": str(tmp_path), "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": over_tls.ca}
    g = gateway("pipelines:\n" + pipeline(name, f", endpoint: 'https://localhost:{port}'"), env=env, name="nobody")
    send(g, runs(1))
    down = wait_until(lambda: (p := g.pipeline("a")) and not p["up"] and p, g.log)
    assert down["last_error"].startswith("Pub/Sub: Google credentials: "), down
    env = {"GCE_METADATA_HOST": metadata.address, "HOME": str(tmp_path)}
    g = gateway("pipelines:\n" + pipeline(name, f", endpoint: 'https://localhost:{port}'"), env=env, name="unsigned")
    send(g, runs(1))
    down = wait_until(lambda: (p := g.pipeline("a")) and not p["up"] and p, g.log)
    assert down["last_error"].startswith("Pub/Sub: UNAVAILABLE: ") and "certificate" in down["last_error"], down
    assert over_tls.calls(name=name) == []


def test_tokens_are_sent_to_an_endpoint_without_tls_and_none_to_an_emulator(gateway, pubsub, metadata, name, tmp_path):
    pubsub.pair(name)
    env = {"GCE_METADATA_HOST": metadata.address, "HOME": str(tmp_path)}
    g = gateway("pipelines:\n" + pipeline(name, f", endpoint: '{pubsub.url}'"), env=env, name="token")
    send(g, runs(1))
    g.settled(1)
    g = gateway("pipelines:\n" + pipeline(name), env={**env, **pubsub.env()}, name="none")
    send(g, runs(1))
    g.settled(1)
    assert [c["metadata"].get("authorization") for c in pubsub.calls(name=name)] == [["Bearer t1"], None]
