"""The specification's own conformance features (Gherkin, in CloudEvents' conformance module) against the gateway: what stands there is
sent to it as it stands, and the event comes out of a file. A step that is not known here fails its scenario."""
import glob
import json
import os
import re
import socket

import pytest
from confluent_kafka import Producer

import kafka
from gateway import ROOT

FEATURES = sorted(glob.glob(os.path.join(os.environ.get("TOOLS") or os.path.join(ROOT, "build/tools"), "cloudevents/features/*.feature")))
FILE = "pipelines:\n  - {name: all, publisher: {type: file, path: all.jsonl}}\n"


def cells(line):
    return [c.strip() for c in line.strip().strip("|").split("|")]


def steps_of(lines):
    """(text, argument) of each step; the argument is a text, a table or None."""
    steps, lines = [], iter(lines)
    for line in lines:
        bare = line.strip()
        if bare == '"""':
            indent, text = line.index('"'), []
            for line in lines:
                if line.strip() == '"""':
                    break
                text.append(line[indent:] if line.strip() else "")
            steps[-1] = (steps[-1][0], "\n".join(text))
        elif bare.startswith("|"):
            steps[-1] = (steps[-1][0], [*(steps[-1][1] or []), cells(line)])
        elif bare:
            steps.append((re.sub("^(Given|When|Then|And|But) ", "", bare), None))
    return steps


def scenarios(path):
    """(name, steps) of each scenario and of each example of an outline, the background before them."""
    with open(path, encoding="utf-8") as f:
        blocks = re.split(r"(?m)^ *(Background|Scenario Outline|Scenario):", f.read())[1:]
    background = []
    for kind, block in zip(blocks[::2], blocks[1::2]):
        head, *lines = block.splitlines()
        if kind == "Background":
            background = steps_of(lines)
            continue
        lines, _, examples = "\n".join(lines).partition("Examples:\n")
        table = [cells(line) for line in examples.splitlines() if line.strip().startswith("|")] or [[]]
        for row in table[1:] or [[]]:
            name, text = head.strip(), lines
            for key, value in zip(table[0], row):
                name, text = name.replace(f"<{key}>", value), text.replace(f"<{key}>", value)
            yield f"{os.path.basename(path)}: {name}", background + steps_of(text.splitlines())


class World:
    """One scenario: what was given, and the event that came of it."""

    def __init__(self, gateway, request, topic):
        self.gateway, self.fixture, self.topic = gateway, request.getfixturevalue, topic
        self.http = self.payload = self.headers = self.event = None

    def an_http_request(self, text):
        self.http = text

    def a_kafka_message_with_payload(self, text):
        self.payload = text

    def kafka_headers(self, table):
        self.headers = [(k, v.encode()) for k, v in table[1:]]

    def parsed_as_http_request(self, _):
        g = self.gateway(FILE)
        head, _, body = self.http.partition("\n\n")
        head = re.sub(r"^POST \S+", "POST /v1/events", head).replace("\n", "\r\n") + "\r\nConnection: close\r\n\r\n"
        host, port = g.http.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=60) as s:
            s.sendall(head.encode() + body.encode())
            answer = b"".join(iter(lambda: s.recv(65536), b""))
        assert b" 202 " in answer.partition(b"\r\n")[0], answer
        self.came_out_of(g)

    def parsed_as_kafka_message(self, _):
        broker = self.fixture("broker")
        kafka.create(broker, self.topic)
        producer = Producer({"bootstrap.servers": broker, "log_level": 0})
        producer.produce(self.topic, self.payload.encode(), headers=self.headers)
        assert producer.flush(60) == 0
        g = self.gateway(f"ingest: {{kafka: [{{brokers: ['{broker}'], topics: ['{self.topic}'], group: '{self.topic}'}}]}}\n" + FILE)
        self.came_out_of(g)

    def came_out_of(self, g):
        g.settled(1)
        self.event, = g.lines()

    def the_attributes_are(self, table):
        assert {k: v for k, v in self.event.items() if k not in ("data", "data_base64")} == dict(table[1:])

    def the_data_is_equal_to_the_following_json(self, text):
        assert self.event["data"] == json.loads(text)


def supported(text):
    return re.fullmatch("(HTTP|Kafka) Protocol Binding is supported", text)


@pytest.mark.parametrize("steps", [pytest.param(steps, id=name) for path in FEATURES for name, steps in scenarios(path)])
def test_feature(gateway, request, topic, steps):
    world = World(gateway, request, topic)
    for text, argument in steps:
        if not supported(text):
            getattr(world, re.sub(r"[^a-z]+", "_", text.lower()).strip("_"))(argument)
    assert world.event and any(text.startswith("the data") for text, _ in steps)


def test_there_are_features():
    assert len([1 for path in FEATURES for _ in scenarios(path)]) >= 7
