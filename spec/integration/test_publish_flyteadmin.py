"""FlyteAdmin's words on the wire: a real gateway in its styles, read by consumers that know nothing of Moongate, and held to what
FlyteAdmin's own code sent (spec/golden/flyteadmin)."""
import base64
import email.message
import glob
import json
import os
import subprocess
from datetime import datetime, timezone

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from cloudevents.core.formats.json import JSONFormat

import flyte
import kafka
from gateway import ROOT, run
from test_cmd import check
from test_sections import KAFKA, here
from webhook import Webhook

# One of each kind: nanoseconds, characters that HTML escapes, a long error.
THREE = ["workflow-queued", "node-names-html", "task-failed-retries"]
SOURCE = "https://github.com/flyteorg/flyte/flyteadmin"
SCHEMA = "https://github.com/flyteorg/flyteidl/blob/v0.24.14/jsonschema/workflow_execution.json"


def case_of(name):
    with open(os.path.join(ROOT, "spec/golden/flyteadmin", name + ".json"), encoding="utf-8") as f:
        return json.load(f)


class Vector:
    def __init__(self, name, spacing=2, style="flyteadmin"):
        case = case_of(name)
        self.kind, self.request = case["kind"], base64.b64decode(case["request_b64"])
        style = case["styles"][style]
        self.data, self.sent = style["data"], style["id_spacing"][str(spacing)]
        self.id, self.nats = self.sent["attributes"]["id"], self.sent["nats"].get("data")
        wire = self.sent["kafka"]
        self.key, self.value = wire["key"].encode(), base64.b64decode(wire["value_b64"])
        self.headers = [(name, value.encode()) for name, value in wire["headers"]]
        self.partition_of = {int(n): p for n, p in wire["partition_of"].items()}

    def message(self):
        return flyte.MESSAGES[self.kind].FromString(self.request)


EVERY = sorted(os.path.basename(p)[:-5] for p in glob.glob(os.path.join(ROOT, "spec/golden/flyteadmin/*.json")))


def vectors(spacing=2, names=None, style="flyteadmin"):
    return [Vector(name, spacing, style) for name in names or EVERY]


def config(broker, topic, pipeline="format: {style: flyteadmin}", publisher=""):
    return (f"pipelines:\n  - {{name: fa, {pipeline}, "
            f"publisher: {{type: kafka, brokers: ['{broker}'], topic: '{topic}'{publisher}}}}}\n")


def post(g, vector):
    """The request's own bytes, as they are."""
    assert g.post(flyte.REST[vector.kind], vector.request, "application/octet-stream")[0] == 200


def partition(key, n):
    """sarama's: FNV-1a of 32 bits, signed, the rest of a division as C has it, without its sign."""
    h = 2166136261
    for b in key:
        h = (h ^ b) * 16777619 & 0xffffffff
    return abs(h - (1 << 32) if h >> 31 else h) % n


def read_by_sdk(message):
    return from_kafka_event(KafkaMessage(dict(message.headers()), message.key(), message.value()), JSONFormat())


@pytest.mark.parametrize("spacing", [1, 2])
def test_three_messages_of_three_kinds_by_three_ways_are_flyteadmins_to_the_byte(gateway, broker, topic, tmp_path, spacing):
    kafka.create(broker, topic, partitions=12)
    g = gateway(config(broker, topic, f"format: {{style: flyteadmin, id_spacing: {spacing}}}"))
    workflow, node, task = want = vectors(spacing, THREE)
    with g.channel() as channel:
        flyte.send(channel, workflow.message())
    post(g, node)
    (tmp_path / "task.bin").write_bytes(task.request)
    run("send", "--grpc", g.grpc, "--kind", "task", tmp_path / "task.bin", check=0)
    got = {m.key(): m for m in kafka.read(broker, topic, 3)}
    assert set(got) == {v.key for v in want}
    for v in want:
        m = got[v.key]
        assert m.headers() == v.headers
        assert m.value() == v.value
        assert m.partition() == v.partition_of[12] == partition(m.key(), 12)


def test_every_message_goes_to_the_partition_that_flyteadmins_client_chose(gateway, broker, topic):
    partitions = 3
    kafka.create(broker, topic, partitions=partitions)
    g = gateway(config(broker, topic))
    want = vectors()
    for v in want:
        post(g, v)
    got = kafka.read(broker, topic, len(want))
    # ids repeat (a task's has no execution in it), so a message is known by its key and value
    assert sorted((m.key(), m.value(), m.partition()) for m in got) == sorted((v.key, v.value, v.partition_of[partitions]) for v in want)
    assert all(m.partition() == partition(m.key(), partitions) for m in got)
    assert len({m.partition() for m in got}) > 1


def test_kcat_shows_the_same_key_headers_and_value(gateway, broker, topic):
    g = gateway(config(broker, topic))
    want = vectors(names=THREE)
    for v in want:
        post(g, v)
    kafka.read(broker, topic, 3)
    shown = subprocess.run(["kcat", "-C", "-q", "-e", "-o", "beginning", "-t", topic, "-b", broker, "-f", "%k\t%h\t%s\n"],
                           capture_output=True, timeout=60, check=True).stdout.splitlines()
    assert sorted(shown) == sorted(
        b"\t".join([v.key, b",".join(name.encode() + b"=" + value for name, value in v.headers), v.value]) for v in want)


def test_the_cloudevents_sdk_reads_them(gateway, broker, topic):
    g = gateway(config(broker, topic))
    want = {v.id: v for v in vectors(names=THREE)}
    for v in want.values():
        post(g, v)
    for m in kafka.read(broker, topic, 3):
        event = read_by_sdk(m)
        attributes = event.get_attributes()
        v = want[attributes["id"]]
        assert attributes["type"] == f"com.flyte.resource.flyteidl.admin.{v.kind.capitalize()}ExecutionEventRequest"
        assert attributes["source"] == SOURCE and attributes["jsonschemaurl"] == SCHEMA
        assert attributes["datacontenttype"] == "application/json" and attributes["time"].tzinfo
        assert event.get_data() == json.loads(v.data)
        assert read_by_sdk(m).get_id() == m.key().decode()


def test_an_event_without_time_gets_that_of_sending(gateway, broker, topic):
    g = gateway(config(broker, topic))
    request = flyte.workflow()
    request.event.occurred_at.FromJsonString("0001-01-01T00:00:00Z")
    before = datetime.now(timezone.utc)
    with g.channel() as channel:
        flyte.send(channel, request)
    m, = kafka.read(broker, topic, 1)
    assert [name for name, _ in m.headers()][5] == "ce_time"
    assert before <= read_by_sdk(m).get_attributes()["time"] <= datetime.now(timezone.utc)
    assert json.loads(m.value())["event"]["occurredAt"] == "0001-01-01T00:00:00Z"


HOOK = """\
local moongate = require "moongate"
return function(event)
  event.team = "ml"
  event.flag = true
  event.count = -5
  event.empty = ""
  event.subject = "s"
  event.data.event.producerId = "<someone>"
  moongate.route(event, {topic = "%s", headers = {["X-Team"] = "ml"}})
end
"""


def test_what_a_hook_adds_changes_or_routes_keeps_the_form(gateway, broker, topic):
    there = topic + "-there"
    kafka.create(broker, there, partitions=12)
    g = gateway(config(broker, topic, "format: {style: flyteadmin}, hooks: [hook.lua]", f", routes: ['{there}']"), {"hook.lua": HOOK % there})
    v, = vectors(names=["workflow-queued"])
    post(g, v)
    m, = kafka.read(broker, there, 1)
    own = dict(v.headers)
    names = ["ce_id", "ce_source", "ce_specversion", "ce_type", "content-type", "ce_subject", "ce_time", "ce_jsonschemaurl",
             "ce_team", "ce_flag", "ce_count", "ce_empty", "X-Team"]
    more = {"ce_subject": b"s", "ce_team": b"ml", "ce_flag": b"true", "ce_count": b"-5", "ce_empty": b"", "X-Team": b"ml"}
    assert m.headers() == [(name, more.get(name, own.get(name))) for name in names]
    assert m.key() == v.key and m.partition() == v.partition_of[12]
    changed = json.loads(v.data)
    changed["event"]["producerId"] = "<someone>"
    assert json.loads(m.value()) == changed


def test_what_is_written_wins(gateway, broker, topic):
    kafka.create(broker, topic, partitions=12)
    g = gateway(config(broker, topic, "format: {style: flyteadmin, mode: structured}", ", key: key, properties: {partitioner: murmur2}"))
    want = vectors(names=THREE)
    for v in want:
        post(g, v)
    got = kafka.read(broker, topic, 3)
    assert [m.headers() for m in got] == [[("content-type", b"application/cloudevents+json")]] * 3
    assert sorted(m.value().decode() for m in got) == sorted(v.nats for v in want)
    assert {m.key() for m in got} == {b"flytesnacks:development:f7c2a9d81b5e4"} and len({m.partition() for m in got}) == 1


DROPPED = "workflow-name-digit-colon"     # its name makes a source that Go does not parse


def test_version_2_has_an_empty_schema_and_what_its_client_drops_is_a_dead_letter(gateway, broker, topic):
    """Without FlyteAdmin: the events that its records add nothing to."""
    g = gateway(config(broker, topic, "format: {style: flyteadmin-v2}"))
    plain = [name for name in EVERY if case_of(name)["styles"].get("flyteadmin-v2", {}).get("enrichment") == {} and name != DROPPED]
    want = vectors(names=plain, style="flyteadmin-v2")
    for v in want:
        post(g, v)
    dropped = case_of(DROPPED)
    assert g.post(flyte.REST[dropped["kind"]], base64.b64decode(dropped["request_b64"]), "application/octet-stream")[0] == 200
    got = kafka.read(broker, topic, len(want))
    assert len(want) > 3
    assert sorted((m.key(), m.headers(), m.value()) for m in got) == sorted((v.key, v.headers, v.value) for v in want)
    assert {dict(m.headers())["ce_jsonschemaurl"] for m in got} == {b""}
    assert g.settled(len(want) + 1)["fa"]["dead_lettered"] == 1
    letter, = [json.loads(line) for line in run("dead", "list", "-c", g.config_file, "--json", check=0).stdout.splitlines()]
    assert letter["reason"] == "invalid_event" and letter["error"].startswith("source")


def test_the_documentations_block_sends_three_messages_as_flyteadmin_does(gateway, broker, topic):
    """But for the broker's address, and the topic, which is the test's own."""
    kafka.create(broker, topic, partitions=3)
    g = gateway(here(KAFKA, broker, topic))
    want = vectors(names=THREE)
    for v in want:
        post(g, v)
    got = kafka.read(broker, topic, 3)
    assert sorted((m.key(), m.headers(), m.value(), m.partition()) for m in got) == sorted(
        (v.key, v.headers, v.value, v.partition_of[3]) for v in want)
    assert all(m.partition() == partition(m.key(), 3) for m in got)


def test_raw_requests_of_external_events_tell_their_kind_in_headers(gateway, broker, topic):
    g = gateway(config(broker, topic, "format: {style: flyteadmin-external}"))
    want = vectors(names=THREE)
    for v in want:
        post(g, v)
    for m, v in zip(kafka.read(broker, topic, 3), want):
        headers = dict(m.headers())
        assert headers["ce_subject"].decode() == f"flyteidl.admin.{v.kind.capitalize()}ExecutionEventRequest"
        assert headers["content-type"] == b"application/protobuf" and m.key() == headers["ce_id"]
        assert m.value() == v.request
        attributes = read_by_sdk(m).get_attributes()
        assert attributes["type"] == f"com.flyte.resource.{v.kind}"


# ---- where FlyteAdmin has no sink: the document that its NATS consumers get

def test_a_file_holds_the_document_of_nats(gateway):
    g = gateway("pipelines:\n  - {name: fa, format: {style: flyteadmin}, publisher: {type: file, path: all.jsonl}}\n")
    want = vectors()
    for v in want:
        post(g, v)
    g.settled(len(want))
    with open(g.path("all.jsonl"), encoding="utf-8", newline="\n") as f:
        assert f.read() == "".join(v.nats + "\n" for v in want)


@pytest.fixture
def webhook():
    server = Webhook()
    yield server
    server.close()


def sdk_of_http(request):
    headers = email.message.Message()
    for name, value in request.headers.items():
        headers[name] = value
    return from_http_event(HTTPMessage(dict(headers.items()), request.body))


@pytest.mark.parametrize("mode", ["", ", mode: structured", ", mode: binary"])
def test_http_gets_the_document_or_headers(gateway, webhook, mode):
    g = gateway(f"pipelines:\n  - {{name: fa, format: {{style: flyteadmin{mode}}}, publisher: {{type: http, url: '{webhook.url}'}}}}\n")
    want = {v.id: v for v in vectors(names=THREE)}
    for v in want.values():
        post(g, v)
    g.settled(3)
    assert len(webhook.posts) == 3
    for request in webhook.posts:
        event = sdk_of_http(request)
        v = want[event.get_id()]
        data = event.get_data()
        assert event.get_attributes()["jsonschemaurl"] == SCHEMA and event.get_source() == SOURCE
        assert (json.loads(data) if isinstance(data, (bytes, str)) else data) == json.loads(v.data)
        if "binary" in mode:
            assert request.body == v.value and request.headers["content-type"] == "application/json"
        else:
            assert request.body.decode() == v.nats and request.headers["content-type"] == "application/cloudevents+json"


def test_http_gets_external_events_as_headers_and_the_request(gateway, webhook):
    g = gateway(f"pipelines:\n  - {{name: fa, format: {{style: flyteadmin-external}}, publisher: {{type: http, url: '{webhook.url}'}}}}\n")
    v, = vectors(names=["task-failed-retries"])
    post(g, v)
    g.settled(1)
    request, = webhook.posts
    assert request.body == v.request and request.headers["content-type"] == "application/protobuf"
    assert request.headers["ce-subject"] == "flyteidl.admin.TaskExecutionEventRequest"
    assert sdk_of_http(request).get_type() == "com.flyte.resource.task"


def test_check_refuses_batches_of_what_goes_as_headers(tmp_path):
    text = ("pipelines:\n  - {name: fa, format: {style: flyteadmin-external}, publisher: {type: http, url: 'http://127.0.0.1:1/',\n"
            "     batch: {events: 2}}}\n")
    assert [(line, what) for _, line, _, level, what in check(tmp_path, text, 1) if level == "error"] == [
        (3, "batch: events of format.mode binary (as style flyteadmin-external has it) go one by one: leave batch.events at 1")]
    check(tmp_path, text.replace("external", "external, mode: structured"), 0)


def test_check_notes_what_departs_from_flyteadmin(tmp_path):
    text = ("pipelines:\n  - name: fa\n    format: {style: flyteadmin}\n"
            "    publisher: {type: kafka, brokers: '127.0.0.1:1', topic: t, key: key, properties: {partitioner: random}}\n")
    assert [(line, column, level, what.split(":")[0]) for _, line, column, level, what in check(tmp_path, text, 0, "--strict")] == [
        (4, 69, "note", "key"), (4, 100, "note", "properties")]
