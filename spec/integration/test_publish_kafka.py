"""The Kafka publisher against a real broker."""
import json
import signal

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from cloudevents.core.formats.json import JSONFormat

import flyte
import kafka
from gateway import run
from wait import wait_until

RETRY = "retry: {initial: 50ms, max: 500ms}"


def config(broker, topic, publisher="", pipeline=""):
    return f"pipelines:\n  - {{name: k, {pipeline + ', ' if pipeline else ''}publisher: {{type: kafka, brokers: ['{broker}'], topic: '{topic}'{publisher}}}}}\n"


def send(g, requests):
    with g.channel() as channel:
        for r in requests:
            flyte.send(channel, r)


def headers(message):
    return dict(message.headers() or [])


def test_structured_events_keyed_by_execution(gateway, broker, topic):
    g = gateway(config(broker, topic))
    requests = flyte.golden("success")
    send(g, requests)
    messages = kafka.read(broker, topic, len(requests))
    g.settled(len(requests))
    assert [json.loads(m.value())["id"] for m in messages] == [flyte.id_of(r) for r in requests]
    for m, r in zip(messages, requests):
        flyte.assert_documented(json.loads(m.value()), r)
        assert m.key().decode() == flyte.key_of(r)
        assert headers(m)["content-type"].startswith(b"application/cloudevents+json")
        assert m.timestamp()[1] > 0


def test_binary_events_have_ce_headers(gateway, broker, topic):
    g = gateway(config(broker, topic, pipeline="format: {mode: binary}, set: {team: ml}"))
    requests = [flyte.workflow(), flyte.node(), flyte.task()]
    send(g, requests)
    messages = kafka.read(broker, topic, 3)
    for m, r in zip(messages, requests):
        want = {**flyte.documented(r), "team": "ml"}
        del want["data_base64"]
        got = {k: v.decode() for k, v in headers(m).items()}
        assert got.pop("content-type") == want.pop("datacontenttype")
        got.pop("ce_time")
        assert got == {f"ce_{k}": v for k, v in want.items()}
        assert m.value() == r.SerializeToString()


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_the_cloudevents_sdk_reads_them(gateway, broker, topic, mode):
    g = gateway(config(broker, topic, pipeline=f"format: {{mode: {mode}}}"))
    send(g, [flyte.task()])
    m, = kafka.read(broker, topic, 1)
    event = from_kafka_event(KafkaMessage(headers(m), m.key(), m.value()), JSONFormat())
    assert event.get_attributes()["id"] == flyte.id_of(flyte.task())
    data = event.get_data()
    assert (data.encode() if isinstance(data, str) else data) == flyte.task().SerializeToString()


def test_binary_without_data_has_a_null_value(gateway, broker, topic):
    g = gateway(config(broker, topic, pipeline="format: {mode: binary}"))
    g.post("/v1/events", '{"specversion":"1.0","id":"1","source":"/s","type":"t"}', "application/cloudevents+json")
    m, = kafka.read(broker, topic, 1)
    assert m.value() is None and headers(m)["ce_id"] == b"1"


@pytest.mark.parametrize("key,want", [("key", "flytesnacks:development:f1"), ("id", flyte.id_of(flyte.task())), ("none", None),
                                      ("attr:subject", "admin_event_pb2.TaskExecutionEventRequest"), ("attr:nosuch", None)])
def test_keys(gateway, broker, topic, key, want):
    g = gateway(config(broker, topic, f", key: '{key}'"))
    send(g, [flyte.task()])
    m, = kafka.read(broker, topic, 1)
    assert (m.key().decode() if m.key() else None) == want


def test_topic_templates(gateway, broker, topic):
    g = gateway(config(broker, "{project}.{kind}." + topic))
    send(g, [flyte.workflow(project="a"), flyte.node(project="a"), flyte.task(project="b")])
    g.settled(3)
    for name, request in (("a.workflow.", flyte.workflow(project="a")), ("a.node.", flyte.node(project="a")), ("b.task.", flyte.task(project="b"))):
        m, = kafka.read(broker, name + topic, 1)
        assert json.loads(m.value())["id"] == flyte.id_of(request)


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
def test_compression(gateway, broker, topic, compression):
    g = gateway(config(broker, topic, f", compression: {compression}"))
    requests = [flyte.workflow(name=f"f{i}") for i in range(50)]
    send(g, requests)
    assert len(kafka.read(broker, topic, 50)) == 50
    assert g.settled(50)["k"]["published"] == 50


def test_librdkafkas_own_settings_reach_it(gateway, broker, topic):
    g = gateway(config(broker, topic, ", properties: {client.id: spec-client, statistics.interval.ms: 0}"))
    send(g, [flyte.workflow()])
    assert len(kafka.read(broker, topic, 1)) == 1


@pytest.mark.parametrize("name", ["acks", "enable.idempotence", "message.timeout.ms", "transactional.id", "bootstrap.servers"])
def test_forbidden_settings_are_errors(tmp_path, name):
    (tmp_path / "m.yaml").write_text(config("127.0.0.1:1", "t", f", properties: {{{name}: 1}}"))
    done = run("check", "-c", tmp_path / "m.yaml", check=1)
    assert "m.yaml:2:" in done.stdout and name in done.stdout and "error" in done.stdout


def test_an_unknown_setting_is_an_error(tmp_path):
    (tmp_path / "m.yaml").write_text(config("127.0.0.1:1", "t", ", properties: {no.such.setting: 1}"))
    done = run("check", "-c", tmp_path / "m.yaml", check=1)
    assert "no.such.setting" in done.stdout


@pytest.mark.concurrent
def test_the_order_of_a_key_over_partitions(gateway, broker, topic):
    kafka.create(broker, topic, partitions=4)
    g = gateway(config(broker, topic))
    requests = [flyte.task(name=f"f{i % 10}", node_id=f"n{i}") for i in range(300)]
    send(g, requests)
    by_key = {}
    for m in kafka.read(broker, topic, 300):
        by_key.setdefault(m.key().decode(), []).append(json.loads(m.value())["id"])
    assert len({m.partition() for m in kafka.read(broker, topic, 300)}) > 1
    for key, ids in by_key.items():
        assert ids == [flyte.id_of(r) for r in requests if flyte.key_of(r) == key]


def test_a_message_the_broker_finds_too_large_is_a_dead_letter(gateway, broker, topic):
    kafka.create(broker, topic, max_message_bytes=2000)
    g = gateway(config(broker, topic))
    send(g, [flyte.workflow(name="before"), flyte.workflow(name="x" * 5000), flyte.workflow(name="after")])
    state = g.settled(3)["k"]
    assert (state["published"], state["dead_lettered"]) == (2, 1)
    assert g.metric("moongate_events_dead_lettered_total", pipeline="k", reason="too_large") == 1
    assert {json.loads(m.value())["id"].split(":")[2] for m in kafka.read(broker, topic, 2)} == {"before", "after"}


def test_over_max_message_bytes_is_known_before_sending(gateway, broker, topic):
    g = gateway(config(broker, topic, ", max_message_bytes: 2000"))
    send(g, [flyte.workflow(name="x" * 5000), flyte.workflow()])
    state = g.settled(2)["k"]
    assert (state["published"], state["dead_lettered"]) == (1, 1)
    assert g.metric("moongate_events_dead_lettered_total", reason="too_large") == 1


def test_a_broker_that_is_not_there_holds_its_pipeline_only(gateway):
    g = gateway(f"pipelines:\n  - {{name: k, {RETRY}, publisher: {{type: kafka, brokers: '127.0.0.1:1', topic: t}}}}\n"
                "  - {name: all, publisher: {type: file, path: all.jsonl}}\n")
    send(g, [flyte.workflow(name=f"f{i}") for i in range(20)])
    assert g.settled(20, "all")["all"]["published"] == 20
    assert g.pipeline("k")["lag"] == 20
    wait_until(lambda: not g.pipeline("k")["up"] and g.pipeline("k")["last_error"], g.pipelines)
    assert g.get("/readyz")[0] == 200
    assert g.stop() == 0


def check_order(messages, requests):
    """Nothing is missing, and without the repeats each key is in the order in which it was sent."""
    seen, by_key = set(), {}
    for m in messages:
        id_ = json.loads(m.value())["id"]
        if id_ not in seen:
            seen.add(id_)
            by_key.setdefault(m.key().decode(), []).append(id_)
    for key in {flyte.key_of(r) for r in requests}:
        assert by_key[key] == [flyte.id_of(r) for r in requests if flyte.key_of(r) == key]


@pytest.mark.slow_start
def test_the_broker_killed_and_back(gateway, own_broker, topic):
    g = gateway(config(own_broker.address, topic, pipeline=RETRY))
    requests = [flyte.task(name=f"f{i % 7}", node_id=f"n{i}") for i in range(300)]
    send(g, requests[:100])
    own_broker.stop(signal.SIGKILL)
    send(g, requests[100:200])
    assert g.pipeline("k")["accepted"] == 200
    own_broker.start()
    send(g, requests[200:])
    g.settled(300)
    messages = kafka.read(own_broker.address, topic, 300)
    check_order(messages, requests)
    assert g.pipeline("k")["published"] == 300


@pytest.mark.slow_start
def test_a_broker_that_hangs_and_comes_back(gateway, own_broker, topic):
    g = gateway(config(own_broker.address, topic, pipeline=RETRY))
    requests = [flyte.task(name=f"f{i % 7}", node_id=f"n{i}") for i in range(150)]
    send(g, requests[:50])
    own_broker.process.send_signal(signal.SIGSTOP)
    send(g, requests[50:100])
    own_broker.process.send_signal(signal.SIGCONT)
    send(g, requests[100:])
    g.settled(150)
    check_order(kafka.read(own_broker.address, topic, 150), requests)


@pytest.mark.slow_start
def test_the_gateway_restarted_while_the_broker_is_down(gateway, own_broker, topic):
    g = gateway(config(own_broker.address, topic, pipeline=RETRY))
    requests = [flyte.workflow(name=f"f{i}") for i in range(40)]
    own_broker.stop(signal.SIGKILL)
    send(g, requests)
    g.restart()
    assert g.pipeline("k")["lag"] == 40
    own_broker.start()
    g.settled(40)
    check_order(kafka.read(own_broker.address, topic, 40), requests)
