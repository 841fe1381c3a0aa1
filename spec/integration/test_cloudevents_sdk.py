"""The CloudEvents SDK for Python, its present and its old interface, at both ends: what it writes over HTTP is taken, and what we write of
that is read by it, in every mode. (Kafka: test_ingest_kafka_forms.py, test_publish_kafka.py.) One gateway, a pipeline for each way out."""
import contextlib
import json
from datetime import datetime, timedelta, timezone

from cloudevents.core.bindings import http as sdk
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import conversion as old_sdk
from cloudevents.v1.http import CloudEvent as OldCloudEvent
from cloudevents.v1.http import from_http as old_from_http
from cloudevents.v1.http import from_json as old_from_json

from gateway import request
from webhook import Webhook

PATH = "/v1/events"
WAYS = {"structured": "format: {mode: structured}", "binary": "format: {mode: binary}", "batch": "format: {mode: structured}"}
# Without one the SDK gives it the time of day, writing and reading.
TIME = datetime(2026, 4, 7, 6, 30, 1, 250000, timezone.utc)
# What HTTP's percent-encoding is for; the old interface knows none of it.
WORDS = {"subject": "a/ü € \"%41\" 😀", "note": " %\\\"~ "}
EVENTS = [
    ({}, None),
    ({"datacontenttype": "application/json", "count": 7, **WORDS}, {"a": [1, 1.5, None, "ü"], "b": {}}),
    ({"datacontenttype": "application/vnd.x+json", "count": 7}, {"message": "Hello World!"}),
    ({"datacontenttype": "text/plain; charset=utf-8", "dataschema": "https://x/y#z", **WORDS}, "line\nü"),
    ({"datacontenttype": "application/octet-stream", "time": TIME.astimezone(timezone(timedelta(hours=2)))}, b"\x00\xff\xfe"),
    ({"datacontenttype": "application/xml", "subject": "s"}, b"<a/>"),
]


def attributes(at, more):
    return {"specversion": "1.0", "id": f"e{at}", "source": "/python/sdk", "type": "com.example.sdk", "time": TIME, **more}


def is_old(more):
    """What the old interface can write as it is."""
    return not set(more) & set(WORDS)


def same(got, attributes, data):
    """The SDK tells a text of any type from bytes only by whether it is UTF-8, and everything in a header is a string."""
    got_attributes, got_data = dict(got.get_attributes()), got.get_data()
    return {k: v if k == "time" else str(v) for k, v in got_attributes.items()} == {k: v if k == "time" else str(v) for k, v in attributes.items()} and \
        (got_data.encode() if isinstance(got_data, str) else got_data) == (data.encode() if isinstance(data, str) else data)


def config(servers):
    return "pipelines:\n" + "".join(f"  - {{name: {way}, {WAYS[way]}, publisher: {{type: http, url: '{servers[way].url}'"
                                    f"{', batch: {events: 10}' if way == 'batch' else ''}}}}}\n" for way in WAYS)


def written():
    """(headers, body) of each event in each mode, by both interfaces; and what each is."""
    for at, (more, data) in enumerate(EVENTS):
        event = CloudEvent(attributes(at, more), data)
        for write in (sdk.to_binary_event, sdk.to_structured_event):
            message = write(event)
            yield message.headers, message.body, at
        if is_old(more):
            old = OldCloudEvent({k: v.isoformat() if k == "time" else v for k, v in attributes(at, more).items()}, data)
            for write in (old_sdk.to_binary, old_sdk.to_structured):
                headers, body = write(old)
                yield headers, body or b"", at
    batch = b"[" + b",".join(JSONFormat().write(CloudEvent(attributes(at, more), data)) for at, (more, data) in enumerate(EVENTS)) + b"]"
    yield {"content-type": "application/cloudevents-batch+json"}, batch, None


def read_back(way, sent):
    """The events of a request, each as both interfaces read it; the old one, only what it can."""
    if way == "batch":
        for each in json.loads(sent.body):
            text = json.dumps(each).encode()
            yield JSONFormat().read(None, text), lambda text=text: old_from_json(text)
    else:
        yield sdk.from_http_event(sdk.HTTPMessage(sent.headers, sent.body), JSONFormat()), \
            lambda: old_from_http(sent.headers, sent.body)


def test_what_it_writes_is_taken_and_what_we_write_it_reads(gateway):
    with contextlib.ExitStack() as stack:
        servers = {way: stack.enter_context(contextlib.closing(Webhook())) for way in WAYS}
        g = gateway(config(servers))
        want = []
        for headers, body, at in written():
            status, _, text = request(g.http, "POST", PATH, body, headers)
            assert status == 202, (headers, body, text)
            want += [at] if at is not None else range(len(EVENTS))
        g.settled(len(want))
        for way, server in servers.items():
            got = [event for sent in server.requests for event in read_back(way, sent)]
            assert sorted(e.get_id() for e, _ in got) == sorted(f"e{at}" for at in want), way
            for event, old in got:
                more, data = EVENTS[int(event.get_id()[1:])]
                assert same(event, attributes(int(event.get_id()[1:]), more), data), (way, event.get_attributes(), event.get_data())
                if way != "binary" or not set(more) & set(WORDS):
                    old = old()
                    assert (old["id"], old["source"], old["type"], old["specversion"]) == (event.get_id(), "/python/sdk", "com.example.sdk", "1.0")
                    assert old.get("subject") == more.get("subject") and old.get("dataschema") == more.get("dataschema")
                    assert old.data == data or isinstance(data, str) and old.data in (data, data.encode()) or isinstance(data, dict) and old.data == data, (way, old)
