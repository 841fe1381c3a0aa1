"""Kafka that asks who is there: passwords, certificates, and what a wrong one looks like."""
import json
import re

import pytest
from confluent_kafka import Producer

import flyte
import kafka
from gateway import FILE, run
from wait import wait_until

RETRY = "retry: {initial: 50ms, max: 500ms}"


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    if not kafka.installed():
        pytest.skip("no Kafka: run `make test-deps`")
    b = kafka.Broker(tmp_path_factory.mktemp("secure"), secure=True).start()
    yield b
    b.stop()


def config(broker, listener, topic, more):
    return (f"pipelines:\n  - {{name: k, {RETRY}, publisher: {{type: kafka, brokers: '127.0.0.1:{broker.ports[listener]}', topic: {topic}, "
            f"{more.format(d=broker.folder)}}}}}\n")


SASL, SSL = 0, 1
GOOD = {
    "password over TLS": (SASL, "sasl: {{mechanism: PLAIN, username: gw, password: pw}}, tls: {{ca: {d}/ca.pem}}"),
    "a client certificate": (SSL, "tls: {{ca: {d}/ca.pem, cert: {d}/c.pem, key: {d}/c.key}}"),
}
BAD = {
    "a wrong password": (SASL, "sasl: {{mechanism: PLAIN, username: gw, password: no}}, tls: {{ca: {d}/ca.pem}}", "uthenticat"),
    "an unknown authority": (SASL, "sasl: {{mechanism: PLAIN, username: gw, password: pw}}, tls: {{}}", "certificate|SSL|ssl"),
    "no client certificate": (SSL, "tls: {{ca: {d}/ca.pem}}", "certificate|SSL|ssl"),
    "no TLS": (SASL, "sasl: {{mechanism: PLAIN, username: gw, password: pw}}", "."),
}


@pytest.mark.parametrize("listener,more", GOOD.values(), ids=GOOD.keys())
def test_let_in(gateway, secure, topic, listener, more):
    g = gateway(config(secure, listener, topic, more))
    with g.channel() as channel:
        flyte.send(channel, flyte.workflow())
    g.settled(1)
    assert len(kafka.read(secure.address, topic, 1)) == 1


@pytest.mark.parametrize("listener,more", GOOD.values(), ids=GOOD.keys())
def test_let_in_to_read(gateway, secure, topic, listener, more):
    kafka.create(secure.address, topic)
    producer = Producer({"bootstrap.servers": secure.address, "log_level": 0})
    producer.produce(topic, '{"specversion":"1.0","id":"1","source":"/s","type":"t"}', headers={"content-type": "application/cloudevents+json"})
    producer.flush(60)
    g = gateway(f"ingest: {{kafka: [{{brokers: '127.0.0.1:{secure.ports[listener]}', topics: {topic}, group: {topic}, {more.format(d=secure.folder)}}}]}}\n{FILE}")
    g.settled(1)


def test_a_new_password_and_new_certificates_are_taken_by_a_source(gateway, secure, topic):
    """Each consumer begins anew; nothing is lost, and nothing comes twice, since the one before has committed what is durable."""
    kafka.create(secure.address, topic)
    producer = Producer({"bootstrap.servers": secure.address, "log_level": 0})

    def produce(first, count=40):
        for i in range(first, first + count):
            producer.produce(topic, json.dumps({"specversion": "1.0", "id": str(i), "source": "/s", "type": "t"}),
                             headers={"content-type": "application/cloudevents+json"})
        producer.flush(60)
    source = "{{brokers: '127.0.0.1:{port}', topics: {topic}, group: {topic}-{name}, {more}}}"
    sources = [source.format(port=secure.ports[SASL], topic=topic, name="sasl",
                             more=f"sasl: {{mechanism: PLAIN, username: gw, password_file: secret}}, tls: {{ca: {secure.folder}/ca.pem}}"),
               source.format(port=secure.ports[SSL], topic=topic, name="ssl", more="tls: {ca: ca.pem, cert: c.pem, key: c.key}")]
    files = {name: open(f"{secure.folder}/{name}", encoding="ascii").read() for name in ("ca.pem", "c.pem", "c.key")}
    g = gateway(f"ingest: {{kafka: [{', '.join(sources)}]}}\n{FILE}", files={"secret": "wrong\n", **files})
    produce(0)
    g.settled(40)                                      # what the certificate lets in
    wait_until(lambda: "uthenticat" in g.log(), g.log)
    g.replace("secret", "pw\n")
    g.settled(80)                                      # and now the password, from the oldest message on
    begun = "a password or a certificate has changed, the consumer begins anew"
    assert g.log().count(begun) == 1 and f"group={topic}-sasl" in [x for x in g.log().splitlines() if begun in x][0]
    produce(40)
    g.settled(160)
    # Half of a new pair is none, a whole one is taken, and the group is where it was.
    g.replace("c.key", open(f"{secure.folder}/s.key", encoding="ascii").read())
    wait_until(lambda: re.search(r'msg="a file that has changed is not taken" .*error="\S*c.key: not the key of \S*c.pem"', g.log()), g.log)
    g.replace("c.pem", open(f"{secure.folder}/s.pem", encoding="ascii").read())
    wait_until(lambda: g.log().count(begun) == 2, g.log)
    produce(80)
    g.settled(240)
    assert sorted(g.ids()) == sorted(2 * [str(i) for i in range(120)])
    assert "restart needed" not in g.log() and not re.search(r"\bpw\b|wrong", g.log())


def test_a_password_from_a_file(gateway, secure, topic):
    g = gateway(config(secure, SASL, topic, "sasl: {{mechanism: PLAIN, username: gw, password_file: secret}}, tls: {{ca: {d}/ca.pem}}"),
                files={"secret": "pw\n"})
    with g.channel() as channel:
        flyte.send(channel, flyte.workflow())
    g.settled(1)


def test_flyteadmins_section_logs_in(gateway, secure, topic):
    """It has no key for an authority, so the broker is not verified; white space around the password is left out."""
    g = gateway(f"cloudEvents:\n  enable: true\n  type: kafka\n  eventsPublisher: {{topicName: {topic}, eventTypes: all}}\n"
                f"  kafka: {{version: 2.1.0, brokers: '127.0.0.1:{secure.ports[SASL]}', tlsConfig: {{enabled: true, insecureSkipVerify: true}},\n"
                "    saslConfig: {enabled: true, handshake: true, user: gw, password: no, passwordPath: secret}}\n", files={"secret": " pw \n\n"})
    with g.channel() as channel:
        flyte.send(channel, flyte.workflow())
    assert g.settled(1)["cloud_events"]["published"] == 1


@pytest.mark.parametrize("listener,more,why", BAD.values(), ids=BAD.keys())
def test_kept_out_keeps_the_events_and_says_why(gateway, secure, topic, listener, more, why):
    g = gateway(config(secure, listener, topic, more))
    with g.channel() as channel:
        flyte.send(channel, flyte.workflow())
    wait_until(lambda: not g.pipeline("k")["up"] and g.pipeline("k")["last_error"], lambda: f"{g.pipelines()}\n{g.log()[-2000:]}")
    state = g.pipeline("k")
    assert (state["lag"], state["dead_lettered"]) == (1, 0)
    assert re.search(why, state["last_error"]), state["last_error"]
    assert "pw" not in re.findall(r"[a-z]+", g.log())


def test_asked_online_each_says_whether_it_would_be_let_in(tmp_path, secure):
    """The topic is not there: who is let in is told that, and the others why they are not."""
    cases = [(listener, more) for listener, more, *_ in (*GOOD.values(), *BAD.values())]
    text = "".join(config(secure, listener, "none", more).replace("pipelines:\n", "").replace("name: k", f"name: k{i}")
                   for i, (listener, more) in enumerate(cases))
    (tmp_path / "moongate.yaml").write_text("pipelines:\n" + text)
    said = [line for line in run("check", "-c", tmp_path / "moongate.yaml", "--online", check=1).stdout.splitlines() if ": Kafka: " in line]
    assert len(said) == len(cases) and all(": error: k" in line for line in said), said
    for i, line in enumerate(said):
        assert ("no topic none" in line) == (i < len(GOOD)), line
    for line, (*_, words) in zip(said[len(GOOD):], BAD.values()):
        assert re.search(words, line) and ("`sasl` and `tls`" in line or "`brokers`" in line), line
