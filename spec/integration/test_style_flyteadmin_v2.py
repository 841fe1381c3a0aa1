"""format.style: flyteadmin-v2, against golden vectors of FlyteAdmin's own code and a FlyteAdmin that keeps their records."""
import base64
import glob
import json
import os
import signal

import grpc
import pytest
from flyteidl.admin import execution_pb2, task_execution_pb2, task_pb2, workflow_pb2
from flyteidl.core import identifier_pb2
from flyteidl.event import cloudevents_pb2
from google.protobuf import json_format

import flyte
from flyteadmin import Admin, served
from gateway import ROOT, free_port, run
from reloading import counts
from wait import wait_until

AROUND = {"workflow": cloudevents_pb2.CloudEventWorkflowExecution, "node": cloudevents_pb2.CloudEventNodeExecution,
          "task": cloudevents_pb2.CloudEventTaskExecution}


def vectors():
    for path in sorted(glob.glob(os.path.join(ROOT, "spec/golden/flyteadmin/*.json"))):
        with open(path, encoding="utf-8") as f:
            v = json.load(f)
        if "flyteadmin-v2" in v["styles"]:
            v["request"] = flyte.MESSAGES[v["kind"]].FromString(base64.b64decode(v["request_b64"]))
            v["v2"] = v["styles"]["flyteadmin-v2"]
            yield v


VECTORS = list(vectors())


def records(kind, execution_id, around):
    """FlyteAdmin's records from which its code made this message."""
    e = execution_pb2.Execution(id=execution_id)
    e.spec.labels.values.update(around.labels)
    e.closure.workflow_id.CopyFrom(identifier_pb2.Identifier(resource_type=identifier_pb2.WORKFLOW, project="p", domain="d", name="wf", version="v1"))
    if kind != "task":
        e.spec.metadata.principal = around.principal
        e.spec.metadata.artifact_ids.extend(around.artifact_ids)
        if around.HasField("launch_plan_id"):
            e.spec.launch_plan.CopyFrom(around.launch_plan_id)
    yield e
    if kind == "workflow":
        if around.HasField("reference_execution"):
            e.spec.metadata.reference_execution.CopyFrom(around.reference_execution)
        w = workflow_pb2.Workflow(id=e.closure.workflow_id)
        w.closure.compiled_workflow.primary.template.interface.CopyFrom(around.output_interface)
        yield w
    elif kind == "node" and around.HasField("task_exec_id"):
        for attempt in range(around.task_exec_id.retry_attempt + 1):
            t = task_execution_pb2.TaskExecution(id=around.task_exec_id)
            t.id.retry_attempt = attempt
            yield t
        t = task_pb2.Task(id=around.task_exec_id.task_id)
        if around.HasField("output_interface"):
            t.closure.compiled_task.template.interface.CopyFrom(around.output_interface)
        yield t


def of_vector(v):
    return records(v["kind"], flyte.execution_of(v["request"]), json_format.ParseDict(v["v2"]["enrichment"], AROUND[v["kind"]]()))


def together():
    """Vectors whose executions have the same records, so that one FlyteAdmin can have them all."""
    groups = {}
    for v in VECTORS:
        enrichment = {k: x for k, x in v["v2"]["enrichment"].items() if x != {}}
        groups.setdefault(json.dumps(enrichment, sort_keys=True), []).append(v)
    return list(groups.values())


def pipeline(name="all", more="", form=""):
    return f"  - {{name: {name}, format: {{style: flyteadmin-v2{form}}}, publisher: {{type: file, path: {name}.jsonl}}{more}}}\n"


def config(address=None, *pipelines):
    return (f"flyteadmin: {{address: {address}}}\n" if address else "") + "pipelines:\n" + "".join(pipelines or [pipeline()])


def send(g, *requests):
    with g.channel() as channel:
        for request in requests:
            flyte.send(channel, request)


def data_of(event):
    return json.loads(base64.b64decode(event["data_base64"]))


def test_vectors_cover_what_the_records_add():
    added = {k for v in VECTORS for k in v["v2"]["enrichment"]}
    assert added == {"labels", "principal", "launchPlanId", "artifactIds", "outputInterface", "taskExecId"} and len(VECTORS) == 18


@pytest.mark.parametrize("group", together(), ids=lambda g: g[0]["name"])
def test_it_is_flyteadmins_byte_for_byte(gateway, group):
    admin = Admin().keep(*[r for v in group for r in of_vector(v)])
    with served(admin) as address:
        g = gateway(config(address, *[pipeline(f"s{n}", form=f", id_spacing: {n}") for n in (1, 2)]))
        send(g, *[v["request"] for v in group])
        every = g.settled(len(group))
    for spacing in "1", "2":
        sent = [v for v in group if "data" in v["v2"]["id_spacing"][spacing]["nats"]]
        with open(g.path(f"s{spacing}.jsonl"), encoding="utf-8") as f:
            lines = f.read().split("\n")[:-1]
        for line, v in zip(lines, sent, strict=True):
            assert line == v["v2"]["id_spacing"][spacing]["nats"]["data"], v["name"]
            assert base64.b64decode(json.loads(line)["data_base64"]).decode() == v["v2"]["data"]
        assert every[f"s{spacing}"]["dead_lettered"] == len(group) - len(lines)
    if len(sent) < len(group):
        letters = run("dead", "list", "--json", "-c", g.config_file, check=0).stdout.splitlines()
        assert [json.loads(x)["reason"] for x in letters] == ["invalid_event"] * 2
        assert all("source" in json.loads(x)["error"] for x in letters)


def add_label(request, value):
    """The execution of a task event, with a label."""
    e = execution_pb2.Execution(id=flyte.execution_of(request))
    e.spec.labels.values["team"] = value
    return e


def test_it_is_tried_again_until_flyteadmin_is_there(gateway):
    port = free_port()
    g = gateway(config(f"127.0.0.1:{port}"))
    send(g, flyte.task(), flyte.task(phase="SUCCEEDED"), flyte.workflow(name="f2"))
    wait_until(lambda: "its execution: FlyteAdmin: " in (g.pipeline()["last_error"] or ""), g.log)
    wait_until(lambda: g.pipeline()["published"] == 1, g.log)              # another key, and no record is needed
    assert g.pipeline()["lag"] == 2 and g.pipeline()["up"]
    admin = Admin().keep(add_label(flyte.task(), "ml"))
    admin.fail = (grpc.StatusCode.UNAVAILABLE, "starting")
    with served(admin, port=port):
        wait_until(lambda: "its execution: FlyteAdmin: UNAVAILABLE: starting" in g.pipeline()["last_error"], g.log)
        assert g.pipeline()["lag"] == 2
        admin.fail = None
        g.settled(3)
    events = g.lines()[1:]
    assert [data_of(e)["rawEvent"]["phase"] for e in events] == ["RUNNING", "SUCCEEDED"]
    assert [data_of(e)["labels"] for e in events] == [{"team": "ml"}] * 2
    assert g.pipeline()["dead_lettered"] == 0 and not g.pipeline()["last_error"]


@pytest.mark.parametrize("policy", ["dead_letter", "publish_unchanged", "drop", "block"])
def test_what_flyteadmin_drops_is_a_dead_letter(gateway, policy):
    request = flyte.workflow(name="f3")
    request.event.ClearField("execution_id")
    with served(Admin().keep()) as address:
        g = gateway(config(address, pipeline(more=f", on_hook_error: {policy}")))
        send(g, flyte.task(), request, flyte.workflow(name="f2"))
        every = g.settled(3)
        assert every["all"]["dead_lettered"] == 2 and every["all"]["published"] == 1 and every["all"]["up"]
    letters = [json.loads(x) for x in run("dead", "list", "--json", "-c", g.config_file, check=0).stdout.splitlines()]
    assert {x["reason"] for x in letters} == {"invalid_event"}
    texts = "\n".join(sorted(x["error"] for x in letters))
    assert "its execution: FlyteAdmin: NOT_FOUND: missing entity of type Execution" in texts
    assert "FlyteAdmin refuses a workflow event without execution_id" in texts


def test_without_an_address_it_sends_what_needs_no_record(gateway):
    g = gateway(config())
    send(g, flyte.task(), flyte.node(phase="SUCCEEDED"), flyte.workflow(phase="SUCCEEDED"))
    g.settled(3)
    assert [list(data_of(e)) for e in g.lines()] == [["rawEvent"]] * 3


USER = """\
return function(event, request)
  event.team = event.data.labels.team
  event.data.labels.added = "by a hook"
end
"""
CHANGES = """\
return function(event, request)
  request.event.producer_id = "<hidden>"
end
"""


def test_hooks_see_the_finished_event_and_change_it(gateway):
    with served(Admin().keep(add_label(flyte.task(), "ml"))) as address:
        g = gateway(config(address, pipeline("user", ", hooks: [user.lua]"), pipeline("changes", ", hooks: [changes.lua]")),
                    files={"user.lua": USER, "changes.lua": CHANGES})
        send(g, flyte.task())
        g.settled(1)
    user, changed = g.lines("user.jsonl")[0], g.lines("changes.jsonl")[0]
    assert user["team"] == "ml" and data_of(user)["labels"] == {"team": "ml", "added": "by a hook"}
    text = base64.b64decode(changed["data_base64"]).decode()
    assert '"producerId":"\\u003chidden\\u003e"' in text and text.endswith('"labels":{"team":"ml"}}')


def test_every_workflow_event_can_have_what_the_records_add_and_a_reload_says_so(gateway):
    request = flyte.workflow(phase="RUNNING")
    around = cloudevents_pb2.CloudEventWorkflowExecution(principal="ann")
    with served(Admin().keep(*records("workflow", flyte.execution_of(request), around))) as address:
        g = gateway(config(address))
        send(g, request)
        g.settled(1)
        assert counts(g, config(address, pipeline(form=", enrich_all: true")))["changed"] == 1
        send(g, flyte.workflow(phase="SUCCEEDING"))
        g.settled(2)
    assert [data_of(e).get("principal") for e in g.lines()] == [None, "ann"]
    assert "outputInterface" in data_of(g.lines()[1])


def test_match_comes_before_the_records_and_the_other_rules_behind_them(gateway):
    admin = Admin().keep(add_label(flyte.task(), "ml"))
    with served(admin) as address:
        g = gateway(config(address, pipeline(more=", match: {project: flytesnacks, source: f1/*}, set: {source: /mine}")))
        send(g, flyte.task(project="other"), flyte.task())
        every = g.settled(2)
    assert every["all"]["filtered"] == 1 and [e["source"] for e in g.lines()] == ["/mine"]
    assert admin.asked == ["execution f1"]


def test_four_megabytes_fit_into_the_defaults(gateway):
    request = flyte.workflow(name="big", phase="FAILED", error="<" * (4 * 1024 * 1024 - 1000))
    g = gateway(config(None, pipeline(more=", hooks: [h.lua]")), files={"h.lua": "return function(event) event.seen = true end\n"})
    send(g, request, flyte.workflow())
    every = g.settled(2)
    assert every["all"]["published"] == 2, run("dead", "list", "-c", g.config_file).stdout
    assert data_of(g.lines()[0])["rawEvent"]["error"]["message"] == request.event.error.message and g.lines()[0]["seen"]


def test_events_that_came_as_cloudevents_are_left_alone(gateway):
    v = VECTORS[0]
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": v["v2"]["id_spacing"]["1"]["attributes"]["type"],
             "datacontenttype": "application/json", "data": json.loads(v["v2"]["data"])}
    g = gateway(config())
    assert g.post("/v1/events", json.dumps(event), "application/cloudevents+json")[0] == 202
    g.settled(1)
    assert g.lines()[0]["source"] == "/s"


def test_its_metrics_have_its_name(gateway):
    g = gateway(config())
    send(g, flyte.task())
    g.settled(1)
    assert g.metric("moongate_hook_seconds_count", hook="flyteadmin_v2") == 1


def test_check_try_and_diff_know_it(gateway, tmp_path):
    (tmp_path / "h.lua").write_text("return function(event) event.seen = event.source end\n")
    shown = run("try", tmp_path / "h.lua", "--kind", "node", "--style", "flyteadmin-v2", check=0).stdout
    assert "cloudevents.NodeExecution" in shown and "rawEvent" in shown and "/n0" in shown
    admin = Admin().keep(add_label(flyte.task(), "ml"))
    with served(admin) as address:
        g = gateway("log: {retain: 1h}\n" + config(address))
        run("check", "--strict", "-c", g.config_file, check=0)
        shown = run("try", tmp_path / "h.lua", "-c", g.config_file, "--kind", "task", check=1).stdout
        assert "failed: invalid_event" in shown and "its execution: FlyteAdmin: NOT_FOUND" in shown, shown
        send(g, flyte.task(), flyte.workflow())
        g.settled(2)
        assert g.stop() == 0
        done = run("log", "replay", "--diff", "-c", g.config_file, "--pipeline", "all", "--script", tmp_path / "h.lua")
        assert done.returncode == 0 and "+" in done.stdout and "f1/n0/0" in done.stdout, done.stdout + done.stderr


def test_a_script_of_a_users_own_may_call_it(gateway):
    script = """\
local moongate = require "moongate"
local v2 = require "moongate.flyteadmin_v2" ()
return {event_types = v2.event_types, on_event = function(event, request, flyte)
  local own = moongate.copy(event)
  local told, why = v2.on_event(own, request, flyte)
  if why then return told, why end
  return {event, own}
end}
"""
    with served(Admin().keep(add_label(flyte.task(), "ml"))) as address:
        g = gateway(config(address).replace("format: {style: flyteadmin-v2}", "hooks: [h.lua]"), files={"h.lua": script})
        send(g, flyte.task())
        g.settled(1)
    first, second = g.lines()
    assert second["source"] == "f1/n0/0" and first["source"] != second["source"]
    assert second["data"]["labels"] == {"team": "ml"}


def test_a_broken_script_leaves_the_pipeline_down_until_it_is_mended(gateway, tmp_path):
    """The folder of shipped scripts is another one, so that it can be broken."""
    lua = tmp_path / "lua"
    os.system(f"cp -r {ROOT}/lua {lua}")
    path = lua / "moongate/flyteadmin_v2.lua"
    good = path.read_text()
    g = gateway(config(), env={"MOONGATE_LUA": str(lua)})
    send(g, flyte.workflow())
    g.settled(1)
    path.write_text("not lua")
    wait_until(lambda: "flyteadmin_v2.lua:1" in (g.pipeline()["last_error"] or ""), g.log)
    send(g, flyte.workflow(phase="SUCCEEDING"))
    g.settled(2)                                                          # what ran goes on
    path.write_text(good.replace("/end-node", "/END"))
    wait_until(lambda: not g.pipeline()["last_error"], g.log)
    g.signal(signal.SIGHUP)
    send(g, flyte.workflow(phase="SUCCEEDED"))
    g.settled(3)
    assert [e["source"] for e in g.lines()] == ["f1/end-node", "f1/end-node", "f1/END"]
