"""moongate.flyte: hooks that ask a FlyteAdmin, which is a stand-in made of flyteidl's own stubs."""
import contextlib
import json
import os
import socket
import threading

import grpc
import pytest
from flyteidl.admin import task_execution_pb2, workflow_pb2
from flyteidl.core import identifier_pb2

import flyte
from flyteadmin import Admin, served, token_endpoint
from gateway import run
from reloading import counts
from wait import wait_until

TASK = """\
local moongate = require "moongate"
return {event_types = {"task"}, on_event = function(event, request)
  local task, why = moongate.flyte.task(request.event.task_id)
  event.what = task and task.closure.compiled_task.template.type or moongate.clean(why)
end}
"""
EXECUTION = """\
local moongate = require "moongate"
return function(event, request, flyte)
  local e, why = moongate.flyte.execution(flyte.project .. ":" .. flyte.domain .. ":" .. flyte.execution)
  event.what = e and e.spec.launch_plan.name or moongate.clean(why)
end
"""
WORKFLOW = """\
local moongate = require "moongate"
return function(event, request, flyte)
  local w, why = moongate.flyte.workflow {project = flyte.project, domain = flyte.domain, name = "wf", version = "v1"}
  event.what = w and #w.closure.compiled_workflow.primary.template.nodes or moongate.clean(why)
end
"""


def config(address, more="", workers=1, limits="{timeout: 60s}"):
    return (f"flyteadmin: {{address: {address}{more}}}\n"
            f"pipelines: [{{name: all, hooks: [h.lua], workers: {workers}, hook_limits: {limits}, publisher: {{type: file, path: all.jsonl}}}}]\n")


def send(g, *requests):
    with g.channel() as channel:
        for request in requests:
            flyte.send(channel, request)


def none(name):
    """An event of a task that FlyteAdmin does not have."""
    request = flyte.task(name=name)
    request.event.task_id.name = "none"
    return request


def whats(g, n):
    """The attribute `what` of the first n events."""
    g.settled(n)
    with open(os.path.join(g.folder, "all.jsonl"), encoding="utf-8") as f:
        return [json.loads(line).get("what") for line in f]


def test_it_gives_tasks_executions_and_workflows(gateway):
    admin = Admin()
    with served(admin) as address:
        for i, (script, request, what, asked) in enumerate([
                (TASK, flyte.task(), "spark", "task wf.t v1 1"), (EXECUTION, flyte.workflow(), "nightly", "execution f1"),
                (WORKFLOW, flyte.workflow(), 1, "workflow wf v1")]):
            g = gateway(config(address), files={"h.lua": script}, name=f"g{i}")
            send(g, request)
            assert whats(g, 1) == [what]
            assert admin.asked[-1] == asked


STORED = """\
local moongate = require "moongate"
return function(event)
  local w, why, code = moongate.flyte.workflow("flytesnacks:development:wf:" .. moongate.params.version, {stored = true})
  event.what = w and w.closure.compiled_workflow.primary.template.interface.inputs.variables.n.description or code .. " " .. why
end
"""
ATTEMPT = """\
local moongate = require "moongate"
return function(event, request)
  local attempt, why, code = moongate.flyte.task_execution(request.event.id, {max_age = moongate.params.max_age})
  event.what = attempt and attempt.id.retry_attempt or code .. " " .. why
end
"""


def stored_workflow():
    w = workflow_pb2.Workflow(id=identifier(identifier_pb2.WORKFLOW, "wf"))
    w.closure.compiled_workflow.primary.template.interface.inputs.variables["n"].description = "how often"
    return w


def identifier(kind, name):
    return identifier_pb2.Identifier(resource_type=kind, project="flytesnacks", domain="development", name=name, version="v1")


def attempt(number, node_id="n0"):
    return task_execution_pb2.TaskExecution(id=identifier_pb2.TaskExecutionIdentifier(
        task_id=identifier(identifier_pb2.TASK, "wf.t"), retry_attempt=number,
        node_execution_id=identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=flyte.execution("f1"))))


def with_params(address, params):
    return config(address).replace("hooks: [h.lua]", f"hooks: [h.lua], params: {params}")


def test_a_stored_workflow_comes_from_a_list(gateway):
    admin = Admin().keep(stored_workflow())
    with served(admin) as address:
        for version, what in [("v1", "how often"), ("v2", "NOT_FOUND FlyteAdmin: NOT_FOUND: the list is empty"),
                              ("v1+eq(name;x)", "NOT_FOUND FlyteAdmin: NOT_FOUND: no version has such characters")]:
            g = gateway(with_params(address, f'{{version: "{version}"}}'), files={"h.lua": STORED}, name=version)
            send(g, flyte.workflow(), flyte.workflow(phase="SUCCEEDED"))
            assert whats(g, 2) == [what] * 2
        assert admin.asked == ["stored wf eq(version,v1) 1", "stored wf eq(version,v2) 1"]       # kept, also that there is none


def test_the_last_attempt_is_asked_anew_unless_an_old_one_will_do(gateway):
    admin = Admin().keep(attempt(0), attempt(2), attempt(1), attempt(7, "n1"))
    with served(admin) as address:
        g = gateway(with_params(address, "{}"), files={"h.lua": ATTEMPT})
        send(g, flyte.node(phase="QUEUED"))
        assert whats(g, 1) == [2]
        admin.keep(attempt(3))
        send(g, flyte.node(), flyte.node(node_id="end-node"))
        assert whats(g, 3)[1:] == [3, "NOT_FOUND FlyteAdmin: NOT_FOUND: the list is empty"]
        assert admin.asked == ["attempts n0 retry_attempt 1"] * 2 + ["attempts end-node retry_attempt 1"]
        old = gateway(with_params(address, "{max_age: 3600}"), files={"h.lua": ATTEMPT}, name="old")
        send(old, flyte.node(phase="QUEUED"))
        assert whats(old, 1) == [3]
        admin.keep(attempt(4))
        send(old, flyte.node())
        assert whats(old, 2) == [3, 3]


def test_what_must_not_be_old_is_no_answer_to_an_earlier_question(gateway):
    admin = Admin().keep(attempt(0))
    admin.gate = threading.Event()
    with served(admin) as address:
        g = gateway(with_params(address, "{}"), files={"h.lua": ATTEMPT.replace("request.event.id", '"flytesnacks:development:f1:n0"')})
        send(g, flyte.node(name="a"), flyte.node(name="b"))
        wait_until(lambda: len(admin.asked) == 2, g.log)
        admin.gate.set()
        assert whats(g, 2) == [0, 0]


def test_an_execution_may_be_as_old_as_a_hook_says(gateway):
    script = EXECUTION.replace("flyte.execution)", "flyte.execution, {max_age = request.event.phase == 'QUEUED' and 0 or 3600})")
    admin = Admin()
    with served(admin) as address:
        g = gateway(config(address), files={"h.lua": script})
        send(g, flyte.workflow(phase="QUEUED"), flyte.workflow(), flyte.workflow(phase="SUCCEEDED"))
        assert whats(g, 3) == ["nightly"] * 3
        assert len(admin.asked) == 1
        send(g, flyte.workflow(phase="QUEUED"))
        assert whats(g, 4) == ["nightly"] * 4
        assert len(admin.asked) == 2


def test_an_id_of_an_event_that_lacks_a_part_names_nothing(gateway):
    admin = Admin()
    with served(admin) as address:
        g = gateway(config(address), files={"h.lua": EXECUTION.replace(
            'flyte.project .. ":" .. flyte.domain .. ":" .. flyte.execution', "request.event.execution_id")})
        send(g, flyte.workflow(name=""))
        assert whats(g, 1) == ["FlyteAdmin: NOT_FOUND: the id has no name"]
        assert not admin.asked


def test_answers_are_kept_for_all_workers(gateway):
    admin = Admin()
    with served(admin) as address:
        g = gateway(config(address, workers=4), files={"h.lua": TASK})
        send(g, flyte.task(name="first"))
        assert whats(g, 1) == ["spark"]
        send(g, *[flyte.task(name=f"f{i}") for i in range(200)])
        assert whats(g, 201) == ["spark"] * 201
        assert len(admin.asked) == 1
        send(g, none("f1"), none("f2"))
        assert set(whats(g, 203)[201:]) == {"FlyteAdmin: NOT_FOUND: no task “none”, 100%"}
        assert len(admin.asked) <= 3                      # f1 and f2 may be with different workers at a time


def test_hooks_that_ask_the_same_share_a_call_and_others_go_on(gateway):
    admin = Admin()
    admin.gate = threading.Event()
    with served(admin) as address:
        g = gateway(config(address), files={"h.lua": TASK})
        send(g, *[flyte.task(name=f"f{i}") for i in range(50)])
        wait_until(lambda: admin.asked, g.log)
        send(g, flyte.workflow(name="other"))             # its key waits for nothing: the hook is not for it
        wait_until(lambda: g.pipeline()["published"] == 1, g.log)
        admin.gate.set()
        assert sorted(map(str, whats(g, 51))) == ["None"] + ["spark"] * 50
        assert len(admin.asked) == 1


def test_what_goes_wrong_is_nil_and_a_message(gateway):
    admin = Admin()
    with served(admin) as address:
        g = gateway(config(address), files={"h.lua": EXECUTION})
        admin.fail = (grpc.StatusCode.PERMISSION_DENIED, "not yours")
        send(g, flyte.workflow(name="a"))
        assert whats(g, 1) == ["FlyteAdmin: PERMISSION_DENIED: not yours"]
        admin.fail = None
        send(g, flyte.workflow(name="a", phase="SUCCEEDED"))              # a failure is not kept
        assert whats(g, 2)[1] == "nightly"
    send(g, flyte.workflow(name="b"))
    assert whats(g, 3)[2].startswith("FlyteAdmin: ")                    # nobody listens any more
    send(g, flyte.workflow(name="a", phase="FAILED"))
    assert whats(g, 4)[3] == "nightly"                                   # kept


def test_without_an_address_there_is_none(gateway):
    g = gateway("pipelines: [{name: all, hooks: [h.lua], publisher: {type: file, path: all.jsonl}}]\n", files={"h.lua": EXECUTION})
    send(g, flyte.workflow())
    assert whats(g, 1) == ["no FlyteAdmin is configured: flyteadmin.address"]


def test_a_slow_flyteadmin_ends_as_hook_timeout(gateway):
    admin = Admin()
    admin.gate = threading.Event()
    with served(admin) as address:
        g = gateway(config(address, limits="{timeout: 1s}"), files={"h.lua": EXECUTION})
        send(g, flyte.workflow(name="a"))
        wait_until(lambda: g.pipeline()["dead_lettered"] == 1, g.log)
        assert 'reason="hook_timeout"' in g.get("/metrics")[1]
        admin.gate.set()
        wait_until(lambda: g.pipeline()["lag"] == 0, g.log)
        send(g, flyte.workflow(name="b"))
        wait_until(lambda: g.pipeline()["published"] == 1, g.log)


def test_it_logs_in_where_flyteadmin_says_once_it_is_refused(gateway):
    admin = Admin()
    admin.accepts = {"Bearer t1"}
    with token_endpoint(admin) as forms, served(admin) as address:
        g = gateway(config(address, ", client_id: propeller, client_secret_file: secret", workers=4),
                    files={"h.lua": EXECUTION, "secret": "s3cret\n"})
        send(g, *[flyte.workflow(name=f"f{i}") for i in range(20)])
        assert whats(g, 20) == ["nightly"] * 20
        assert len(forms) == 1
        assert forms[0]["grant_type"] == "client_credentials" and forms[0]["scope"] == "all offline"
        assert forms[0]["audience"] == "https://flyte" and forms[0]["basic"] == "Basic cHJvcGVsbGVyOnMzY3JldA=="
        assert admin.tokens[0] is None and admin.tokens[-1] == "Bearer t1"
        assert "s3cret" not in g.log() and "t1" not in g.log()


def test_a_token_is_renewed_at_half_its_life_and_after_a_refusal(gateway):
    admin = Admin()
    admin.accepts = {"Bearer t1", "Bearer t2", "Bearer t3"}
    with token_endpoint(admin, lives=2) as forms, served(admin) as address:
        g = gateway(config(address, ", client_id: propeller, client_secret: s"), files={"h.lua": EXECUTION})
        send(g, flyte.workflow(name="a"))
        assert whats(g, 1) == ["nightly"]
        n = 1
        while len(forms) < 2:                             # each asks with what it has; from half its life on, one renews it
            n += 1
            send(g, flyte.workflow(name=f"f{n}"))
            g.settled(n)
            assert n < 2000
        admin.accepts = {"Bearer t3"}
        send(g, flyte.workflow(name="z"))
        assert whats(g, n + 1)[-1] == "nightly"


def test_a_login_that_fails_is_a_message(gateway):
    admin = Admin()
    admin.accepts = {"Bearer other"}
    with token_endpoint(admin, status=403), served(admin) as address:
        g = gateway(config(address, ", client_id: propeller, client_secret: s"), files={"h.lua": EXECUTION})
        send(g, flyte.workflow(name="a"))
        assert whats(g, 1) == ["FlyteAdmin: login: the token endpoint answers HTTP 403"]
        admin.token_url = "nowhere"
        send(g, flyte.workflow(name="b"))
        assert whats(g, 2)[1] == "FlyteAdmin: login: GetOAuth2Metadata: its token_endpoint is no URL"


def test_refused_tokens_are_told_and_not_tried_for_ever(gateway):
    admin = Admin()
    admin.accepts = set()
    with token_endpoint(admin) as forms, served(admin) as address:
        g = gateway(config(address, ", client_id: propeller, client_secret: s"), files={"h.lua": EXECUTION})
        send(g, flyte.workflow(name="a"))
        assert whats(g, 1) == ["FlyteAdmin: UNAUTHENTICATED: token is missing or bad"]
        assert len(forms) == 1 and len(admin.asked) == 2


def test_a_large_workflow_arrives_whole(gateway):
    admin = Admin()
    admin.nodes = 3000                                    # 3 MB
    with served(admin) as address:
        g = gateway(config(address), files={"h.lua": WORKFLOW})
        send(g, flyte.workflow())
        assert whats(g, 1) == [3000]


def test_an_answer_counts_as_memory(gateway):
    admin = Admin()
    admin.nodes = 3000
    with served(admin) as address:
        g = gateway(config(address, limits="{memory: 2MiB, timeout: 60s}"), files={"h.lua": WORKFLOW})
        send(g, flyte.workflow())
        wait_until(lambda: g.pipeline()["dead_lettered"] == 1, g.log)
        assert 'reason="hook_memory"' in g.get("/metrics")[1]


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def headers(*pairs):
    """HPACK without its tables: literals that are never indexed."""
    out = b""
    for name, value in pairs:
        out += b"\x10" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    return out


HEAD = headers((":status", "200"), ("content-type", "application/grpc"))
ANSWERS = {
    "nothing behind the head": ([frame(1, 4, 1, HEAD), frame(0, 1, 1, b"\0\0\0\0\0")], "the answer has no grpc-status"),
    "a compressed message": ([frame(1, 4, 1, HEAD), frame(0, 0, 1, b"\1\0\0\0\1x"), frame(1, 5, 1, headers(("grpc-status", "0")))],
                             "the answer is no message of gRPC"),
    "a length that lies": ([frame(1, 4, 1, HEAD), frame(0, 0, 1, b"\0\0\0\1\0xx"), frame(1, 5, 1, headers(("grpc-status", "0")))],
                           "the answer is no message of gRPC"),
    "no message": ([frame(1, 4, 1, HEAD), frame(1, 5, 1, headers(("grpc-status", "0")))], "the answer is no message of gRPC"),
    "bytes that are no Execution": ([frame(1, 4, 1, HEAD), frame(0, 0, 1, b"\0\0\0\0\2\x0a\xff"), frame(1, 5, 1, headers(("grpc-status", "0")))],
                                    None),
    "trailers alone": ([frame(1, 5, 1, HEAD + headers(("grpc-status", "7"), ("grpc-message", "go%20away%0A")))],
                       "FlyteAdmin: PERMISSION_DENIED: go away"),
    "a status that is no number": ([frame(1, 5, 1, HEAD + headers(("grpc-status", "x7")))], "the answer has no grpc-status"),
    "a page of a proxy": ([frame(1, 5, 1, headers((":status", "502")))], "it answers HTTP 502"),
    "a reset": ([frame(3, 0, 1, (2).to_bytes(4, "big"))], None),
    "the end": ([], None),
}


@contextlib.contextmanager
def raw_server(frames):
    """Answers the first request of a connection with these frames; without any it closes."""
    listener, connections = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                s, _ = listener.accept()
                connections.append(s)
                with s:
                    s.sendall(frame(4, 0, 0))
                    seen = b""
                    while b"\0\1\0\0\0\1" not in seen:          # DATA that ends stream 1
                        got = s.recv(4096)
                        if not got:
                            break
                        seen += got
                    s.sendall(frame(4, 1, 0) + b"".join(frames))
                    if not frames:
                        s.shutdown(socket.SHUT_WR)
                    while s.recv(4096):
                        pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield "127.0.0.1:%d" % listener.getsockname()[1]
    finally:
        for s in [listener, *connections]:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_that_are_none_of_grpc(gateway, name):
    frames, why = ANSWERS[name]
    with raw_server(frames) as address:
        g = gateway(config(address), files={"h.lua": EXECUTION})
        send(g, flyte.workflow())
        what = whats(g, 1)[0]
        assert isinstance(what, str) and what != "nightly"
        assert why is None or why in what, what
        assert g.pipeline()["up"]


def test_with_tls_it_checks_who_answers(gateway, tmp_path):
    key, cert = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    assert os.system(f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {cert} -days 2 -subj /CN=localhost "
                     f"-addext subjectAltName=IP:127.0.0.1 2>/dev/null") == 0
    with open(key, "rb") as k, open(cert, "rb") as c:
        credentials = grpc.ssl_server_credentials([(k.read(), c.read())])
    admin = Admin()
    with served(admin, credentials) as address:
        g = gateway(config(address, f", tls: {{ca: {cert}}}"), files={"h.lua": EXECUTION})
        send(g, flyte.workflow())
        assert whats(g, 1) == ["nightly"]
        other = gateway(config(address, ", tls: {}"), files={"h.lua": EXECUTION}, name="other")
        send(other, flyte.workflow())
        assert "certificate" in whats(other, 1)[0]


@pytest.mark.parametrize("section, why", [
    ("{address: 'a b'}", 'flyteadmin.address: expected HOST:PORT as flyteadmin:81, not "a b"'),
    ("{address: 'flyteadmin'}", 'flyteadmin.address: expected HOST:PORT as flyteadmin:81, not "flyteadmin"'),
    ("{client_id: x, client_secret: y}", "flyteadmin: address is missing"),
    ("{address: 'a:1', client_id: x}", "flyteadmin: client_id and client_secret (or client_secret_file) go together"),
    ("{address: 'a:1', tls: {ca: none.pem}}", "none.pem: No such file or directory"),
    ("{adress: 'a:1'}", 'did you mean "address"?')])
def test_check_says_what_is_wrong_with_its_section(tmp_path, section, why):
    path = tmp_path / "c.yaml"
    path.write_text(f"flyteadmin: {section}\n")
    done = run("check", "-c", path, check=1)
    assert why in done.stdout, done.stdout


def test_a_change_of_its_section_is_taken_by_a_reload(gateway):
    first, second = Admin(), Admin()
    with served(first) as a, served(second) as b:
        g = gateway(config(a), files={"h.lua": EXECUTION})
        send(g, flyte.workflow(name="a"))
        assert whats(g, 1) == ["nightly"]
        assert counts(g, config(b))["changed"] == 1
        send(g, flyte.workflow(name="b"))
        assert whats(g, 2) == ["nightly"] * 2
        assert len(first.asked) == len(second.asked) == 1


SPEC = """\
local gate = require "moongate.test"

describe("moongate.flyte", function()
  local hook = gate.hook("h.lua")
  it("is answered by the spec", function()
    local asked = gate.flyteadmin {execution = {["flytesnacks:development:f1"] = {spec = {launch_plan = {name = "weekly"}}},
                                                ["flytesnacks:development:f2"] = "PERMISSION_DENIED"}}
    assert.equal("weekly", hook(gate.workflow {execution = "f1"})[1].what)
    assert.equal("FlyteAdmin: PERMISSION_DENIED", hook(gate.workflow {execution = "f2"})[1].what)
    assert.equal("FlyteAdmin: NOT_FOUND", hook(gate.workflow {execution = "f3"})[1].what)
    assert.same({"execution flytesnacks:development:f1", "execution flytesnacks:development:f2",
                 "execution flytesnacks:development:f3"}, asked)
  end)
  it("raises where it gave no answer", function()
    assert.has_error(function() hook(gate.workflow {}) end)
    assert.matches("no answer was given: gate.flyteadmin", hook.last.text)
  end)
  it("says what is wrong with its own records", function()
    assert.has_error(function() gate.flyteadmin {tasks = {}} end)
    gate.flyteadmin {execution = {["flytesnacks:development:f1"] = {spek = {}}}}
    assert.has_error(function() hook(gate.workflow {execution = "f1"}) end)
    assert.matches('did you mean "spec"', hook.last.text)
  end)
end)
"""


def test_specs_answer_it(tmp_path):
    (tmp_path / "h.lua").write_text(EXECUTION)
    (tmp_path / "h_spec.lua").write_text(SPEC)
    run("test", tmp_path, check=0)


@pytest.mark.parametrize("call, why", [
    ('execution "a:b"', '"a:b" is no "project:domain:name"'),
    ("execution {project = 'a', domain = 'b'}", "the id has no name"),
    ("execution {projct = 'a'}", 'did you mean "project"?'),
    ("task {project = 'a', domain = 'b', name = 'c'}", "the id has no version"),
    ("task(r.event.execution_id)", "the id is a message Identifier, not WorkflowExecutionIdentifier"),
    ("workflow(5)", 'the id is a table, a message or "project:domain:name:version", not 5'),
    ("workflow()", "bad argument #1"),
    ("execution(('x'):rep(5000) .. ':b:c')", "4096 at most"),
    ("task_execution 'a:b:c'", '"a:b:c" is no "project:domain:name:node"'),
    ("task_execution {node_id = 'n0'}", "the id has no project")])
def test_wrong_ids_raise(gateway, call, why):
    admin = Admin()
    with served(admin) as address:
        g = gateway(config(address), files={"h.lua": f"local m = require 'moongate'\nreturn function(e, r) m.flyte.{call} end\n"})
        send(g, flyte.workflow())
        wait_until(lambda: g.pipeline()["dead_lettered"] == 1, g.log)
        assert why in run("dead", "list", "--json", "-c", g.config_file, check=0).stdout.replace('\\"', '"')
        assert not admin.asked


def test_in_a_coroutine_of_its_own_a_script_cannot_wait(gateway):
    admin = Admin()
    with served(admin) as address:
        script = """local m = require "moongate"
return function(e)
  local ok, why = coroutine.resume(coroutine.create(function() return m.flyte.execution("a:b:c") end))
  e.what = m.clean(why, 200)
end
"""
        g = gateway(config(address), files={"h.lua": script})
        send(g, flyte.workflow())
        assert "cannot wait, only its hook can" in whats(g, 1)[0]
