"""The scripts that people copy, as they are in scripts/, in the running gateway."""
import os

import pytest

import flyte
from gateway import ROOT


@pytest.fixture
def with_scripts(gateway):
    """with_scripts(names, params, requests): the events that come out, and the gateway."""
    def run(names, params, requests):
        hooks = ", ".join(os.path.join(ROOT, "scripts", n + ".lua") for n in names)
        g = gateway(f"pipelines:\n  - name: all\n    hooks: [{hooks}]\n    params: {params}\n    publisher: {{type: file, path: all.jsonl}}\n")
        with g.channel() as channel:
            for r in requests:
                flyte.send(channel, r)
        assert g.settled(len(requests))["all"]["dead_lettered"] == 0, g.log()
        return g.lines(), g
    return run


def filtered(g, reason):
    return g.metric("moongate_events_filtered_total", pipeline="all", reason=reason)


def test_keep_failures(with_scripts):
    failed = flyte.task(phase="FAILED", error="disk\nfull")
    events, g = with_scripts(["keep_failures"], "{project: flytesnacks}", [flyte.workflow(), flyte.task(project="x", phase="FAILED"), failed])
    assert [e["id"] for e in events] == [flyte.id_of(failed)]
    assert (events[0]["errorcode"], events[0]["errormessage"]) == ("USER:Unknown", "disk full")
    assert (filtered(g, "other project"), filtered(g, "not a failure")) == (1, 1)


def test_stamp_team(with_scripts):
    events, _ = with_scripts(["stamp_team"], "{teams: {flytesnacks: ml}, default: nobody}", [flyte.workflow(), flyte.node(project="x")])
    assert [e["team"] for e in events] == ["ml", "nobody"]


def test_stamp_team_without_a_default(with_scripts):
    events, _ = with_scripts(["stamp_team"], "{}", [flyte.workflow()])
    assert "team" not in events[0]


@pytest.mark.parametrize("params,new,old", [("{}", "dataschema", "jsonschemaurl"), ("{from: subject, to: about}", "about", "subject")])
def test_rename_attribute(with_scripts, params, new, old):
    events, _ = with_scripts(["rename_attribute"], params, [flyte.task()])
    assert events[0][new] == flyte.documented(flyte.task())[old] and old not in events[0]


def test_drop_queued(with_scripts):
    events, g = with_scripts(["drop_queued"], "{}", [flyte.workflow(phase="QUEUED"), flyte.workflow(), flyte.task(phase="INITIALIZING")])
    assert [e["id"] for e in events] == [flyte.id_of(flyte.workflow())] and filtered(g, "queued") == 2


def test_drop_phases_of_ones_own(with_scripts):
    events, _ = with_scripts(["drop_queued"], "{phases: [RUNNING]}", [flyte.workflow(phase="QUEUED"), flyte.workflow()])
    assert [e["id"] for e in events] == [flyte.id_of(flyte.workflow(phase="QUEUED"))]


def test_split_failure(with_scripts):
    failed = flyte.task(phase="FAILED", attempt=2, error="no memory")
    events, g = with_scripts(["split_failure"], "{}", [flyte.workflow(phase="FAILED"), flyte.task(), failed])
    assert [e["id"] for e in events] == [flyte.id_of(flyte.workflow(phase="FAILED")), flyte.id_of(flyte.task()), flyte.id_of(failed),
                                         flyte.id_of(failed) + ":1"]
    flyte.assert_documented(events[2], failed)
    alert = events[3]
    assert alert["type"] == "com.flyte.alert.task" and alert["datacontenttype"] == "application/json"
    assert alert["data"] == {"execution": "flytesnacks/development/f1", "task": "wf.t", "attempt": 2, "code": "USER:Unknown", "message": "no memory"}
    assert (g.pipeline()["published"], g.metric("moongate_messages_published_total")) == (3, 4)


def test_the_ones_of_the_demo_together(with_scripts):
    requests = flyte.golden("success")
    events, _ = with_scripts(["drop_queued", "stamp_team", "rename_attribute"], "{teams: {flytesnacks: data-science}}", requests)
    kept = [r for r in requests if ":QUEUED" not in flyte.id_of(r) and ":INITIALIZING" not in flyte.id_of(r)]
    assert [e["id"] for e in events] == [flyte.id_of(r) for r in kept]
    assert all(e["team"] == "data-science" and "dataschema" in e for e in events)


def test_each_script_says_why_and_has_a_test():
    for name in sorted(os.listdir(os.path.join(ROOT, "scripts"))):
        if not name.endswith(".lua") or name.endswith("_spec.lua"):
            continue
        with open(os.path.join(ROOT, "scripts", name), encoding="utf-8") as f:
            assert all(line.startswith("-- ") for line in f.read().splitlines()[:3]), name
        assert os.path.exists(os.path.join(ROOT, "scripts", name[:-4] + "_spec.lua")), name
