"""Topics of a real Kafka as a source: what comes of its messages, offsets, groups, kills, rooms that are full."""
import base64
import glob
import json
import os
import re
import signal

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

import flyte
import kafka
from gateway import ROOT, run
from wait import wait_until

FAST = "session.timeout.ms: 6000, heartbeat.interval.ms: 200, topic.metadata.refresh.interval.ms: 200"
JSON = {"content-type": "application/cloudevents+json"}


def config(broker, topic, more="", properties=FAST, tail=""):
    return f"""\
ingest:
  kafka: [{{brokers: ['{broker}'], topics: ['{topic}'], group: '{topic.strip("^")}', properties: {{{properties}}}{more}}}]
pipelines:
  - name: all
    publisher: {{type: file, path: all.jsonl}}
{tail}"""


def publish_the_rest(g, broker, topic):
    """What a gateway that was stopped had kept and not published yet is its own to publish; it takes no more."""
    g.configure("ingest: {http: {listen: 127.0.0.1:0}}\n" + config(broker, topic).split("\n", 2)[2])
    g.start()


def event(n, **attributes):
    return {"specversion": "1.0", "id": str(n), "source": "/s", "type": "t", **attributes}


def produce(broker, topic, messages):
    """messages: of {value, key, headers, partition}, all there when it returns."""
    producer = Producer({"bootstrap.servers": broker, "log_level": 0, "linger.ms": 1})
    failed = []
    for m in messages:
        producer.produce(topic, on_delivery=lambda err, _: failed.append(err) if err else None, **m)
        producer.poll(0)
    producer.flush(60)
    assert not failed, failed[0]


def events(broker, topic, numbers, keys=7, **attributes):
    produce(broker, topic, [{"value": json.dumps(event(n, partitionkey=f"k{n % keys}", **attributes)), "key": f"k{n % keys}", "headers": JSON}
                            for n in numbers])


def transactions(broker, topic, *batches):
    """Of (events' numbers, whether they are committed), one after the other; their marks take an offset of each partition."""
    producer = Producer({"bootstrap.servers": broker, "log_level": 0, "linger.ms": 1, "transactional.id": topic})
    producer.init_transactions(60)
    for numbers, commits in batches:
        producer.begin_transaction()
        for n in numbers:
            producer.produce(topic, json.dumps(event(n, partitionkey=f"k{n % 13}")), f"k{n % 13}", headers=JSON)
        producer.flush(60)                                 # what is aborted has been there
        (producer.commit_transaction if commits else producer.abort_transaction)(60)


def committed(broker, topic, partitions=1):
    """The offsets of the group, by partition."""
    group = topic.strip("^")
    admin = AdminClient({"bootstrap.servers": broker, "log_level": 0})
    asked = [ConsumerGroupTopicPartitions(group, [TopicPartition(topic, p) for p in range(partitions)])]
    found = admin.list_consumer_group_offsets(asked)[group].result().topic_partitions
    return {p.partition: p.offset for p in found}


def vectors():
    """What FlyteAdmin sends to Kafka, by its own code: (request, message, whether it is a request itself)."""
    for path in sorted(glob.glob(os.path.join(ROOT, "spec/golden/flyteadmin/*.json"))):
        with open(path, encoding="utf-8") as f:
            case = json.load(f)
        for style in ("flyteadmin", "flyteadmin-v2"):
            sent = case["styles"].get(style, {}).get("id_spacing", {}).get("1", {}).get("kafka", {})
            if "headers" in sent and not any("{now}" in v for _, v in sent["headers"]):
                yield case, {"value": base64.b64decode(sent["value_b64"]), "key": sent["key"], "headers": [tuple(h) for h in sent["headers"]]}


def test_every_form_of_a_message_becomes_its_event(gateway, broker, topic):
    kafka.create(broker, topic)
    golden = list(vectors())
    request = flyte.task()
    binary = [("ce_id", "2"), ("ce_source", "/s"), ("ce_specversion", "1.0"), ("ce_type", "t"), ("content-type", "text/plain"), ("traceparent", "00-ab")]
    produce(broker, topic, [{"value": json.dumps(event(1, data={"n": [1, 2]})), "headers": JSON},
                            {"value": b"hello", "headers": binary},
                            {"value": None, "headers": binary[:4]},
                            {"value": request.SerializeToString(), "headers": []}, *[m for _, m in golden]])
    g = gateway(config(broker, topic))
    assert set(g.addresses) == {"pid", "admin"}, "no listener that is not listed"
    g.settled(4 + len(golden))
    structured, with_data, bare, own, *rest = g.lines()
    assert structured == event(1, data={"n": [1, 2]})
    assert with_data == event(2, datacontenttype="text/plain", data="hello")
    assert bare == event(2)
    flyte.assert_documented(own, request)
    assert len(golden) > 20
    for (case, message), got in zip(golden, rest):
        sent = {k.removeprefix("ce_"): v for k, v in message["headers"]}
        assert got["id"] == sent["id"] and got["type"] == sent["type"], case["name"]
        assert base64.b64decode(got["data_base64"]) == message["value"] if "data_base64" in got else \
            got["data"] == json.loads(message["value"]), case["name"]
    assert g.metric("moongate_events_received_total", ingest="kafka") == 4 + len(golden)
    assert g.metric("moongate_events_received_total", ingest="kafka", kind="task") == 1
    assert g.metric("moongate_ack_seconds_count", ingest="kafka") == 4 + len(golden)
    wait_until(lambda: committed(broker, topic)[0] == 4 + len(golden), lambda: committed(broker, topic))
    assert re.search(r"component=ingest.kafka msg=.?subscribed.*topics=.*group=", g.log()) and "consuming" in g.log()
    assert g.stop() == 0, g.log()


@pytest.mark.concurrent
def test_order_of_a_key_is_kept_and_a_restart_repeats_nothing(gateway, broker, topic):
    """Of transactions, too: none that was aborted comes in, and one's mark is no reason to read what is before it again."""
    kafka.create(broker, topic, partitions=4)
    transactions(broker, topic, (range(1000), True), (range(9000, 9100), False), (range(1000, 2000), True))
    g = gateway(config(broker, topic))
    g.settled(2000)
    g.restart()                                            # offsets are committed by the stop
    events(broker, topic, range(2000, 2500), keys=13)
    g.settled(2500)
    ids = [int(i) for i in g.ids()]
    assert sorted(ids) == list(range(2500))
    for key in range(13):
        of_key = [i for i in ids if i % 13 == key]
        assert of_key == sorted(of_key), key


def test_what_cannot_be_read_is_a_dead_letter_before_its_offset_is_committed(gateway, broker, topic):
    kafka.create(broker, topic)
    produce(broker, topic, [{"value": json.dumps(event(1)), "headers": JSON},
                            {"value": b"\xff\x00bad", "key": "k", "headers": [("a", b"1"), ("null", None), ("b", b"\xfe")]},
                            {"value": '{"specversion":"1.0"}', "headers": JSON},
                            {"value": json.dumps(event(2)), "headers": JSON}])
    g = gateway(config(broker, topic))
    wait_until(lambda: committed(broker, topic)[0] == 4, lambda: g.log()[-2000:])
    assert g.ids() == ["1", "2"]
    assert g.metric("moongate_events_rejected_total", ingest="kafka", reason="invalid") == 2
    assert g.metric("moongate_events_dead_lettered_total", pipeline="ingest", reason="undecodable") == 2
    assert [p["name"] for p in json.loads(g.get("/api/pipelines")[1])] == ["all"]
    for running in (True, False):
        if not running:
            g.kill()
        rows = [json.loads(r) for r in run("dead", "list", "-c", g.config_file, "--pipeline", "ingest", "--json", check=0).stdout.splitlines()]
        assert [(r["id"], r["reason"]) for r in rows] == [("ingest/1", "undecodable"), ("ingest/2", "undecodable")]
        assert rows[0]["error"].startswith(f"{topic}[0]@1: ") and "id" in rows[1]["error"]
        shown = json.loads(run("dead", "show", "-c", g.config_file, "--json", "ingest/1", check=0).stdout)
        message = shown["message"]
        assert (message["source"], message["partition"], message["offset"], message["key"]) == (topic, 0, 1, "k")
        assert base64.b64decode(message["body_base64"]) == b"\xff\x00bad"
        assert message["headers"] == [{"name": "a", "value": "1"}, {"name": "null", "value": None},
                                      {"name": "b", "value_base64": base64.b64encode(b"\xfe").decode()}]
        text = run("dead", "show", "-c", g.config_file, "ingest/2", check=0).stdout
        assert "message:" in text and "specversion" in text
    assert run("dead", "drop", "-c", g.config_file, "--pipeline", "ingest", check=0).stdout.startswith("dropped=2")


@pytest.mark.parametrize("running", [True, False])
def test_a_replay_reads_them_as_the_configuration_says_today(gateway, broker, topic, running):
    kafka.create(broker, topic)
    without_ids = flyte.MESSAGES["task"](request_id="r1")    # auto cannot tell its kind
    produce(broker, topic, [{"value": without_ids.SerializeToString()}, {"value": b"\xffbad"}, {"value": without_ids.SerializeToString()}])
    g = gateway(config(broker, topic))
    wait_until(lambda: g.metric("moongate_events_dead_lettered_total", pipeline="ingest") == 3, g.log)
    done = run("dead", "replay", "-c", g.config_file, "--pipeline", "ingest", check=1)    # all of them fail again
    assert done.stdout.startswith("records=3 published=0 filtered=0 failed=3"), done.stdout + done.stderr
    g.stop()
    g.configure(config(broker, topic, ", as: task"))
    if running:
        g.start()
    done = run("dead", "replay", "-c", g.config_file, check=1)
    assert done.stdout.startswith("records=3 published=2 filtered=0 failed=1"), done.stdout + done.stderr
    row, = [json.loads(r) for r in run("dead", "list", "-c", g.config_file, "--json", check=0).stdout.splitlines()]
    assert (row["id"], row["attempts"], row["reason"]) == ("ingest/2", 3, "undecodable") and row["error"].startswith(f"{topic}[0]@1: ")
    if running:
        assert g.metric("moongate_replayed_total", pipeline="ingest") == 2
    else:
        g.start()
    g.settled(2)
    for got in g.lines():
        flyte.assert_documented(got, without_ids)


def all_ids(*gateways):
    return [i for g in gateways for i in g.ids()]


@pytest.mark.concurrent
def test_two_gateways_of_a_group_share_and_lose_nothing(gateway, broker, topic):
    """The second comes, and goes again, in the middle of the traffic: all is there, and only a rebalance repeats."""
    kafka.create(broker, topic, partitions=4)
    events(broker, topic, range(1000), keys=40)
    first = gateway(config(broker, topic), name="first")
    wait_until(lambda: first.ids(), first.log)
    second = gateway(config(broker, topic, tail="    rate: 20"), name="second")
    sent = 1000
    while not second.ids():
        events(broker, topic, range(sent, sent + 100), keys=40)
        sent += 100
    events(broker, topic, range(sent, sent + 1000), keys=40)
    assert second.stop() == 0, second.log()
    events(broker, topic, range(sent + 1000, sent + 1100), keys=40)
    sent += 1100
    publish_the_rest(second, broker, topic)
    wait_until(lambda: len(set(all_ids(first, second))) == sent, lambda: first.log()[-2000:] + second.log()[-2000:])
    assert len(all_ids(first, second)) == sent, "an orderly rebalance repeats nothing"
    for g in (first, second):
        ids = [int(i) for i in g.ids()]
        for key in range(40):
            of_key = [i for i in ids if i % 40 == key]
            assert of_key == sorted(of_key), key


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_killed_at_any_instant_nothing_is_lost(gateway, broker, topic, strategy):
    kafka.create(broker, topic, partitions=2)
    g = gateway(config(broker, topic, properties=f"{FAST}, group.instance.id: one, partition.assignment.strategy: {strategy}"))
    sent = 0
    for n in (1, 700, 1500):                               # a static member comes back at once, into its partitions
        events(broker, topic, range(sent, sent + 600), keys=20)
        sent += 600
        wait_until(lambda n=n: len(g.ids()) >= n, g.log)
        g.kill()
        assert max(0, sum(committed(broker, topic, 2).values())) <= sent
        g.start()
    wait_until(lambda: len(set(g.ids())) == sent, g.log)
    ids = [int(i) for i in g.ids()]
    for key in range(20):                                  # first times are in order
        of_key = list(dict.fromkeys(i for i in ids if i % 20 == key))
        assert of_key == sorted(of_key), key


def test_a_log_that_is_full_keeps_messages_in_kafka(gateway, broker, topic):
    kafka.create(broker, topic)
    stuck = "  - {name: stuck, hooks: [stuck.lua], on_hook_error: block, retry: {initial: 100ms, max: 200ms}, publisher: {type: 'null'}}\n"
    files = {"stuck.lua": "return function(event) error('not yet') end\n"}
    events(broker, topic, range(60), data="x" * 50000)
    g = gateway("log: {max_bytes: 1MiB, segment_bytes: 1MiB}\n" + config(broker, topic, tail=stuck), files)
    wait_until(lambda: "messages wait in Kafka" in g.log() and g.get("/readyz")[0] == 503, g.log)
    wait_until(lambda: 0 < committed(broker, topic)[0] == g.pipeline()["accepted"], lambda: (committed(broker, topic), g.pipelines()))
    assert g.pipeline()["accepted"] < 60
    g.write("stuck.lua", "return function(event) end\n")
    g.settled(60)
    assert g.ids() == [str(i) for i in range(60)]
    assert g.log().count("messages wait in Kafka") == 1
    assert g.metric("moongate_events_rejected_total", ingest="kafka") == 0


def test_partitions_that_wait_are_shared_and_go_on_afterwards(gateway, broker, topic):
    """librdkafka keeps a partition paused over the time that it is another's."""
    kafka.create(broker, topic, partitions=2)
    stuck = "  - {name: stuck, hooks: [stuck.lua], on_hook_error: block, retry: {initial: 100ms, max: 200ms}, publisher: {type: 'null'}}\n"
    events(broker, topic, range(120), data="x" * 50000)
    full = gateway("log: {max_bytes: 1MiB, segment_bytes: 1MiB}\n" + config(broker, topic, tail=stuck),
                   {"stuck.lua": "return function(event) error('not yet') end\n"}, name="full")
    wait_until(lambda: "messages wait in Kafka" in full.log(), full.log)
    other = gateway(config(broker, topic, tail="    rate: 100"), name="other")
    wait_until(other.ids, other.log)
    assert other.stop() == 0, other.log()
    wait_until(lambda: full.log().count("consuming") >= 3, full.log)
    publish_the_rest(other, broker, topic)
    full.write("stuck.lua", "return function(event) end\n")
    wait_until(lambda: len(set(all_ids(full, other))) == 120, lambda: full.log()[-3000:])
    assert len(all_ids(full, other)) == 120


@pytest.mark.slow_start
def test_a_broker_that_stops_is_waited_for(gateway, own_broker, topic):
    kafka.create(own_broker.address, topic)
    events(own_broker.address, topic, range(50))
    g = gateway(config(own_broker.address, topic, properties=FAST + ", reconnect.backoff.max.ms: 200"))
    g.settled(50)
    wait_until(lambda: committed(own_broker.address, topic)[0] == 50)
    own_broker.stop()
    wait_until(lambda: "level=warn component=ingest.kafka" in g.log(), g.log)
    own_broker.start()
    events(own_broker.address, topic, range(50, 100))
    g.settled(100)
    assert g.ids() == [str(i) for i in range(100)]
    own_broker.stop(signal.SIGKILL)                        # and a stop does not wait for it
    assert g.stop() == 0, g.log()


def test_topics_that_come_later_and_patterns(gateway, broker, topic):
    g = gateway(config(broker, "^" + topic + "-[ab]$"), name="pattern")
    named = gateway(config(broker, topic + "-a"), name="named")
    wait_until(lambda: "is not there" in named.log() and topic in named.log(), named.log)
    for n, name in enumerate("abc"):
        kafka.create(broker, f"{topic}-{name}")
        events(broker, f"{topic}-{name}", [n])
    g.settled(2)
    named.settled(1)
    assert sorted(g.ids()) == ["0", "1"] and named.ids() == ["0"]


def test_a_change_of_a_source_needs_a_restart(gateway, broker, topic):
    g = gateway(config(broker, topic))
    g.configure(config(broker, topic, ", as: cloudevent"))
    g.signal(signal.SIGHUP)
    wait_until(lambda: "restart needed" in g.log() and "reloaded" in g.log(), g.log)


@pytest.mark.parametrize("source,line,said", [
    ("topics: [t]", 2, "brokers"), ("brokers: b", 2, "topics"), ("brokers: b, topics: [t], as: cloudevents", 2, 'did you mean "cloudevent"'),
    ("brokers: [], topics: [t]", 2, "brokers: names nothing"), ("brokers: b, topics: []", 2, "topics: names nothing"),
    ("brokers: [b, ''], topics: [t]", 2, "an item names nothing"), ("brokers: b, topics: ['']", 2, "an item names nothing"),
    ("brokers: b, topics: ['a b']", 2, "no name of a topic"), ("brokers: b, topics: ['^(']", 2, "no regular expression"),
    ("brokers: b, topics: [t], group: ''", 2, "group"), ("brokers: b, topics: [t], properties: {group.id: x}", 2, "use the key group"),
    ("brokers: b, topics: [t], properties: {enable.auto.commit: 'true'}", 2, "enable.auto.commit cannot be set"),
    ("brokers: b, topics: [t], properties: {enable.auto.offset.store: 'true'}", 2, "cannot be set"),
    ("brokers: b, topics: [t], properties: {bootstrap.servers: x}", 2, "use the key brokers"),
    ("brokers: b, topics: [t], properties: {fetch.wait.max.mss: 1}", 2, 'did you mean "fetch.wait.max.ms"'),
    ("brokers: b, topics: [t], sasl: {mechanism: PLAIN}", 2, "needs username and password"),
    ("brokers: b, topics: [t], tls: {cert: /nowhere}", 2, "cert and key go together")])
def test_what_is_wrong_is_said_where_it_stands(tmp_path, source, line, said):
    (tmp_path / "m.yaml").write_text(f"ingest:\n  kafka: [{{{source}}}]\n")
    done = run("check", "-c", tmp_path / "m.yaml", check=1)
    assert any(re.match(rf".*m\.yaml:{line}:\d+: error: ", row) and said in row for row in done.stdout.splitlines()), done.stdout


@pytest.mark.parametrize("text", ["{}", "{kafka: []}", "{threads: 2}"])
def test_an_ingest_without_a_way_in_is_warned_of(tmp_path, text):
    (tmp_path / "m.yaml").write_text(f"ingest: {text}\n")
    assert re.search(r"m\.yaml:1:9: warning: ingest: .*no event comes in$", run("check", "-c", tmp_path / "m.yaml", check=0).stdout, re.M)
    assert run("check", "--strict", "-c", tmp_path / "m.yaml").returncode == 1


def test_a_loop_is_warned_of(tmp_path):
    (tmp_path / "m.yaml").write_text("ingest: {kafka: [{brokers: 'b1:9092,b2:9092', topics: [flyte.events, '^x-']}]}\npipelines:\n" + "".join(
        f"  - {{name: p{i}, publisher: {{type: kafka, brokers: '{b}', topic: '{t}'}}}}\n" for i, (b, t) in enumerate([
            ("b2:9092", "flyte.events"), ("b1:9092", "x-1"), ("b1:9092", "flyte.{kind}"), ("b3:9092", "flyte.events"), ("b1:9092", "other")])))
    rows = run("check", "-c", tmp_path / "m.yaml", check=0).stdout.splitlines()
    assert [re.match(r".*m\.yaml:(\d+):\d+: warning: .*without end", r).group(1) for r in rows] == ["3", "4", "5"], rows
