"""However an execution comes in, the same events go out: golden streams through gRPC, REST and CloudEvents."""
import json

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from google.protobuf import json_format

import flyte
from gateway import FILE

STREAMS = pytest.mark.parametrize("stream", ["success", "failure-retries", "dynamic-map-subworkflow"])


def through_grpc(g, requests):
    with g.channel() as channel:
        for r in requests:
            flyte.send(channel, r)


def through_rest_json(g, requests):
    for i, r in enumerate(requests):
        text = json_format.MessageToJson(r, preserving_proto_field_name=bool(i % 2))
        assert g.post(flyte.REST[flyte.kind_of(r)], text)[0] == 200


def through_rest_protobuf(g, requests):
    for r in requests:
        assert g.post(flyte.REST[flyte.kind_of(r)], r.SerializeToString(), "application/x-protobuf")[0] == 200


def cloudevent(r):
    return {**flyte.documented(r), "time": r.event.occurred_at.ToJsonString()}


def through_cloudevents(g, requests):
    for r in requests:
        assert g.post("/v1/events", json.dumps(cloudevent(r)), "application/cloudevents+json")[0] == 202


def through_a_batch(g, requests):
    assert g.post("/v1/events", json.dumps([cloudevent(r) for r in requests]), "application/cloudevents-batch+json")[0] == 202


def through_binary(g, requests):
    for r in requests:
        attributes = {f"ce-{k}": v.replace("%", "%25").replace(" ", "%20") for k, v in cloudevent(r).items()
                      if k not in ("data_base64", "datacontenttype")}
        assert g.post("/v1/events", r.SerializeToString(), "application/protobuf", attributes)[0] == 202


WAYS = [through_grpc, through_rest_json, through_rest_protobuf, through_cloudevents, through_a_batch, through_binary]


@STREAMS
@pytest.mark.parametrize("way", WAYS, ids=[w.__name__ for w in WAYS])
def test_the_same_events_in_the_same_order(gateway, stream, way):
    g = gateway()
    requests = flyte.golden(stream)
    way(g, requests)
    g.settled(len(requests))
    events = g.lines()
    assert [e["id"] for e in events] == [flyte.id_of(r) for r in requests]
    for event, r in zip(events, requests):
        flyte.assert_documented(event, r, same_bytes=way is not through_rest_json)


@STREAMS
def test_the_cloudevents_sdk_reads_every_line(gateway, stream):
    g = gateway()
    requests = flyte.golden(stream)
    through_grpc(g, requests)
    g.settled(len(requests))
    with open(g.path("all.jsonl"), "rb") as f:
        lines = f.read().splitlines()
    assert len(lines) == len(requests)
    for line, r in zip(lines, requests):
        event = from_http_event(HTTPMessage({"content-type": "application/cloudevents+json"}, line))
        attributes = event.get_attributes()
        assert attributes["id"] == flyte.id_of(r) and attributes["jsonschemaurl"].startswith("https://")
        assert flyte.MESSAGES[flyte.kind_of(r)].FromString(event.get_data()) == r


JSON_DATA = """\
pipelines:
  - {name: all, format: {data: json}, publisher: {type: file, path: all.jsonl}}
"""


@STREAMS
def test_json_data_is_googles_protojson(gateway, stream):
    g = gateway(JSON_DATA)
    requests = flyte.golden(stream)
    through_grpc(g, requests)
    g.settled(len(requests))
    for event, r in zip(g.lines(), requests):
        assert event["datacontenttype"] == "application/json" and "data_base64" not in event
        assert event["data"] == json.loads(json_format.MessageToJson(r))
    assert g.ids() == [flyte.id_of(r) for r in requests]


def test_all_ways_together_are_counted_by_where_they_came_from(gateway):
    g = gateway(FILE)
    requests = flyte.golden("success")
    for way in WAYS:
        way(g, requests)
    g.settled(len(WAYS) * len(requests))
    assert g.metric("moongate_events_received_total", ingest="grpc") == len(requests)
    assert g.metric("moongate_events_received_total", ingest="http") == 5 * len(requests)
