"""CloudEvents that carry a request, FlyteAdmin's own of both versions and documented ones: event_types goes by what they carry."""
import base64
import json
import os

import flyte
from gateway import ROOT, run

CONFIG = """\
log: {path: data, retain: 24h}
pipelines:
  - {name: all, hooks: [mark.lua], publisher: {type: file, path: all.jsonl}}
  - {name: tasks, event_types: [task], publisher: {type: file, path: tasks.jsonl}}
  - {name: flyte, event_types: [workflow, node, task, action], publisher: {type: file, path: flyte.jsonl}}
  - {name: rest, event_types: [other], publisher: {type: file, path: rest.jsonl}}
"""
MARK = 'return {event_types = {"task"}, on_event = function(event, request) event.seen = request.event.task_id.name end}\n'


def vector(name, style):
    """A structured event as FlyteAdmin sends it."""
    with open(os.path.join(ROOT, "spec/golden/flyteadmin", name + ".json"), encoding="utf-8") as f:
        return json.loads(json.load(f)["styles"][style]["id_spacing"]["1"]["nats"]["data"])


def documented(request):
    return {"specversion": "1.0", "id": flyte.id_of(request), "source": "/s", "type": "com.flyte.resource." + flyte.kind_of(request),
            "datacontenttype": "application/protobuf", "data_base64": base64.b64encode(request.SerializeToString()).decode()}


EVENTS = {"task": [vector("task-queued", "flyteadmin"), vector("task-failed-retries", "flyteadmin-v2"), documented(flyte.task())],
          "node": [vector("node-failed", "flyteadmin"), documented(flyte.node())],
          "workflow": [vector("workflow-queued", "flyteadmin"), vector("workflow-failed-user", "flyteadmin-v2")],
          "other": [{"specversion": "1.0", "id": "o", "source": "/s", "type": "com.flyte.resource.cloudevents.ExecutionStart"}]}
ALL = [e for kind in EVENTS.values() for e in kind]


def ids(*kinds):
    return [e["id"] for kind in kinds for e in EVENTS[kind]]


def post(g, events):
    status, _, text = g.post("/v1/events", json.dumps(events), "application/cloudevents-batch+json")
    assert status == 202, text


def dumped(g, *args):
    return [json.loads(line) for line in run("log", "dump", "-c", g.config_file, *args, check=0).stdout.splitlines()]


def test_event_types_go_by_the_request_through_restart_and_replay(gateway):
    broken = CONFIG.replace("path: tasks", "path: none/tasks")
    g = gateway(broken, files={"mark.lua": MARK})
    post(g, ALL)
    g.settled(len(ALL), "all")
    state = g.settled(len(ALL), "flyte")["flyte"]
    assert (state["published"], state["filtered"]) == (7, 1)
    assert g.settled(len(ALL), "rest")["rest"]["published"] == 1 and g.ids("rest.jsonl") == ["o"]
    assert sorted(g.ids("flyte.jsonl")) == sorted(ids("task", "node", "workflow"))
    assert {e["id"]: e.get("seen") for e in g.lines()} == {
        **{i: None for i in ids("node", "workflow", "other")}, **dict(zip(ids("task"), ["workflows.train.fit_model"] * 2 + ["wf.t"]))}
    # records that waited over a restart, and those that came after it
    g.configure(CONFIG)
    g.restart()
    post(g, ALL[:1])
    state = g.settled(len(ALL) + 1, "tasks")["tasks"]
    assert (state["published"], state["filtered"]) == (4, 5)
    assert g.ids("tasks.jsonl") == ids("task") + [ALL[0]["id"]]
    assert [(e["kind"], e["carries"]) for e in dumped(g, "--pipeline", "tasks")] == [("other", "task")] * 4
    assert [e["id"] for e in dumped(g, "--pipeline", "rest")] == ["o"]
    out = run("log", "replay", "-c", g.config_file, "--pipeline", "tasks", check=0).stdout
    assert "published=4 filtered=0 failed=0" in out
    assert g.ids("tasks.jsonl") == 2 * (ids("task") + [ALL[0]["id"]])


def test_one_execution_is_one_key(gateway):
    g = gateway(CONFIG, files={"mark.lua": MARK})
    post(g, ALL)
    g.settled(len(ALL), "all")
    keys = {e["id"]: e["key"] for e in dumped(g)}
    own = documented(flyte.task())["id"], documented(flyte.node())["id"]
    assert {keys[i] for i in own} == {flyte.key_of(flyte.task())}
    assert {keys[i] for i in keys if i not in own + ("o",)} == {"flytesnacks:development:f7c2a9d81b5e4"}
    assert keys["o"] == "/s"
