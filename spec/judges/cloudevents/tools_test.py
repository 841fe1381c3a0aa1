"""Other people's command lines: CloudEvents' conformance tool and grpcurl."""
import base64
import json
import os
import subprocess

from google.protobuf import json_format

import certificates
import flyte
from gateway import ROOT

TOOLS = os.environ.get("TOOLS") or os.path.join(ROOT, "build/tools")
FILE = "pipelines:\n  - {name: all, publisher: {type: file, path: all.jsonl}}\n"
ADMIN = "flyteidl.service.AdminService"
RECORD = "flyteidl2.workflow.EventsProxyService/Record"


def run(*argv, text=None, check=0):
    done = subprocess.run(list(map(str, argv)), input=text, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode == 0) == (check == 0), (argv, done.stdout, done.stderr)
    return done.stdout + done.stderr


# ---- the conformance tool

def cloudevents(*args):
    return run(os.path.join(TOOLS, "cloudevents/cloudevents"), *args)


def test_its_samples_are_taken(gateway):
    g = gateway(FILE)
    url = f"http://{g.http}/v1/events"
    cloudevents("invoke", url, "-f", os.path.join(TOOLS, "cloudevents/yaml/v1.yaml"))
    cloudevents("invoke", url, "-f", os.path.join(TOOLS, "cloudevents/yaml/v1.0"))
    g.settled(8)
    binary, structured, *minimum = g.lines()
    for each in (binary, structured):
        assert each == {"specversion": "1.0", "id": "4321-4321-4321", "source": "/mycontext/subcontext", "type": "com.example.someevent",
                        "time": "2018-04-05T03:56:24Z", "comexampleextension1": "value", "comexampleextension2": '{"othervalue": 5}', **data_of(each, {"world": "hello"})}
    assert [e["id"] for e in minimum] == [f"conformance-000{i}" for i in range(1, 7)]
    for each, want in zip(minimum, ["Hello, World!", "Hello, 🌎!", "Hello, 🌎!", {"msg": "Hello, 🌎!"}, ["Hello", "🌎!"], "<msg>Hello, 🌎!</msg>"]):
        got = each["data"] if "data" in each else base64.b64decode(each["data_base64"]).decode()
        assert (got.strip() if isinstance(got, str) else got) == want, each


def data_of(event, want):
    """Binary without a content type is bytes."""
    if "data_base64" in event:
        assert json.loads(base64.b64decode(event["data_base64"])) == want
        return {"data_base64": event["data_base64"]}
    return {"data": want}


def test_what_it_sends_is_taken(gateway):
    g = gateway(FILE)
    for mode in ("binary", "structured"):
        cloudevents("send", f"http://{g.http}/v1/events", "--id", mode, "--source", "/s", "--type", "t", "--subject", "x",
                    "--mode", mode, "--datacontenttype", "application/json", "--data", '{"a":1}', "--extension", "team=ml")
    g.settled(2)
    for mode, got in zip(("binary", "structured"), g.lines(), strict=True):
        assert got == {"specversion": "1.0", "id": mode, "source": "/s", "type": "t", "subject": "x", "team": "ml", "datacontenttype": "application/json",
                       "data": {"a": 1}}


# ---- grpcurl

def grpcurl(*args, **options):
    return run(os.path.join(TOOLS, "bin/grpcurl"), "-plaintext", *args, **options)


def test_grpcurl_lists_describes_and_calls(gateway):
    g = gateway(FILE)
    assert {ADMIN, RECORD.split("/", maxsplit=1)[0], "grpc.health.v1.Health"} <= set(grpcurl(g.grpc, "list").split())
    assert "CreateTaskEvent" in grpcurl(g.grpc, "list", ADMIN)
    assert "rpc CreateTaskEvent ( .flyteidl.admin.TaskExecutionEventRequest )" in grpcurl(g.grpc, "describe", f"{ADMIN}.CreateTaskEvent")
    assert '"SERVING"' in grpcurl(g.grpc, "grpc.health.v1.Health/Check")
    sent = flyte.workflow(name="curled")
    assert grpcurl("-d", "@", g.grpc, f"{ADMIN}/CreateWorkflowEvent", text=json_format.MessageToJson(sent)).strip() == "{}"
    actions = json.dumps({"events": [{"id": {"run": {"name": "r"}, "name": f"a{i}"}, "attempt": 1, "phase": "ACTION_PHASE_RUNNING"} for i in range(2)]})
    assert grpcurl("-d", actions, g.grpc, RECORD).strip() == "{}"
    assert grpcurl("-protoset", os.path.join(ROOT, "spec/golden/flyteidl2.desc"), "-d", actions, g.http, RECORD).strip() == "{}"   # no reflection there
    g.settled(5)
    assert [e["id"] for e in g.lines()[1:]] == ["::r:a0:1:RUNNING:0", "::r:a1:1:RUNNING:0"] * 2
    flyte.assert_documented(g.lines()[0], sent, same_bytes=False)
    assert "Code: InvalidArgument" in grpcurl("-d", '{"events": []}', g.grpc, RECORD, check=1)
    said = grpcurl("-d", "@", g.grpc, f"{ADMIN}/CreateTaskEvent", text=json.dumps({"requestId": "x" * (5 << 20)}), check=1)
    assert "Code: ResourceExhausted" in said and "message too large" in said


def test_grpcurl_over_tls_with_a_token(gateway):
    g = gateway("ingest:\n  grpc: {listen: 127.0.0.1:0, tls: {cert: tls/server.pem, key: tls/server.key}, auth: {tokens_file: tokens}}\n" + FILE, started=False,
                files={"tokens": "me: sesame-of-the-judges\n"})
    os.chmod(g.path("tokens"), 0o600)
    certificates.authority(g.path("tls"))
    certificates.certificate(g.path("tls"), "server")
    g.start()
    call = [os.path.join(TOOLS, "bin/grpcurl"), "-cacert", g.path("tls/ca.pem"), "-d", '{"requestId": "r"}']
    assert "code = Unauthenticated desc = " in run(*call, g.grpc, f"{ADMIN}/CreateTaskEvent", check=1)
    assert run(*call, "-H", "authorization: Bearer sesame-of-the-judges", g.grpc, f"{ADMIN}/CreateTaskEvent").strip() == "{}"
    g.settled(1)
