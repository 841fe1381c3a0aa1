"""Events in FlyteAdmin's styles, from a request to the line of a file: every golden vector, hooks between, what has no such event."""
import base64
import glob
import json
import os

import pytest

import flyte
from gateway import ROOT, run

VECTORS = [json.load(open(path, encoding="utf-8")) for path in sorted(glob.glob(os.path.join(ROOT, "spec/golden/flyteadmin/*.json")))]
PIPELINES = """\
pipelines:
  - {name: one, format: {style: flyteadmin, id_spacing: 1}, publisher: {type: file, path: one.jsonl}}
  - {name: two, format: {style: flyteadmin}, hooks: [hook.lua], publisher: {type: file, path: two.jsonl}}
  - {name: external, format: {style: flyteadmin-external}, publisher: {type: file, path: external.jsonl}}
"""
# reads, changes and puts back: so the event is looked at anew, and is the same
HOOK = """\
return function(event, request)
  local producer = request.event.producer_id
  request.event.producer_id = 'x'
  assert(event.data.event.producerId == 'x')
  request.event.producer_id = producer
end
"""


def post(g, kind, body):
    status, _, answer = g.post(flyte.REST[kind], body, "application/octet-stream")
    assert status == 200, answer


def dead(g, *args):
    return [json.loads(line) for line in run("dead", "list", "--json", *args, "-c", g.config_file, check=0).stdout.splitlines()]


def test_every_vector_comes_out_as_flyteadmin_sends_it(gateway):
    g = gateway(PIPELINES, files={"hook.lua": HOOK})
    for v in VECTORS:
        post(g, v["kind"], base64.b64decode(v["request_b64"]))
    g.settled(len(VECTORS))
    for name, spacing in (("one", "1"), ("two", "2")):
        lines = g.lines(f"{name}.jsonl")
        assert len(lines) == len(VECTORS)
        for v, line in zip(VECTORS, lines):
            style = v["styles"]["flyteadmin"]
            assert line == json.loads(style["id_spacing"][spacing]["nats"]["data"]), v["name"]
            assert base64.b64decode(line["data_base64"]).decode() == style["data"], v["name"]
    for v, line in zip(VECTORS, g.lines("external.jsonl")):
        assert line["data_base64"] == v["request_b64"] and line["subject"] == v["styles"]["flyteadmin-external"]["id_spacing"]["any"]["sns"]["subject"]


def test_what_cloudevents_forbids_passes_as_it_does_with_flyteadmin(gateway):
    g = gateway(PIPELINES, files={"hook.lua": HOOK})
    request = flyte.workflow()
    request.event.execution_id.name = "a\ufdd0\x01\uffff"
    request.event.occurred_at.seconds, request.event.occurred_at.nanos = 253402300800, 0
    post(g, "workflow", request.SerializeToString())
    g.settled(1)
    event, = g.lines("two.jsonl")
    assert event["id"].split("  ")[2] == 'name:"a\ufdd0\\x01\uffff".RUNNING' and event["time"] == "10000-01-01T00:00:00Z", event


@pytest.mark.parametrize("what", ["a Value", "occurred_at"])
def test_what_flyteadmin_cannot_write_is_a_dead_letter_there_alone(gateway, what):
    g = gateway(PIPELINES, files={"hook.lua": HOOK})
    request = flyte.task()
    if what == "a Value":
        request.event.custom_info.fields["x"].SetInParent()
    else:
        request.event.occurred_at.nanos = -1
    post(g, "task", request.SerializeToString())
    post(g, "task", flyte.task(attempt=1).SerializeToString())
    g.settled(2)
    assert [len(g.lines(f"{name}.jsonl")) for name in ("one", "two", "external")] == [1, 1, 2]
    letters = dead(g)
    assert [(x["pipeline"], x["reason"]) for x in letters] == [("one", "invalid_event"), ("two", "invalid_event")]
    assert all(what in x["error"] or "custom_info" in x["error"] for x in letters)
