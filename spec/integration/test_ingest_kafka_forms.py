"""`as` over a real Kafka: what others' libraries write, requests of externalEvents, envelopes of SNS, FlyteAdmin's own events as requests."""
import base64
import json
from datetime import datetime, timezone

import pytest
from cloudevents.core.bindings import kafka as sdk
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import kafka as old_sdk
from cloudevents.v1.http import CloudEvent as OldCloudEvent
from confluent_kafka import Producer

import flyte
import kafka
from wait import wait_until

ATTRIBUTES = {"id": 'a "b" %41 ä', "source": "/s", "type": "t", "time": datetime(2026, 4, 7, 6, 30, 1, 250000, timezone.utc), "subject": "x",
              "partitionkey": "k", "datacontenttype": "application/json"}
ENVELOPE = {"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-2:1:t", "Timestamp": "2026-03-02T08:15:34.000Z"}


def config(broker, topic, as_="auto"):
    return f"""\
ingest: {{kafka: [{{brokers: ['{broker}'], topics: ['{topic}'], group: '{topic}', as: {as_}}}]}}
pipelines:
  - {{name: all, publisher: {{type: file, path: all.jsonl}}}}
  - {{name: tasks, event_types: [task], publisher: {{type: file, path: tasks.jsonl}}}}
"""


def produce(broker, topic, messages):
    producer, failed = Producer({"bootstrap.servers": broker, "log_level": 0}), []
    for value, headers, key in messages:
        producer.produce(topic, value=value, headers=headers, key=key, on_delivery=lambda err, _: failed.append(err) if err else None)
    producer.flush(60)
    assert not failed, failed[0]


def written(message):
    return message.value, [(k, v) for k, v in message.headers.items()], message.key


def test_what_the_cloudevents_sdk_writes(gateway, broker, topic):
    kafka.create(broker, topic)
    data = {"n": [1, None, "ä"]}
    old = OldCloudEvent({**ATTRIBUTES, "time": "2026-04-07T06:30:01.25Z"}, data)
    modern = CloudEvent(ATTRIBUTES, data)
    text = CloudEvent({**ATTRIBUTES, "datacontenttype": "text/plain"}, "hello")
    produce(broker, topic, map(written, [sdk.to_binary(modern, JSONFormat()), sdk.to_structured(modern, JSONFormat()), sdk.to_binary(text, JSONFormat()),
                                         old_sdk.to_binary(old), old_sdk.to_structured(old)]))
    g = gateway(config(broker, topic))
    g.settled(5, "all")
    want = {**ATTRIBUTES, "specversion": "1.0", "data": data}
    for i, (event, time) in enumerate(zip(g.lines(), ["2026-04-07T06:30:01.250000Z"] * 3 + ["2026-04-07T06:30:01.25Z"] * 2)):
        more = {"datacontenttype": "text/plain", "data": "hello"} if i == 2 else {}
        expected = {**want, "time": time, **more}
        if i == 3:                                         # the partition key is the message's alone
            expected.pop("partitionkey")
        if i == 4:                                         # JSON is what its absence means
            expected.pop("datacontenttype")
        assert event == expected, i


def test_requests_of_external_events_and_envelopes(gateway, broker, topic):
    kafka.create(broker, topic)
    requests = [flyte.workflow(), flyte.node(), flyte.task()]
    raw = [r.SerializeToString() for r in requests]
    text = [base64.b64encode(r) for r in raw]
    envelopes = [json.dumps({**ENVELOPE, "Subject": "flyteidl.admin.X", "Message": t.decode()}).encode() for t in text]
    bare = flyte.node()
    bare.event.ClearField("retry_group")                   # its fields alone would be a workflow's as well
    bare.event.ClearField("producer_id")
    produce(broker, topic, [(v, None, None) for v in raw + text + envelopes + [bare.SerializeToString()]])
    g = gateway(config(broker, topic))
    g.settled(10, "all")
    for line, request in zip(g.lines(), requests * 3 + [bare]):
        flyte.assert_documented(line, request)
    assert [e["type"] for e in g.lines("tasks.jsonl")] == ["com.flyte.resource.task"] * 3


@pytest.mark.parametrize("as_", ["task", "cloudevent"])
def test_as_says_what_it_is(gateway, broker, topic, as_):
    kafka.create(broker, topic)
    request = flyte.task()
    data = flyte.json_format.MessageToJson(request)
    own = [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_source", "https://github.com/flyteorg/flyte/flyteadmin"),
           ("ce_type", "com.flyte.resource.flyteidl.admin.TaskExecutionEventRequest"), ("content-type", "application/json")]
    other = [*own[:3], ("ce_type", "t")]
    empty = flyte.MESSAGES["task"](request_id="r1").SerializeToString()
    produce(broker, topic, [(data, own, None), (b"x", other, None), (request.SerializeToString(), None, None), (data, None, None), (empty, None, None)])
    g = gateway(config(broker, topic, as_))
    if as_ == "task":
        g.settled(4, "all")
        first, second, third, fourth = g.lines()
        for line in (first, second, third):
            flyte.assert_documented(line, request)
        assert fourth["id"].startswith("::")
        refused = 1
    else:
        g.settled(2, "all")
        assert [e["type"] for e in g.lines()] == [own[3][1], "t"] and g.lines()[0]["data"] == json.loads(data)
        refused = 3
    wait_until(lambda: g.metric("moongate_events_rejected_total", ingest="kafka", reason="invalid") == refused, lambda: g.log()[-2000:])
    assert g.metric("moongate_events_dead_lettered_total", pipeline="ingest", reason="undecodable") == refused
    assert len(g.lines("tasks.jsonl")) == (4 if as_ == "task" else 1)
