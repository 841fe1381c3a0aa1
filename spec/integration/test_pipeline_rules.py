"""What a pipeline lets through and how it changes it, without Lua: event_types, match, rename, set, remove."""
import json

import pytest

import flyte


def pipeline(text):
    return f"pipelines:\n  - name: all\n    {text}\n    publisher: {{type: file, path: all.jsonl}}\n"


def send(g, requests):
    with g.channel() as channel:
        for r in requests:
            flyte.send(channel, r)


EVERY = [flyte.workflow(), flyte.node(), flyte.task()]
OTHER = '{"specversion":"1.0","id":"o","source":"/s","type":"t","subject":"orders"}'


@pytest.mark.parametrize("types,want", [("all", 4), ("'*'", 4), ("[workflow, node]", 2), ("task", 1), ("other", 1), ("[action]", 0)])
def test_event_types(gateway, types, want):
    g = gateway(pipeline(f"event_types: {types}"))
    send(g, EVERY)
    g.post("/v1/events", OTHER, "application/cloudevents+json")
    state = g.settled(4)["all"]
    assert (state["published"], state["filtered"]) == (want, 4 - want)
    assert g.metric("moongate_events_filtered_total", reason="event_types") == 4 - want


@pytest.mark.parametrize("match,want", [
    ("{project: flytesnacks}", [0, 1, 2]), ("{project: 'flyte*'}", [0, 1, 2]), ("{project: other}", []),
    ("{kind: [node, task]}", [1, 2]), ("{phase: FAILED}", [2]), ("{phase: [FAILED, TIMED_OUT], kind: workflow}", []),
    ("{node: 'n?'}", [1, 2]), ("{failed: true}", [2]), ("{type: '*.task'}", [2]), ("{subject: orders}", [3]), ("{attempt: 1}", [2]),
    ("{nosuchattribute: x}", []),
], ids=str)
def test_match(gateway, match, want):
    g = gateway(pipeline(f"match: {match}"))
    send(g, [flyte.workflow(), flyte.node(), flyte.task(phase="FAILED", attempt=1)])
    g.post("/v1/events", OTHER, "application/cloudevents+json")
    g.settled(4)
    every = [flyte.id_of(flyte.workflow()), flyte.id_of(flyte.node()), flyte.id_of(flyte.task(phase="FAILED", attempt=1)), "o"]
    assert g.ids() == [every[i] for i in want]
    assert g.metric("moongate_events_filtered_total", reason="match") == 4 - len(want)


def test_rename_set_remove_in_this_order(gateway):
    g = gateway(pipeline("rename: {jsonschemaurl: dataschema, subject: topic}\n    set: {team: ml, level: 3, prod: true, topic: mine}\n"
                         "    remove: [datacontenttype]"))
    send(g, EVERY[:1])
    g.settled(1)
    event, = g.lines()
    assert event["dataschema"] == flyte.SCHEMA.format("workflow") and "jsonschemaurl" not in event
    assert (event["team"], event["level"], event["prod"], event["topic"]) == ("ml", 3, True, "mine")
    assert "subject" not in event and "datacontenttype" not in event


def test_rules_that_fail_dead_letter_their_event_only(gateway):
    g = gateway(pipeline("rename: {subject: time}"))
    g.post("/v1/events", OTHER, "application/cloudevents+json")
    g.post("/v1/events", OTHER.replace("orders", "2026-11-23T10:00:00Z"), "application/cloudevents+json")
    p = g.settled(2)["all"]
    assert (p["published"], p["dead_lettered"]) == (1, 1)
    assert g.metric("moongate_events_dead_lettered_total", pipeline="all", reason="hook_error") == 1


def test_set_takes_the_environment(gateway):
    g = gateway(pipeline("set: {env: '${SPEC_ENV}', zone: '${SPEC_UNSET:-here}', price: 'a$${b}'}"), env={"SPEC_ENV": "production"})
    send(g, EVERY[:1])
    g.settled(1)
    event, = g.lines()
    assert (event["env"], event["zone"], event["price"]) == ("production", "here", "a${b}")


def test_each_team_has_its_own(gateway):
    """Pipelines share nothing but the log: each gets every event and keeps its own counts."""
    g = gateway("""\
pipelines:
  - {name: ml,    match: {project: 'ml-*'}, set: {team: ml},    publisher: {type: file, path: ml.jsonl}}
  - {name: ads,   match: {project: ads},    set: {team: ads},   publisher: {type: file, path: ads.jsonl}}
  - {name: audit, publisher: {type: file, path: audit.jsonl}}
  - {name: tasks, event_types: [task], publisher: {type: 'null'}}
""")
    send(g, [flyte.workflow(project="ml-1"), flyte.task(project="ml-2"), flyte.workflow(project="ads")])
    every = g.settled(3)
    assert {n: (p["published"], p["filtered"]) for n, p in every.items()} == {
        "ml": (2, 1), "ads": (1, 2), "audit": (3, 0), "tasks": (1, 2)}
    assert [e["team"] for e in g.lines("ml.jsonl")] == ["ml", "ml"]
    assert [e["team"] for e in g.lines("ads.jsonl")] == ["ads"]
    assert all("team" not in e for e in g.lines("audit.jsonl"))


def test_a_disabled_pipeline_does_nothing(gateway):
    g = gateway("pipelines:\n  - {name: off, enabled: false, publisher: {type: file, path: off.jsonl}}\n"
                "  - {name: all, publisher: {type: file, path: all.jsonl}}\n")
    send(g, EVERY)
    g.settled(3, "all")
    assert g.lines("off.jsonl") == []


@pytest.mark.concurrent
def test_workers_keep_the_order_of_a_key(gateway):
    g = gateway(pipeline("workers: 3"))
    requests = [flyte.task(name=f"f{i % 8}", node_id=f"n{i}") for i in range(400)]
    send(g, requests)
    g.settled(400)
    ids = g.ids()
    assert len(ids) == 400
    for n in range(8):
        mine = [flyte.id_of(r) for r in requests if r.event.parent_node_execution_id.execution_id.name == f"f{n}"]
        assert [i for i in ids if i in set(mine)] == mine


def test_json_data_of_other_events_passes_the_rules_unchanged(gateway):
    g = gateway(pipeline("set: {team: ml}"))
    text = json.loads(OTHER) | {"data": {"n": 1.0}}
    g.post("/v1/events", json.dumps(text), "application/cloudevents+json")
    g.settled(1)
    with open(g.path("all.jsonl"), encoding="utf-8") as f:
        assert '{"n": 1.0}' in f.read()
