"""The scripts that people copy, as they are in scripts/, in the running gateway."""
import os
import uuid

import pytest
from openlineage.client import event_v2 as lineage
from openlineage.client.facet_v2 import error_message_run, parent_run
from openlineage.client.serde import Serde

import flyte
from gateway import ROOT


@pytest.fixture
def with_scripts(gateway):
    """with_scripts(names, params, requests): the events that come out, and the gateway."""
    def run(names, params, requests, more=""):
        hooks = ", ".join(os.path.join(ROOT, "scripts", n + ".lua") for n in names)
        g = gateway(f"pipelines:\n  - name: all\n    hooks: [{hooks}]\n    params: {params}\n    publisher: {{type: file, path: all.jsonl}}\n{more}")
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


def by_their_client(run_event):
    """The same run event, made of OpenLineage's own classes and written by them."""
    run, job = run_event["run"], run_event["job"]
    facets = {}
    for name, facet in run.get("facets", {}).items():
        values = {k: v for k, v in facet.items() if not k.startswith("_")}
        if name == "parent":
            values = {"run": parent_run.Run(**values["run"]), "job": parent_run.Job(**values["job"])}
        kind = {"parent": parent_run.ParentRunFacet, "errorMessage": error_message_run.ErrorMessageRunFacet}[name]
        facets[name] = kind(**values, producer=facet["_producer"])
    event = lineage.RunEvent(
        eventType=lineage.RunState[run_event["eventType"]], eventTime=run_event["eventTime"], producer=run_event["producer"],
        run=lineage.Run(runId=run["runId"], facets=facets), job=lineage.Job(**job),
        inputs=[lineage.InputDataset(**d) for d in run_event["inputs"]], outputs=[lineage.OutputDataset(**d) for d in run_event["outputs"]])
    return Serde.to_dict(event)


def without_schemas(value):
    """Without empty facets, and without the versions of schemas, which may be older than their client's."""
    if isinstance(value, dict):
        return {k: without_schemas(v) for k, v in value.items() if k not in ("_schemaURL", "schemaURL") and not (k.lower().endswith("facets") and not v)}
    return [without_schemas(v) for v in value] if isinstance(value, list) else value


def test_openlineage_is_what_its_own_client_writes(with_scripts):
    retried = flyte.task(phase="RETRYABLE_FAILED", error="lost")
    retried.event.input_uri, retried.event.output_uri = "s3://bucket/in/inputs.pb", ""
    done = flyte.workflow(phase="SUCCEEDED")
    done.event.output_uri = "s3://bucket/out/outputs.pb"
    requests = [flyte.workflow(), flyte.task(), flyte.task(phase_version=1), retried, flyte.task(attempt=1, phase="ABORTED"), done]
    events, g = with_scripts(["openlineage"], "{namespace: prod}", requests + [flyte.workflow(phase="QUEUED")])
    runs = [e["data"] for e in events]
    assert [r["eventType"] for r in runs] == ["START", "START", "RUNNING", "FAIL", "ABORT", "COMPLETE"]
    for r in runs:
        assert without_schemas(r) == without_schemas(by_their_client(r))
        assert r["schemaURL"] == lineage.RunEvent._get_schema() and uuid.UUID(r["run"]["runId"])
    assert runs[0]["run"]["runId"] == runs[-1]["run"]["runId"] == runs[1]["run"]["facets"]["parent"]["run"]["runId"]
    assert runs[3]["inputs"] == [{"namespace": "s3://bucket", "name": "in/inputs.pb"}]
    assert filtered(g, "no start and no end") == 1


def test_owners_from_csv(with_scripts):
    files = "    hook_limits: {files: %s}\n" % os.path.join(ROOT, "scripts", "owners.csv")
    events, _ = with_scripts(["owners_from_csv"], "{default: nobody}", [flyte.workflow(), flyte.workflow(project="x")], files)
    assert [(e["team"], e.get("costcenter")) for e in events] == [("ml", "4711"), ("nobody", None)]


def test_alert_once_is_shared_by_workers(with_scripts):
    failures = [flyte.task(name="f1", node_id=f"n{i}", phase="FAILED") for i in range(6)] + [flyte.task(name="f2", phase="FAILED")]
    events, g = with_scripts(["keep_failures", "alert_once"], "{ttl: 600}", failures, "    workers: 4\n")
    assert sorted(e["id"].split(":")[2] for e in events) == ["f1", "f2"] and filtered(g, "alerted already") == 5


def test_dual_publish_reads_its_descriptor_set(with_scripts):
    events, _ = with_scripts(["dual_publish"], "{}", [flyte.task(phase="FAILED", error="x")])
    assert [e["type"] for e in events] == ["com.flyte.resource.task", "acme.report.v2"] and events[1]["id"] == events[0]["id"] + ":1"


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
