"""The admin listener: health, metrics, pipelines."""
import json
import os
import re
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

import flyte
from gateway import ROOT, request, run

# Every family of contract.md that has a source by now: name → (type, labels).
FAMILIES = {
    "moongate_events_received": ("counter", {"ingest", "kind"}),
    "moongate_events_rejected": ("counter", {"ingest", "reason"}),
    "moongate_events_published": ("counter", {"pipeline"}),
    "moongate_events_filtered": ("counter", {"pipeline", "reason"}),
    "moongate_events_dead_lettered": ("counter", {"pipeline", "reason"}),
    "moongate_messages_published": ("counter", {"pipeline"}),
    "moongate_publish_retries": ("counter", {"pipeline"}),
    "moongate_replayed": ("counter", {"pipeline"}),
    "moongate_pipeline_lag_events": ("gauge", {"pipeline"}),
    "moongate_pipeline_lag_seconds": ("gauge", {"pipeline"}),
    "moongate_pipeline_up": ("gauge", {"pipeline"}),
    "moongate_log_bytes": ("gauge", set()),
    "moongate_log_events": ("gauge", set()),
    "moongate_log_orphan_cursors": ("gauge", set()),
    "moongate_log_commit_seconds": ("histogram", set()),
    "moongate_ack_seconds": ("histogram", {"ingest"}),
    "moongate_hook_seconds": ("histogram", {"pipeline", "hook"}),
    "moongate_publish_seconds": ("histogram", {"pipeline"}),
    "moongate_end_to_end_seconds": ("histogram", {"pipeline"}),
    "moongate_hook_memory_bytes": ("gauge", {"pipeline"}),
    "moongate_hook_errors": ("counter", {"pipeline", "hook"}),
    "moongate_script_reloads": ("counter", {"result"}),
    "moongate_build_info": ("gauge", {"version"}),
    "process_resident_memory_bytes": ("gauge", set()),
}
HOOK = "return function(e)\n  if e.id:find('RUNNING') then return false, 'running' end\n  if e.id:find('FAILED') then error('x') end\nend\n"
CONFIG = "pipelines:\n  - {name: all, hooks: [hook.lua], publisher: {type: file, path: all.jsonl}}\n"


@pytest.fixture
def busy(gateway):
    """A gateway after one event of each fate."""
    g = gateway(CONFIG, files={"hook.lua": HOOK})
    with g.channel() as channel:
        for phase in ("RUNNING", "FAILED", "SUCCEEDED"):
            flyte.send(channel, flyte.workflow(phase=phase))
    g.post(flyte.REST["task"], "[")
    g.settled(3)
    return g


def families(g):
    status, headers, body = request(g.admin, "GET", "/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain")
    return {f.name: f for f in text_string_to_metric_families(body)}


def test_every_metric_of_the_contract_is_there(busy):
    got = families(busy)
    assert set(FAMILIES) <= set(got)
    for name, (kind, labels) in FAMILIES.items():
        family = got[name]
        assert family.type == kind and family.documentation, name
        for s in family.samples:
            assert set(s.labels) - {"le"} == labels, s


def test_nothing_is_there_that_has_no_name_in_the_contract(busy):
    own = {n for n in families(busy) if n.startswith("moongate_")}
    assert own <= set(FAMILIES)


def test_what_each_event_counts_as(busy):
    g = busy
    assert g.metric("moongate_events_received_total", ingest="grpc", kind="workflow") == 3
    assert g.metric("moongate_events_rejected_total", ingest="http") == 1
    assert g.metric("moongate_events_published_total", pipeline="all") == 1
    assert g.metric("moongate_events_filtered_total", pipeline="all", reason="running") == 1
    assert g.metric("moongate_events_dead_lettered_total", pipeline="all", reason="hook_error") == 1
    assert g.metric("moongate_pipeline_lag_events", pipeline="all") == 0
    assert g.metric("moongate_pipeline_up", pipeline="all") == 1
    assert g.metric("moongate_log_events") == 0
    for name in ("ack_seconds", "end_to_end_seconds", "publish_seconds", "log_commit_seconds"):
        assert g.metric(f"moongate_{name}_count") >= 1, name


def test_histograms_have_the_promised_bounds(busy):
    bounds = {float(dict(labels)["le"]) for (name, labels) in busy.metrics() if name == "moongate_ack_seconds_bucket"}
    assert {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, float("inf")} <= bounds
    counts = sorted((float(dict(labels)["le"]), v) for (name, labels), v in busy.metrics().items()
                    if name == "moongate_ack_seconds_bucket" and dict(labels)["ingest"] == "grpc")
    assert [v for _, v in counts] == sorted(v for _, v in counts)


def test_the_version_is_the_same_everywhere(busy):
    version = run("version", check=0).stdout.split()
    labels = next(dict(labels) for (name, labels) in busy.metrics() if name == "moongate_build_info")
    assert labels["version"] in version


def test_one_pipeline_by_name(busy):
    status, body = busy.get("/api/pipelines/all")
    assert status == 200
    one = json.loads(body)
    assert set(one) >= {"name", "accepted", "published", "filtered", "dead_lettered", "lag", "up", "last_error"}
    assert one == busy.pipeline()
    status, body = busy.get("/api/pipelines/nosuch")
    assert status == 404 and json.loads(body)["message"]


def test_health_and_readiness(gateway):
    g = gateway()
    assert g.get("/healthz")[0] == 200 and g.get("/readyz")[0] == 200
    assert request(g.admin, "POST", "/metrics", "")[0] in (404, 405)
    assert g.get("/nosuch")[0] == 404


def test_admin_can_be_off(gateway):
    g = gateway("admin: {listen: none}\npipelines:\n  - {name: all, publisher: {type: file, path: all.jsonl}}\n")
    assert "admin" not in g.addresses and "grpc" in g.addresses
    assert "component=admin" not in g.log()


def test_labels_of_a_hook_are_bounded(gateway):
    g = gateway(CONFIG, files={"hook.lua": "local n = 0\nreturn function() n = n + 1; return false, 'reason ' .. n end\n"})
    with g.channel() as channel:
        for i in range(130):
            flyte.send(channel, flyte.workflow(name=f"f{i}"))
    g.settled(130)
    reasons = {dict(labels)["reason"]: v for (name, labels), v in g.metrics().items() if name == "moongate_events_filtered_total" and v}
    assert len(reasons) <= 105 and reasons["other"] >= 25 and sum(reasons.values()) == 130


def test_a_label_is_escaped(gateway):
    g = gateway(CONFIG, files={"hook.lua": "return function() return false, 'a\"b\\\\c\\nd' end\n"})
    with g.channel() as channel:
        flyte.send(channel, flyte.workflow())
    g.settled(1)
    reasons = {dict(labels)["reason"] for (name, labels), v in g.metrics().items() if name == "moongate_events_filtered_total" and v}
    assert len(reasons) == 1 and 'a"b' in reasons.pop()


@pytest.mark.concurrent
def test_the_identity_holds_at_every_snapshot_under_load(gateway):
    """Each read of /api/pipelines is checked (Gateway.pipelines); here they are read as fast as can be while events run."""
    g = gateway("pipelines:\n  - {name: all, hooks: [hook.lua], publisher: {type: file, path: all.jsonl}}\n"
                "  - {name: nothing, match: {project: none}, publisher: {type: 'null'}}\n"
                "  - {name: quick, workers: 2, publisher: {type: 'null'}}\n", files={"hook.lua": HOOK})
    stop, snapshots, errors = threading.Event(), [], []

    def watch():
        try:
            while not stop.is_set():
                snapshots.append(g.pipelines())
        except AssertionError as error:
            errors.append(error)
    watcher = threading.Thread(target=watch)
    watcher.start()
    with g.channel() as channel:
        stub = flyte.admin_pb2_grpc.AdminServiceStub(channel)
        phases = ("RUNNING", "FAILED", "SUCCEEDED")
        futures = [stub.CreateWorkflowEvent.future(flyte.workflow(name=f"f{i}", phase=phases[i % 3]), timeout=60) for i in range(600)]
        for f in futures:
            f.result()
    every = g.settled(600)
    stop.set()
    watcher.join()
    assert not errors, errors
    assert len({p["all"]["published"] for p in snapshots}) > 1, "no snapshot was taken under way"
    assert [every["all"][k] for k in ("published", "filtered", "dead_lettered")] == [200, 200, 200]
    for before, after in zip(snapshots, snapshots[1:]):
        for name in before:
            assert after[name]["accepted"] >= before[name]["accepted"]


def test_contract_and_code_name_the_same_metrics():
    """The list in the code has nothing that this file does not know."""
    with open(os.path.join(ROOT, "gateway/base/metrics_list.h"), encoding="utf-8") as f:
        names = set(re.findall(r'"(moongate_\w+)"', f.read()))
    assert names == {n + ("_total" if FAMILIES[n][0] == "counter" else "") for n in FAMILIES if n.startswith("moongate_")}
