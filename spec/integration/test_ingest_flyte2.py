"""Flyte 2's EventsProxyService/Record: its own Connect client, gRPC, plain requests, on both listeners."""
import base64
import gzip
import json
import os
import threading

import grpc
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.common import identifier_pb2, phase_pb2
from flyteidl2.workflow import events_proxy_service_pb2 as events
from flyteidl2.workflow import events_proxy_service_pb2_grpc as events_grpc
from flyteidl2.workflow.events_proxy_service_connect import EventsProxyServiceClientSync
from google.protobuf import json_format

import flyte
import h2raw
import http1
from gateway import ROOT, Gateway, request, run
from test_ingest_tls import records

PATH = "/flyteidl2.workflow.EventsProxyService/Record"
ACTIONS = """\
pipelines:
  - {name: all, event_types: [action], publisher: {type: file, path: all.jsonl}}
  - {name: failed, event_types: [action], match: {phase: FAILED, project: flyte*, node: a1}, publisher: {type: file, path: failed.jsonl}}
  - {name: steps, hooks: [SCRIPT], publisher: {type: file, path: steps.jsonl}}
""".replace("SCRIPT", os.path.join(ROOT, "scripts/step_state.lua"))


def action(run_name="r1", name="a0", phase="RUNNING", attempt=1, version=0, error=None):
    e = events.RecordRequest().events.add(attempt=attempt, version=version, phase=phase_pb2.ActionPhase.Value("ACTION_PHASE_" + phase))
    e.id.CopyFrom(identifier_pb2.ActionIdentifier(name=name, run=identifier_pb2.RunIdentifier(
        org="o", project="flytesnacks", domain="development", name=run_name)))
    e.updated_time.FromSeconds(1775543401)
    if error:
        e.error_info.message, e.error_info.code = error, "OOM"
    return e


def record(*actions):
    return events.RecordRequest(events=actions)


def id_of(e, phase):
    return f"flytesnacks:development:{e.id.run.name}:{e.id.name}:{e.attempt}:{phase}:{e.version}"


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """One gateway for what does not look at everything that came out."""
    g = Gateway(tmp_path_factory.mktemp("flyte2"), ACTIONS).start()
    yield g
    assert g.stop() == 0, g.log()


def test_its_own_client_on_both_listeners(gateway):
    """It sends protobuf, gzipped, over HTTP/1.1; the records are the bytes of the events, in their order, and kind `action`."""
    g = gateway(ACTIONS)
    first = [action(name=f"a{n}") for n in range(400)]
    second = [action(name="a1", phase="FAILED", attempt=2, error="no memory"), action(name="a2", phase="SUCCEEDED")]
    for address, batch in (g.http, first), (g.grpc, second):
        assert EventsProxyServiceClientSync("http://" + address).record(record(*batch), timeout_ms=60000) == events.RecordResponse()
    with g.channel() as channel:
        flyte.send(channel, flyte.workflow())                   # Flyte 1 beside it
    g.settled(403)
    lines = g.lines()
    assert [e["id"] for e in lines] == [id_of(e, "RUNNING") for e in first] + [id_of(second[0], "FAILED"), id_of(second[1], "SUCCEEDED")]
    assert [base64.b64decode(e["data_base64"]) for e in lines] == [e.SerializeToString() for e in first + second]
    assert {(e["type"], e["subject"]) for e in lines} == {("com.flyte.resource.action", "workflow.ActionEvent")}
    assert g.ids("failed.jsonl") == [id_of(second[0], "FAILED")]
    steps = [e for e in g.lines("steps.jsonl") if e["type"] == "com.example.flyte.step"]
    assert len(steps) == 402 and steps[400]["data"] == {
        "run": "flytesnacks/development/r1", "step": "a1", "attempt": 2, "state": "FAILED", "ended": True, "failed": True, "code": "OOM",
        "message": "no memory"}
    assert g.metric("moongate_events_received_total", ingest="http", kind="action") == 402


@pytest.mark.parametrize("listener", ["grpc", "http"])
def test_grpc_on_both_listeners(both, listener):
    e = action(run_name="grpc-" + listener)
    with grpc.insecure_channel(getattr(both, listener)) as channel:
        stub = events_grpc.EventsProxyServiceStub(channel)
        assert stub.Record(record(e), timeout=60, compression=grpc.Compression.Gzip) == events.RecordResponse()
        with pytest.raises(grpc.RpcError) as refused:
            stub.Record(record(), timeout=60)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT and "events: " in refused.value.details()
        call = channel.unary_unary(PATH)
        with pytest.raises(grpc.RpcError) as refused:
            call(record(e).SerializeToString() + b"\x0a\x7f", timeout=60)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    both.settled()
    assert both.ids().count(id_of(e, "RUNNING")) == 1


@pytest.mark.parametrize("listener", ["grpc", "http"])
@pytest.mark.parametrize("form", ["proto", "json", "names as in the schema", "gzip"])
def test_connect_by_hand(both, listener, form):
    e = action(run_name=f"{listener}-{form[:5]}")
    body, headers = record(e).SerializeToString(), {"content-type": "application/proto"}
    if form in ("json", "names as in the schema"):
        body = json_format.MessageToJson(record(e), preserving_proto_field_name=form != "json")
        headers = {"content-type": "application/json; charset=utf-8"}
    if form == "gzip":
        body, headers = gzip.compress(body), dict(headers, **{"content-encoding": "gzip"})
    headers.update({"connect-protocol-version": "1", "connect-timeout-ms": "60000"})
    status, answered, answer = request(getattr(both, listener), "POST", PATH, body, headers)
    want = ("application/json", "{}") if "json" in headers["content-type"] else ("application/proto", "")
    assert status == 200 and (answered["content-type"], answer) == want
    both.settled()
    assert both.ids().count(id_of(e, "RUNNING")) == 1


def test_connect_over_http2(both):
    e = action(run_name="h2")
    for address in both.grpc, both.http:
        with h2raw.Connection(address) as c:
            stream = c.headers(PATH, {"content-type": "application/proto"})
            c.data(stream, record(e).SerializeToString(), end=True)
            answer = c.answer(stream)
        assert answer.headers[":status"] == "200" and answer.headers["content-type"] == "application/proto" and answer.data == b""
    both.settled()
    assert both.ids().count(id_of(e, "RUNNING")) == 2


BAD = record(action(), action()).SerializeToString()
PROTO, JSON = "application/proto", "application/json"


@pytest.mark.parametrize("body,headers,status,code,text", [
    (BAD[:-1], {}, 400, "invalid_argument", "cut short"),
    (record(action()).SerializeToString() + b"\x0a\x04\x0a\x02\x12\x05", {}, 400, "invalid_argument", "events[1]"),
    (b"", {}, 400, "invalid_argument", "events: "),
    ('{"events": [{}, {"phase": "NOPE"}]}', {"content-type": JSON}, 400, "invalid_argument", "events[1].phase"),
    ('{"events": [{}, 7]}', {"content-type": JSON}, 400, "invalid_argument", "events[1]"),
    ('{"events": [{}, {"phase": }]}', {"content-type": JSON}, 400, "invalid_argument", "events[1]: JSON: "),
    ('{"events": [{}, {"evnt": 1}]}', {"content-type": JSON}, 400, "invalid_argument", "events[1]: ActionEvent: no such field"),
    (b"\x0a\x02\x10\x01\x0a\x06\x42\x04\x0a\x02\xff\xfe", {}, 400, "invalid_argument", "events[1].error_info.message: not UTF-8"),
    ('{"evnts": []}', {"content-type": JSON}, 400, "invalid_argument", "evnts"),
    ('{"events": [], "events": []}', {"content-type": JSON}, 400, "invalid_argument", "twice"),
    ('{"events": null}', {"content-type": JSON}, 400, "invalid_argument", "events: "),
    ('{"events": [{}]', {"content-type": JSON}, 400, "invalid_argument", "JSON"),
    ('{"events": [{}]} x', {"content-type": JSON}, 400, "invalid_argument", "JSON"),
    ("[]", {"content-type": JSON}, 400, "invalid_argument", "object"),
    (b"\x0a\x00" * 10001, {}, 429, "resource_exhausted", "message too large"),
    (b"x" * (4 * 1024 * 1024 + 1), {}, 429, "resource_exhausted", "message too large"),
    (gzip.compress(b"\0" * (4 * 1024 * 1024 + 1)), {"content-encoding": "gzip"}, 429, "resource_exhausted", "message too large"),
    (b"x", {"content-encoding": "gzip"}, 400, "invalid_argument", "gzip"),
    (b"", {"content-encoding": "gzip"}, 400, "invalid_argument", "events: "),                   # Connect leaves an empty body as it is
    (b"x", {"content-encoding": "br"}, 501, "unimplemented", "content-encoding"),
    (b"x", {"connect-protocol-version": "2"}, 400, "invalid_argument", "connect-protocol-version"),
    (b"x", {"connect-timeout-ms": "soon"}, 400, "invalid_argument", "connect-timeout-ms"),
    (b"x", {"connect-timeout-ms": ""}, 400, "invalid_argument", "connect-timeout-ms"),
    (b"x", {"connect-timeout-ms": "99999999999"}, 400, "invalid_argument", "connect-timeout-ms"),
    (b"x", {"connect-timeout-ms": "0"}, 504, "deadline_exceeded", "deadline"),
], ids=range(25))
def test_what_cannot_be_taken_is_told_as_connect_tells_it(both, body, headers, status, code, text):
    before = both.pipeline()["accepted"]
    got, answered, answer = request(both.http, "POST", PATH, body, {"content-type": PROTO, **headers})
    error = json.loads(answer)
    assert (got, error["code"]) == (status, code) and text in error["message"], answer
    assert answered["content-type"] == "application/json"
    assert "retry-after" not in answered                        # none of these is taken later
    assert answered.get("accept-encoding") == ("gzip,identity" if status == 501 else None)
    assert both.pipeline()["accepted"] == before                # of a bad batch nothing is kept


@pytest.mark.parametrize("listener", ["grpc", "http"])
def test_a_deadline_ends_the_wait_for_a_body(both, listener):
    """And of what had come nothing is kept."""
    before = both.pipeline()["accepted"]
    whole = http1.post(PATH, record(action(run_name="late")).SerializeToString(), PROTO, "Connect-Timeout-Ms: 20")
    with http1.Connection(getattr(both, listener)) as c:
        c.send(whole[:-1])
        status, _, body = c.answer("POST")
        assert (status, json.loads(body)["code"]) == (504, "deadline_exceeded") and "before the request had come" in json.loads(body)["message"]
        c.send(whole[-1:])
        c.no_more()
        assert c.closed()
    assert both.pipeline()["accepted"] == before


def test_its_own_client_is_told_what_is_wrong(both):
    client = EventsProxyServiceClientSync("http://" + both.http)
    for request_, code in ((record(), Code.INVALID_ARGUMENT), (record(action(error="x" * (5 << 20))), Code.RESOURCE_EXHAUSTED)):
        with pytest.raises(ConnectError) as refused:
            client.record(request_, timeout_ms=60000)
        assert refused.value.code == code and refused.value.message


def test_other_methods_and_types(both):
    for address in both.http, both.grpc:
        status, headers, body = request(address, "GET", PATH)
        assert (status, headers["allow"], json.loads(body)) == (405, "POST", {"code": "unknown", "message": "only POST is allowed"})
        for content_type in ("text/plain", "application/protobuf", "application/jsonx", "application/connect+proto"):
            status, headers, body = request(address, "POST", PATH, "x", {"content-type": content_type})
            assert status == 415 and headers["accept-post"] == "application/proto, application/json", content_type
            assert json.loads(body)["code"] == "unknown" and "content-type" in json.loads(body)["message"]
    assert request(both.http, "POST", PATH + "s", "x", {"content-type": PROTO})[0] == 404


def test_tokens_are_asked_for_in_both_protocols(gateway, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("executor:s3cret-of-the-executor\n")
    os.chmod(tokens, 0o600)
    g = gateway(f"ingest: {{http: {{listen: 127.0.0.1:0, auth: {{tokens_file: {tokens}}}}}}}\npipelines:\n"
                "  - {name: all, event_types: [action], format: {extensions: [traceparent]}, publisher: {type: file, path: all.jsonl}}\n")
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    client = EventsProxyServiceClientSync("http://" + g.http)
    with pytest.raises(ConnectError) as refused:
        client.record(record(action()), timeout_ms=60000)
    assert refused.value.code == Code.UNAUTHENTICATED
    assert request(g.http, "POST", PATH, "{}", {"content-type": JSON})[1]["www-authenticate"].startswith("Bearer ")
    client.record(record(action(), action()), timeout_ms=60000, headers={"authorization": "Bearer s3cret-of-the-executor", "traceparent": parent})
    with grpc.insecure_channel(g.http) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            events_grpc.EventsProxyServiceStub(channel).Record(record(action()), timeout=60)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    g.settled(2)
    assert [e["traceparent"] for e in g.lines()] == [parent, parent] and records(g) == ["executor", "executor"]


@pytest.mark.parametrize("way", ["--grpc", "--http"])
def test_send_sends_actions(both, way):
    before = both.pipeline()["accepted"]
    target = both.grpc if way == "--grpc" else "http://" + both.http
    assert "ok=5 failed=0" in run("send", way, target, "--kind", "action", "--count", 5, check=0).stdout
    both.settled()
    assert both.pipeline()["accepted"] == before + 5


def test_many_at_once_are_all_kept(both):
    def one(n):
        EventsProxyServiceClientSync("http://" + both.http).record(record(*[action(run_name=f"many-{n}", name=f"a{i}") for i in range(50)]),
                                                                  timeout_ms=60000)
    threads = [threading.Thread(target=one, args=(n,)) for n in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    both.settled()
    mine = [i for i in both.ids() if ":many-" in i]
    assert len(mine) == len(set(mine)) == 800
    for n in range(16):                                         # a run's order is that of its request
        assert [i.split(":")[3] for i in mine if f":many-{n}:" in i] == [f"a{i}" for i in range(50)]
