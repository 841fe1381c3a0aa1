"""The CloudEvents SDKs for Go, JavaScript and Java at both ends of the gateway, in every mode they have. What they get wrong by themselves
is said where the events are made; everything else comes out as it went in."""
import base64
import contextlib
import json
import os
import random
import subprocess
from datetime import datetime

import pytest
from confluent_kafka import Producer

import kafka
import natsd
import percent
import uris
from gateway import ROOT, request
from pubsub import PROJECT
from wait import wait_until

HERE = os.path.join(os.environ.get("TOOLS") or os.path.join(ROOT, "build/tools"), "cloudevents")
PEERS = {"go": [os.path.join(HERE, "peer")], "js": ["node", os.path.join(HERE, "js/peer.mjs")],
         "java": ["java", "-cp", os.path.join(HERE, "java") + ":" + os.path.join(HERE, "java/lib/*"), "Peer"]}
MODES = {"go": ["binary", "structured", "protobuf", "batch"], "js": ["binary", "structured", "batch"], "java": ["binary", "structured", "protobuf"]}
needs_java = pytest.mark.skipif(not os.path.exists(os.path.join(HERE, "java/Peer.class")), reason="no mvn and javac where the judges were made")
LANGUAGES = ["go", "js", pytest.param("java", marks=needs_java)]
FILE = "pipelines:\n  - {name: all, publisher: {type: file, path: all.jsonl}}\n"
JSON, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
PLAIN = {"subject": "a/b?c=(d)", "note": "x~!"}
WORDS = {"subject": 'ü € "q" 😀', "note": "100 % \\"}            # none of them encodes or decodes headers: written as they are, read encoded


EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def event(name, kind=None, data=None, **more):
    """As peers read it. Neither is asked for an event without a time, nor the JavaScript one for data without a type: it makes them up."""
    return {"attributes": {"id": name, "source": "/sdk", "type": "com.example.sdk", "specversion": "1.0", "time": "2026-04-07T06:30:01.250Z", **more},
            **({} if kind is None else {"kind": kind, kind: base64.b64encode(data).decode() if kind == "bytes" else data})}


EVENTS = [
    event("json", "json", {"a": [1, 1.5, None, "ü"], "b": {}}, datacontenttype="application/json", **PLAIN),
    event("types", "json", [1], datacontenttype="application/json", count=-7, flag=True, off=False, most=2147483647),
    event("charset", "json", {"message": "Hello World!"}, datacontenttype="application/json; charset=utf-8"),
    event("text", "text", "two\nlines ü", datacontenttype="text/plain", dataschema="https://x/y#z"),
    event("offset", "text", "x", datacontenttype="text/plain", time="2026-04-07T08:30:01.25+02:00"),
    event("bytes", "bytes", b"\x00\xff\xfe", datacontenttype="application/octet-stream"),
]
STRANGE = [event("words", "json", {}, datacontenttype="application/json", **WORDS)]
NOTHING = [event("nothing")]


def peer(language, *args, events=(), env=None):
    """The lines that one says once it has ended."""
    done = subprocess.run([*PEERS[language], *map(str, args)], input="".join(json.dumps(e) + "\n" for e in events), capture_output=True, text=True, timeout=120,
                          check=False, env={**os.environ, **(env or {})})
    assert done.returncode == 0, (args, done.stdout, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextlib.contextmanager
def listening(tmp_path, *command, env=None):
    """A peer that listens: (its process, a function that gives the lines so far)."""
    out, errors = tmp_path / "peer.out", tmp_path / "peer.err"
    with open(out, "wb") as o, open(errors, "wb") as e:
        process = subprocess.Popen(list(map(str, command)), stdout=o, stderr=e, env={**os.environ, **(env or {})})

    def lines():
        assert process.poll() in (None, 0), errors.read_text()
        return out.read_text().splitlines()
    try:
        yield process, lines
    finally:
        process.kill()
        process.wait()


def wanted(e):
    """(attributes as strings, data) of an event as it was made."""
    kind = e.get("kind")
    data = None if kind is None else base64.b64decode(e["bytes"]) if kind == "bytes" else e["text"].encode() if kind == "text" else e["json"]
    return {k: canonical(k, v) for k, v in e["attributes"].items()}, data


def canonical(name, value):
    if name == "time":
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    return value if isinstance(value, str) else json.dumps(value)


def written(line, json_as_bytes=False):
    """The same of a line of a file. Go's protobuf has JSON as bytes (Java's, if its type has parameters), and so have we then."""
    data = base64.b64decode(line["data_base64"]) if "data_base64" in line else line.get("data")
    if json_as_bytes and "data_base64" in line and "json" in line["datacontenttype"]:
        return written({**{k: v for k, v in line.items() if k != "data_base64"}, "data": json.loads(data)})
    if isinstance(data, str):
        data = data.encode()
    return {k: canonical(k, v) for k, v in line.items() if k not in ("data", "data_base64")}, data


def told(line, language=None):
    """The same of what a peer says. Of protobuf's text Go makes a JSON string, whatever it is; of Kafka it tells where the event was."""
    data = line["data"] and base64.b64decode(line["data"])
    if data and "json" in line["attributes"].get("datacontenttype", ""):
        data = json.loads(data)
        if language == "go" and line["attributes"].get("way") == "protobuf":
            data = json.loads(data)
    return {k: canonical(k, v) for k, v in line["attributes"].items() if k not in ("kafkaoffset", "kafkapartition", "kafkatopic")}, data


def structured(e):
    kind = e.get("kind")
    return {**e["attributes"], **({} if kind is None else {"data_base64": e["bytes"]} if kind == "bytes" else {"data": e[kind]})}


def sent_by(language, mode):
    """JavaScript's writes an event without data in no mode but a batch; of no header beyond Latin-1 do it and Java make what can be read."""
    events = list(EVENTS)
    if language != "js" or mode == "batch":
        events += NOTHING
    if language == "go" or mode != "binary":
        events += STRANGE
    return events


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_they_send_is_taken(gateway, language):
    g = gateway(FILE)
    want = []
    for mode in MODES[language]:
        events = [e for e in sent_by(language, mode) if not (mode == "binary" and e in STRANGE)]
        peer(language, "send", mode, f"http://{g.http}/v1/events", events=events)
        want += [(mode, wanted(e)) for e in events]
    g.settled(len(want))
    for (mode, expected), line in zip(want, g.lines(), strict=True):
        if (mode, language, line["id"]) == ("protobuf", "go", "nothing"):
            assert line.pop("data_base64") == ""                             # it has no way to say none
        assert written(line, mode == "protobuf") == expected, (mode, expected, line)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_we_send_they_read(gateway, tmp_path, language):
    """Every mode to one server, an attribute says which; to Go's also the handshake of a webhook, which its SDK answers."""
    ways = {"binary": "format: {mode: binary}", "structured": "format: {mode: structured}", "batch": "format: {mode: structured}",
            "protobuf": "format: {encoding: protobuf}"}
    ways = {mode: ways[mode] for mode in MODES[language]}
    with listening(tmp_path, *PEERS[language], "listen") as (_, lines):
        address = wait_until(lambda: lines() and lines()[0])
        g = gateway("pipelines:\n" + "".join(
            f"  - {{name: {way}, {form}, set: {{way: {way}}}, publisher: {{type: http, url: 'http://{address}/'"
            f"{', batch: {events: 10}' if way == 'batch' else ''}{', handshake: true' if language == 'go' and way == 'binary' else ''}}}}}\n"
            for way, form in ways.items()))
        events = EVENTS + STRANGE + NOTHING
        status, _, text = g.post("/v1/events", json.dumps([structured(e) for e in events]), BATCH)
        assert status == 202, text
        g.settled(len(events))
        got = [told(json.loads(line), language) for line in wait_until(lambda: len(lines()) > len(ways) * len(events) and lines()[1:])]
    for way in ways:
        for e in events:
            attributes, data = wanted(e)
            if way == "binary":
                attributes = {k: v if k in ("time", "datacontenttype") else percent.header(v) for k, v in attributes.items()}
            assert ({**attributes, "way": way}, data) in got, (way, e, [x for x in got if x[0]["id"] == e["attributes"]["id"]])
    assert len(got) == len(ways) * len(events)


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_kafka_both_ways(gateway, broker, topic, tmp_path, mode):
    """They write what we read, we write what they read. Here nothing is encoded."""
    kafka.create(broker, topic)
    kafka.create(broker, topic + "-out")
    events = EVENTS + STRANGE + NOTHING
    peer("go", "kafka-send", mode, broker, topic, events=events)
    produce(broker, topic, peer("js", "kafka-write", mode, events=EVENTS + STRANGE))
    g = gateway(f"ingest: {{kafka: [{{brokers: ['{broker}'], topics: ['{topic}'], group: '{topic}'}}]}}\n" + FILE +
                f"  - {{name: out, format: {{mode: {mode}}}, publisher: {{type: kafka, brokers: ['{broker}'], topic: {topic}-out}}}}\n")
    events += EVENTS + STRANGE
    g.settled(len(events))
    assert [written(line) for line in g.lines()] == [wanted(e) for e in events]
    with listening(tmp_path, *PEERS["go"], "kafka-listen", broker, topic + "-out", len(events)) as (process, lines):
        wait_until(lambda: process.poll() is not None, lines)
        assert [told(json.loads(line)) for line in lines()] == [wanted(e) for e in events]
    messages = [{"headers": {k: v.decode() for k, v in m.headers()}, "value": m.value().decode()} for m in kafka.read(broker, topic + "-out", len(events))
                if m.value() and b"\xff" not in m.value()]                   # it wants text, and some
    got = [told(line) for line in peer("js", "kafka-read", events=messages)]
    assert got == [wanted(e) for e in events if e.get("kind") and (mode == "structured" or e["kind"] != "bytes") or mode == "structured" and not e.get("kind")]


def produce(broker, topic, messages):
    producer = Producer({"bootstrap.servers": broker, "log_level": 0})
    for m in messages:
        producer.produce(topic, base64.b64decode(m["value"]), headers=[(k, v.encode()) for k, v in m["headers"].items()])
    assert producer.flush(60) == 0


def test_nats_is_read(gateway, tmp_path):
    server = natsd.Server(tmp_path / "nats").start()
    try:
        with listening(tmp_path, *PEERS["go"], "nats-listen", f"nats://{server.address}", "judge", len(EVENTS)) as (process, lines):
            wait_until(lines)
            g = gateway(f"pipelines:\n  - {{name: n, publisher: {{type: nats, servers: ['nats://{server.address}'], subject: judge}}}}\n")
            sent = 0
            while process.poll() is None and sent < 50:                      # a subscription is there a little after the line that says so
                assert g.post("/v1/events", json.dumps([structured(e) for e in EVENTS]), BATCH)[0] == 202
                sent += len(EVENTS)
                g.settled(sent)
            wait_until(lambda: process.poll() is not None, lines)
            got = [told(json.loads(line)) for line in lines()[1:]]
            assert len(got) == len(EVENTS) and all(e in [wanted(e) for e in EVENTS] for e in got)
    finally:
        server.stop()


def test_pubsub_both_ways(gateway, pubsub, name, tmp_path):
    """Its structured messages say nowhere what they are, and it looks for our content type under another name: binary is read but for that."""
    pubsub.pair(name)
    pubsub.pair(name + "-out")
    events = EVENTS + STRANGE
    for mode in ("binary", "structured"):
        peer("go", "pubsub-send", mode, PROJECT, name, events=events, env=pubsub.env())
    g = gateway(f"ingest: {{pubsub: [{{project: {PROJECT}, subscription: {name}}}]}}\n" + FILE +
                f"  - {{name: out, format: {{mode: binary}}, publisher: {{type: pubsub, project: {PROJECT}, topic: {name}-out}}}}\n", env=pubsub.env())
    g.settled(2 * len(events), "all")
    got = [written(line) for line in g.lines()]
    assert all(got.count(wanted(e)) == 2 for e in events), got
    g.settled(2 * len(events), "out")
    with listening(tmp_path, *PEERS["go"], "pubsub-listen", PROJECT, name + "-out", 2 * len(events), env=pubsub.env()) as (process, lines):
        wait_until(lambda: process.poll() is not None, lines)
        attributes = [told(json.loads(line))[0] for line in lines()]
    for e in events:
        want = wanted(e)[0]
        want.pop("datacontenttype")
        assert attributes.count(want) == 2


# ---- the specification's own JSON schema, which the SDK for JavaScript carries

def test_what_the_schema_refuses_is_refused(gateway):
    """Sources made of what URIs are made of (COUNT=, SEED=). The schema's URI-references are a little more than RFC 3986's, which
    integration/test_cloudevents_rules.py judges by; some thousands of wrong members beside."""
    r = random.Random(int(os.environ.get("SEED") or 1))
    events = [{**EVENT, "source": uris.made(r)} for _ in range(int(os.environ.get("COUNT") or 2000))]
    for name in ("id", "source", "type", "subject", "time", "datacontenttype", "specversion", "data_base64"):
        events += [{**EVENT, name: value} for value in ("", 1, True, [], {}, 1.5, "2026-04-07T06:30:01Z", "a/b", "AA==", "1.0")]
    events += [{k: v for k, v in EVENT.items() if k != name} for name in EVENT]
    g = gateway(FILE)
    refused = 0
    for each, why in zip(events, peer("js", "validate", events=events), strict=True):
        if why:
            status, _, text = request(g.http, "POST", "/v1/events", json.dumps(each), {"content-type": JSON})
            assert status == 400, (each, text, why)
            refused += 1
    assert refused > len(events) / 4
