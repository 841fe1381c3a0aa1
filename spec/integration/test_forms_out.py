"""Every publisher × mode × encoding × data, each event held to its binding: one gateway, a pipeline for each form, real servers
behind them, and other people's readers of what arrived: the CloudEvents SDK, Google's protobuf runtime, nats-py, boto3 and
google-cloud-pubsub's client. What a binding asks for is written here a second time, from its text alone."""
import base64
import json
import re
import urllib.parse

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from cloudevents.core.formats.json import JSONFormat
from google.protobuf import any_pb2, json_format

import cloudevents_proto as proto
import flyte
import kafka
import natsd
import percent
from pubsub import PROJECT
from test_ingest_flyte2 import PATH, action, id_of, record
from webhook import Webhook


# ---- what is sent: (attributes, data); an attribute's member of the oneof is told by its prefix

PLAIN = "!#$&'()*+,-./0:;<=>?@[\\]^_`{|}~"
OBJECT = ' {"a" : [1.0, 1e400, -0, 12345678901234567890123], "b":"\\u00e9\\ud800\\/\\u0000",\r\n\t"b": null , "a":{}} \n'
EVENTS = {
    "nothing": ({}, None),
    "types": ({"yes": True, "no": False, "least": -2**31, "most": 2**31 - 1, "zero": 0, "bytes": bytes(range(256)), "nobytes": b"",
               "uri:link": "https://x.example/a?b=c%20d#e", "uri_ref:ref": "../a%2fb?c", "time:first": "0001-01-01T00:00:00Z",
               "time:last": "9999-12-31T23:59:59.999999999Z", "time:epoch": "1970-01-01T00:00:00Z", "time:time": "2026-01-02T03:04:05.120Z",
               "subject": "a subject", "uri:dataschema": "https://x.example/schema", "datacontenttype": "application/octet-stream",
               "a1b2c3d4e5f6g7h8i9j0": "twenty characters"}, bytes(range(256)) * 3),
    "Euro € 😀": ({"subject": "Euro € 😀", "quote": '"a" \\ b', "percent": "100% %41 %e9 %", "spaces": "  two  ", "plain": PLAIN,
                  "higher": "\u00a0\u00ff\u0301\u2028\ufffd\U0010fffd", "partitionkey": "käy 1",
                  "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}, None),
    "empty text": ({"empty": "", "datacontenttype": "text/plain"}, ""),
    "empty bytes": ({"datacontenttype": "application/octet-stream"}, b""),
    "text": ({"datacontenttype": 'text/plain; charset="utf-8"'}, "line\r\n\t\x01\x7f é \u2028 😀 \"\\</x>"),
    "xml": ({"datacontenttype": "application/xml"}, "<é/>"),
    "text, no type": ({}, "not JSON: {"),
    "JSON": ({"datacontenttype": "application/json; charset=utf-8"}, OBJECT),
    "JSON, no type": ({}, '"a string"'),
    "JSON null": ({"datacontenttype": "application/vnd.x+json"}, "null"),
    "JSON in bytes": ({"datacontenttype": "application/json"}, b'{"in":"bytes"}'),
    "bytes, no type": ({}, b"\xff\x00"),
    "an Any": ({"datacontenttype": "application/protobuf", "uri:dataschema": "type.googleapis.com/x.Y"}, 
              any_pb2.Any(type_url="type.googleapis.com/x.Y", value=b"\x0a\x01x\x00\xff")),
}


MEMBERS = {"time": "ce_timestamp", "uri": "ce_uri", "uri_ref": "ce_uri_ref", str: "ce_string", bool: "ce_boolean", int: "ce_integer", bytes: "ce_bytes"}
DATA = {str: "text_data", bytes: "binary_data", any_pb2.Any: "proto_data"}


def cloudevent(id, source, type_, attributes, data):
    entries = {}
    for name, value in attributes.items():
        kind, _, name = name.rpartition(":")
        entries[name] = (MEMBERS[kind or type(value)], value)
    return proto.event(id, source, type_, attributes=entries, **({} if data is None else {DATA[type(data)]: data}))


def others():
    return [cloudevent(id, "/s%C3%B6urce?a=%20&b#c", "a.type/" + id[:3], *rest) for id, rest in EVENTS.items()]


# Came as JSON, where a text does not say of which type it is: those of the specification's own attributes are known.
AS_JSON = {"specversion": "1.0", "id": "from JSON", "source": "urn:x", "type": "t", "subject": "s", "time": "2026-01-02T03:04:05Z", "dataschema": "urn:y",
           "n": -5, "yes": True, "text": "true", "datacontenttype": "text/x", "data": "é"}
TYPED = {"time:time": "2026-01-02T03:04:05Z", "uri:dataschema": "urn:y", "subject": "s", "n": -5, "yes": True, "text": "true", "datacontenttype": "text/x"}


ACTION = type(action())
REQUESTS = [flyte.workflow(name="f é:%", error='"no" <é> \u2028'), flyte.node(), flyte.task(), action(error="out of memory")]


def of_flyte(request, as_json):
    """What the documented style makes of it."""
    if isinstance(request, ACTION):
        head = {"id": id_of(request, "RUNNING"), "source": flyte.SOURCE, "type": "com.flyte.resource.action", "subject": "workflow.ActionEvent"}
        time = request.updated_time
    else:
        head, time = flyte.documented(request), request.event.occurred_at
    rest = {"time:time": time.ToJsonString(), "subject": head["subject"], "datacontenttype": "application/json" if as_json else "application/protobuf"}
    if "jsonschemaurl" in head:
        rest["jsonschemaurl"] = head["jsonschemaurl"]
    data = json_format.MessageToJson(request) if as_json else request.SerializeToString()
    return cloudevent(head["id"], head["source"], head["type"], rest, data)


# ---- what an event says, as the specification's type system has it

def value_of(value):
    """(canonical string, JSON value)"""
    kind = value.WhichOneof("attr")
    got = getattr(value, kind)
    if kind == "ce_boolean":
        return ("true" if got else "false"), got
    if kind == "ce_integer":
        return str(got), got
    if kind == "ce_bytes":
        return (base64.b64encode(got).decode(),) * 2
    return (got.ToJsonString() if kind == "ce_timestamp" else got,) * 2


def attributes(event):
    """name -> (canonical string, JSON value), specversion among them."""
    fixed = {"specversion": event.spec_version, "id": event.id, "source": event.source, "type": event.type}
    return {**{k: (v, v) for k, v in fixed.items()}, **{k: value_of(v) for k, v in event.attributes.items()}}


def is_json(event):
    """Data is a JSON value: text whose type says so, or has none and reads so."""
    if event.WhichOneof("data") != "text_data":
        return False
    type = event.attributes["datacontenttype"].ce_string if "datacontenttype" in event.attributes else None
    if type is not None:
        return bool(re.match(r"[^/]+/(.+\+)?json *(;|$)", type))
    try:
        json.loads(event.text_data)
    except ValueError:
        return False
    return True


def payload(event):
    kind = event.WhichOneof("data")
    if kind == "text_data":
        return event.text_data.encode()
    return {None: None, "binary_data": event.binary_data, "proto_data": event.proto_data.value}[kind]


def content_type(event):
    """Of the data, where it stands by itself: what its absence means in the other formats is said aloud."""
    if "datacontenttype" in event.attributes:
        return event.attributes["datacontenttype"].ce_string
    return "application/json" if is_json(event) else None


def same_json(got, want):
    return json.loads(got) == json.loads(want)


# ---- the forms

def once(pairs):
    names = [k for k, _ in pairs]
    assert len(names) == len(set(names)), f"a member twice: {names}"
    return dict(pairs)


def check_json(event, text, made, line):
    """The JSON format. Data that is JSON stands there byte for byte; made: it is Flyte's, and its JSON ours."""
    head, kind = text, event.WhichOneof("data")
    if is_json(event):
        head, data = text.split(',"data":', 1)
        head, data = head + "}", data[:-1]
        want = event.text_data.strip(" \t\r\n")
        assert same_json(data, want) if made else data == (re.sub("[\r\n]", " ", want) if line else want), data
    got = json.loads(head, object_pairs_hook=once)
    want = {k: v for k, (_, v) in attributes(event).items()}
    if kind in ("binary_data", "proto_data"):
        want["data_base64"] = base64.b64encode(payload(event)).decode()
    elif kind == "text_data" and not is_json(event):
        want["data"] = event.text_data
    assert [(k, type(v), v) for k, v in sorted(got.items())] == [(k, type(v), v) for k, v in sorted(want.items())]


def check_protobuf(event, got, made):
    if made and is_json(event):
        assert same_json(got.text_data, event.text_data)
        got.text_data = event.text_data
    assert got == event, (got, event)


class Arrival:
    """headers: text by name; read: the event as the SDK has it, where it knows the binding."""

    def __init__(self, headers, body, read=None):
        self.headers, self.body, self.read = headers, body, read


class Form:
    """A pipeline, and what its destination got: arrived(n) gives that many arrivals or more."""
    format = ""

    def __init__(self, name, publisher, arrived):
        self.name, self.publisher, self.arrived = name, publisher, arrived

    def pipeline(self):
        flyte_only = "event_types: [workflow, node, task, action], " if self.as_json else ""
        return (f"  - {{name: {self.name}, {flyte_only}retry: {{initial: 10ms, max: 100ms}}, "
                f"format: {{{self.format}data: {'json' if self.as_json else 'protobuf'}}}, publisher: {{{self.publisher}}}}}\n")

    @property
    def as_json(self):
        return self.name.endswith("-j")


class Json(Form):
    type = "application/cloudevents+json"
    line = False

    def id(self, a):
        return json.loads(a.body)["id"]

    def check(self, event, a, made):
        assert a.headers == ({"content-type": self.type} if self.type else {})
        check_json(event, a.body.decode(), made, self.line)


class Protobuf(Form):
    format = "encoding: protobuf, "
    type = "application/cloudevents+protobuf"

    @staticmethod
    def event(a):
        return proto.read(a.body)

    def id(self, a):
        return self.event(a).id

    def check(self, event, a, made):
        assert a.headers == ({"content-type": self.type} if self.type else {})
        check_protobuf(event, self.event(a), made)


class Binary(Form):
    """Of HTTP; the other bindings say where they differ. null: no data and empty data are two things."""
    format = "mode: binary, "
    prefix, type, null = "ce-", "content-type", False
    encode = staticmethod(percent.header)
    encode_type = staticmethod(str)

    def id(self, a):
        return urllib.parse.unquote(a.headers["ce-id"], errors="strict")

    def check(self, event, a, made):
        want = {self.prefix + k: self.encode(v) for k, (v, _) in attributes(event).items() if k != "datacontenttype"}
        if content_type(event) is not None:
            want[self.type] = self.encode_type(content_type(event))
        assert sorted(a.headers.items()) == sorted(want.items())
        data = payload(event)
        assert same_json(a.body, data) if made and is_json(event) else a.body == data if self.null else (a.body or b"") == (data or b"")


class KafkaBinary(Binary):
    prefix, null = "ce_", True
    encode = staticmethod(str)

    def id(self, a):
        return a.headers["ce_id"]


class NatsBinary(Binary):
    type = "ce-datacontenttype"
    encode_type = staticmethod(percent.header)


class PubsubBinary(Binary):
    encode = staticmethod(str)

    def id(self, a):
        return a.headers["ce-id"]


class JsonBatch(Json):
    type = "application/cloudevents-batch+json"


class ProtobufBatch(Protobuf):
    type = "application/cloudevents-batch+protobuf"


class JsonText(Json):
    """No binding of the specification: the structured event is the message, of protobuf its base64 (SNS and SQS take text alone)."""
    type = None


class ProtobufText(Protobuf):
    type = None

    @staticmethod
    def event(a):
        return proto.read(base64.b64decode(a.body, validate=True))


class Line(JsonText):
    line = True


# ---- what arrived, by other people's clients

def kafka_forms(broker, topic, data):
    def arrived(to):
        def read(n):
            every = kafka.read(broker, to, n)
            return [Arrival({k: v.decode() for k, v in m.headers()}, m.value(),
                            lambda m=m: from_kafka_event(KafkaMessage(dict(m.headers()), m.key(), m.value()), JSONFormat())) for m in every]
        return read
    for form in (Json, Protobuf, KafkaBinary):
        to = f"{topic}-{form.__name__}{data}"
        yield form(f"kafka-{form.__name__.lower()}{data}", f"type: kafka, brokers: ['{broker}'], topic: '{to}'", arrived(to))


def elements(text):
    """The texts of an array's members, as they stand there."""
    decoder, at, found = json.JSONDecoder(), 1, []
    while text[at] != "]":
        end = decoder.raw_decode(text, at)[1]
        found.append(text[at:end])
        at = end + (text[end] == ",")
    assert text[0] == "[" and at == len(text) - 1
    return found


def http_forms(server, data):
    def headers_of(r):
        return {k: v for k, v in r.headers.items() if k.startswith("ce-") or k == "content-type"}

    def arrived(path):
        return lambda n: [Arrival(headers_of(r), r.body, lambda r=r: from_http_event(HTTPMessage(headers_of(r), r.body), JSONFormat()))
                          for r in server.requests if r.path == "/hook" + path]

    def of_batches(path, form):
        def split(body):
            if form is JsonBatch:
                return [text.encode() for text in elements(body.decode())]
            return [event.SerializeToString() for event in proto.read_batch(body)]
        return lambda n: [Arrival(a.headers, body) for a in arrived(path)(n) for body in split(a.body)]
    for form in (Json, Protobuf, Binary, JsonBatch, ProtobufBatch):
        path, batch = f"/{form.__name__}{data}", form in (JsonBatch, ProtobufBatch)
        yield form(f"http-{form.__name__.lower()}{data}", f"type: http, url: '{server.url}{path}'" + (", batch: {events: 100}" if batch else ""),
                   of_batches(path, form) if batch else arrived(path))


def nats_forms(address, judge, subject, data):
    """JetStream gets the same, and an id of the message."""
    def arrived(to, more):
        def read(n):
            every = [(dict(m.headers), m.data) for m in judge.messages if m.subject == to]
            assert all(("Nats-Msg-Id" in headers) == bool(more) for headers, _ in every)
            return [Arrival({k: v for k, v in headers.items() if k != "Nats-Msg-Id"}, body) for headers, body in every]
        return read
    for form in (Json, Protobuf, NatsBinary):
        for name, more in (("nats", ""), ("jetstream", ", jetstream: true")):
            to = f"{subject}.{name}.{form.__name__}{data}"
            yield form(f"{name}-{form.__name__.lower()}{data}", f"type: nats, servers: '{address}', subject: '{to}'{more}", arrived(to, more))


def pubsub_forms(server, name, data):
    def arrived(subscription):
        return lambda n: [Arrival(dict(m.attributes), m.data) for m in server.pull(subscription, n)]
    for form in (Json, Protobuf, PubsubBinary):
        topic = f"{name}-{form.__name__}{data}"
        yield form(f"pubsub-{form.__name__.lower()}{data}", f"type: pubsub, project: {PROJECT}, topic: '{topic}'", arrived(server.pair(topic, ordered=False)))


def aws_forms(aws, name, data):
    def of_topic(arn):
        return lambda n: [Arrival({}, m[1].encode()) for m in aws.published(arn)]

    def of_queue(url):
        return lambda n: [Arrival({}, m["Body"].encode()) for m in aws.received(url)]
    for form in (JsonText, ProtobufText):
        arn, queue = aws.topic(f"{name}-{form.__name__}{data}"), aws.queue(f"{name}-{form.__name__}{data}")
        yield form(f"sns-{form.__name__.lower()}{data}", f"type: sns, topic_arn: '{arn}'", of_topic(arn))
        yield form(f"sqs-{form.__name__.lower()}{data}", f"type: sqs, queue_url: '{queue}'", of_queue(queue))


def file_form(folder, data):
    path = folder / f"lines{data}"
    return Line(f"file{data}", f"type: file, path: '{path}'", lambda n: [Arrival({}, line) for line in path.read_bytes().split(b"\n")[:-1]])


def check_sdk(event, read, made):
    """The SDK gives time as a datetime, and data as text or JSON where it can."""
    got, data, want = read.get_attributes(), read.get_data(), payload(event)
    for name, (text, value) in attributes(event).items():
        if name == "time":
            assert got[name].timestamp() == event.attributes["time"].ce_timestamp.ToNanoseconds() / 1e9
        elif name != "datacontenttype" or name in got:
            assert got[name] in (text, value), name
    if is_json(event) or not isinstance(data, (str, bytes, type(None))):
        assert data == json.loads(want) or same_json(data, want), data
    else:
        assert (data.encode() if isinstance(data, str) else data or b"") == (want or b""), data


@pytest.fixture
def nats(tmp_path):
    if not natsd.installed():
        pytest.skip("no nats-server: run `make test-deps`")
    server = natsd.Server(tmp_path / "nats", "-js", "-sd", "js").start()
    client = natsd.Client(server).stream("forms", "f.jetstream.>")
    yield server.address, client
    client.close()
    server.stop()


@pytest.fixture
def webhook():
    server = Webhook()
    yield server
    server.close()


def test_every_form_is_what_its_binding_says(gateway, broker, topic, nats, webhook, pubsub, aws, name, tmp_path):
    address, judge = nats
    forms = [form for data in ("", "-j") for form in (*kafka_forms(broker, topic, data), *http_forms(webhook, data),
                                                      *nats_forms(address, judge, "f", data), *pubsub_forms(pubsub, name, data),
                                                      *aws_forms(aws, name, data), file_form(tmp_path, data))]
    assert len(forms) == 2 * (3 + 5 + 6 + 3 + 4 + 1)
    judge.subscribe("f.>")
    g = gateway("pipelines:\n" + "".join(form.pipeline() for form in forms), env={**aws.env(), **pubsub.env()})
    assert g.post("/v1/events", json.dumps(AS_JSON), "application/cloudevents+json")[0] == 202
    every = others()
    assert g.post("/v1/events", proto.batch(every).SerializeToString(), "application/cloudevents-batch+protobuf")[0] == 202
    with g.channel() as channel:
        for r in REQUESTS[:3]:
            flyte.send(channel, r)
    every.append(cloudevent("from JSON", "urn:x", "t", TYPED, "é"))
    assert g.post(PATH, record(REQUESTS[3]).SerializeToString(), "application/proto")[0] == 200
    g.settled(len(every) + len(REQUESTS))
    for form in forms:
        made = {e.id: e for e in (of_flyte(r, form.as_json) for r in REQUESTS)}
        want = made if form.as_json else {**made, **{e.id: e for e in every}}
        got = {form.id(a): a for a in form.arrived(len(want))}
        assert sorted(got) == sorted(want), form.name
        for id, event in want.items():
            try:
                form.check(event, got[id], id in made)
                if got[id].read and isinstance(form, (Json, Binary)):
                    check_sdk(event, got[id].read(), id in made)
            except AssertionError as error:
                raise AssertionError(f"{form.name}, event {id!r}: {error}") from error
