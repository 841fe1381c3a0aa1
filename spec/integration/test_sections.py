"""FlyteAdmin's own sections, cloudEvents and externalEvents, as they stand in its configuration and its chart's values."""
import json
import textwrap

import jsonschema
import pytest
import yaml
from google.protobuf import json_format

import flyte
import kafka
from gateway import FILE, run
from reloading import hup, said
from test_cmd import check
from wait import wait_until

# The blocks of Flyte's documentation.
SNS = """\
cloud_events.yaml: |
  cloudEvents:
    enable: true
    aws:
      region: us-east-2
    eventsPublisher:
      eventTypes:
      - all # or node, task, workflow
      topicName: arn:aws:sns:us-east-2:123456:123-my-topic
    type: aws
"""
PUBSUB = """\
cloud_events.yaml: |
  cloudEvents:
    enable: true
    gcp:
      projectId: my-project-id
    eventsPublisher:
      eventTypes:
      - all # or node, task, workflow
      topicName: my-topic
    type: gcp
"""
KAFKA = """\
cloud_events.yaml: |
  cloudEvents:
    enable: true
    kafka:
      brokers: 127.0.0.1:9092
    eventsPublisher:
      eventTypes:
      - all
      topicName: myTopic
    type: kafka
"""
NO_VERSION = "cloudEvents.kafka.version is absent: FlyteAdmin stops at its start without it; Moongate asks the brokers"
FORM = ("cloudEvents: pipeline cloud_events sends what FlyteAdmin really sends (cloudEventVersion v1); `style: documented` beside type "
        "gives what Flyte's documentation promises")
FIRST = "cloudEvents.eventsPublisher.eventTypes: FlyteAdmin never sends the first event of a task execution; Moongate sends it"
# The keys of the chart flyte-core, with a section as people turn it on.
VALUES = """\
flyteadmin:
  enabled: true
  replicaCount: 1
  env: [{name: KEY, value: "${NOT_SET_HERE}"}]
flytescheduler: {}
datacatalog: {enabled: true}
flyteconnector: {}
flytepropeller: {enabled: true}
flyteconsole: {}
deployRedoc: false
secrets: {adminOauthClientCredentials: {enabled: true}}
webhook: {}
common: {flyteNamespaceTemplate: {enabled: false}}
storage: {type: sandbox}
db: {}
configmap:
  adminServer: {server: {httpPort: 8088}}
  admin: {admin: {endpoint: flyteadmin:81}}
workflow_scheduler: {enabled: false}
workflow_notifications: {enabled: false, config: {}}
external_events:
  enable: false
  type: aws
cloud_events:
  enable: true
  eventsPublisher:
    topicName: "myTopic"
    eventTypes:
      - all
  type: kafka
  aws: {region: us-east-2}
  gcp: {region: us-east1}
  kafka:
    version: "3.7.0"
    brokers:
      - 127.0.0.1:9092
    saslConfig: {enabled: false, user: kafka, password: "", passwordPath: "", handshake: true, mechanism: PLAIN}
    tlsConfig: {enabled: false, certPath: /etc/ssl/certs/kafka-client.crt, keyPath: /etc/ssl/certs/kafka-client.key}
cluster_resource_manager: {enabled: true}
sparkoperator: {}
daskoperator: {}
databricks: {}
"""


def here(text, broker, topic):
    return text.replace("127.0.0.1:9092", broker).replace("myTopic", topic)


def send(g):
    requests = [flyte.workflow(), flyte.node(), flyte.task()]
    with g.channel() as channel:
        for r in requests:
            flyte.send(channel, r)
    return requests


def assert_flyteadmins(messages, requests):
    """Each is FlyteAdmin's: ce_ headers in its order, the id as the key, the request as JSON."""
    by_type = {dict(m.headers())["ce_type"].decode(): m for m in messages}
    for r in requests:
        m = by_type[f"com.flyte.resource.{r.DESCRIPTOR.full_name}"]
        assert [k for k, _ in m.headers()] == ["ce_id", "ce_source", "ce_specversion", "ce_type", "content-type", "ce_time", "ce_jsonschemaurl"]
        of = {k: v.decode() for k, v in m.headers()}
        assert of["ce_source"] == "https://github.com/flyteorg/flyte/flyteadmin" and of["content-type"] == "application/json"
        assert m.key().decode() == of["ce_id"] and of["ce_id"].endswith(".RUNNING")
        assert json_format.Parse(m.value(), type(r)()) == r


@pytest.mark.parametrize("text", [KAFKA, VALUES], ids=["the documentation's block", "the chart's values"])
def test_a_section_runs_as_it_is(gateway, broker, topic, text):
    g = gateway(here(text, broker, topic))
    assert list(g.pipelines()) == ["cloud_events"]
    requests = send(g)
    assert_flyteadmins(kafka.read(broker, topic, 3), requests)
    assert g.settled(3)["cloud_events"]["published"] == 3
    words = FORM.replace("cloudEvents:", "cloud_events:") if text == VALUES else FORM
    assert len(said(g, words)) == 1 and "level=info" in said(g, words)[0]
    assert (NO_VERSION in g.log()) == (text == KAFKA)


def test_style_documented_gives_the_documentations_form(gateway, broker, topic):
    g = gateway(here(KAFKA.replace("type: kafka", "type: kafka\n    style: documented"), broker, topic))
    requests = send(g)
    messages = kafka.read(broker, topic, 3)
    for m, r in zip(messages, requests):
        flyte.assert_documented(json.loads(m.value()), r)


def test_event_types_that_are_not_listed_are_not_sent(gateway, broker, topic):
    g = gateway(here(KAFKA.replace("- all", "- task\n      - workflow"), broker, topic))
    requests = send(g)
    assert_flyteadmins(kafka.read(broker, topic, 2), [requests[0], requests[2]])
    state = g.settled(3)["cloud_events"]
    assert (state["published"], state["filtered"]) == (2, 1)


def test_check_tells_what_is_sent_and_what_flyteadmin_would_do(tmp_path):
    want = [("moongate.yaml", 2, 3, "note", FORM), ("moongate.yaml", 5, 7, "warning", NO_VERSION), ("moongate.yaml", 8, 7, "note", FIRST)]
    assert check(tmp_path, KAFKA, 0) == want
    assert check(tmp_path, KAFKA, 1, "--strict") == want
    good = KAFKA.replace("127.0.0.1:9092", "127.0.0.1:9092\n      version: 2.1.0")
    assert {level for *_, level, _ in check(tmp_path, good, 0, "--strict")} == {"note"}    # notes are no failures


def test_a_section_that_is_off_never_prints_to_standard_output(gateway, tmp_path):
    text = KAFKA.replace("enable: true", "enable: false")
    errors = [f[1:] for f in check(tmp_path, text, 1) if f[3] == "error"]
    assert errors == [(2, 3, "error", "cloudEvents: no pipeline is made of it, and the file has no other: events would go nowhere")]
    g = gateway(text, started=False).spawn()
    assert g.wait() == 1 and g.stdout() == ""
    assert list(gateway(text + FILE, name="beside").pipelines()) == ["all"]


def test_sighup_adds_and_removes_the_sections_pipeline(gateway, broker, topic):
    g = gateway(FILE)
    assert "added=1 removed=0 changed=0 unchanged=1" in hup(g, FILE + here(KAFKA, broker, topic))
    assert len(said(g, FORM)) == 1
    requests = send(g)
    assert_flyteadmins(kafka.read(broker, topic, 3), requests)
    assert {n: p["published"] for n, p in g.settled(3).items()} == {"all": 3, "cloud_events": 3}
    assert "added=0 removed=0 changed=0 unchanged=2" in hup(g, FILE + here(KAFKA, broker, topic).replace("- all", "- '*'"))
    assert "removed=1 changed=0 unchanged=1" in hup(g, FILE)


def test_a_broken_section_changes_nothing_at_a_reload(gateway):
    g = gateway(FILE)
    g.configure(FILE + KAFKA.replace("brokers", "brokrs"))
    run_before = g.pipelines().keys()
    g.signal(1)
    wait_until(lambda: said(g, "not reloaded, nothing has changed"), g.log)
    assert 'unknown key \\"brokrs\\" (did you mean \\"brokers\\"?)' in g.log() and g.pipelines().keys() == run_before


def test_the_password_of_a_file_is_watched(gateway):
    """The broker is not there; what counts is that its own pipeline starts again, and no other."""
    section = KAFKA.replace("brokers: 127.0.0.1:9092", "brokers: 127.0.0.1:1\n      version: 2.1.0\n      "
                            "saslConfig: {enabled: true, handshake: true, user: u, passwordPath: secret}")
    g = gateway("shutdown_timeout: 100ms\n" + FILE + section, files={"secret": " one \n"})
    g.write("secret", "two\n")
    wait_until(lambda: said(g, "a pipeline changes"), g.log)
    assert [("pipeline=cloud_events" in line) for line in said(g, "a pipeline changes")] == [True]


def test_try_runs_in_the_sections_style(tmp_path):
    (tmp_path / "m.yaml").write_text(KAFKA)
    done = run("try", "-c", tmp_path / "m.yaml", "--pipeline", "cloud_events", "--kind", "task", check=0)
    assert "com.flyte.resource.flyteidl.admin.TaskExecutionEventRequest" in done.stdout


def told_by_the_schema(text):
    schema = json.loads(run("schema", check=0).stdout)
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    return [e.message for e in validator(schema).iter_errors(yaml.safe_load(text))]


@pytest.mark.parametrize("text", [
    SNS, PUBSUB, KAFKA, VALUES, VALUES.replace("replicaCount", "another"), *(textwrap.dedent(t.split("\n", 1)[1]) for t in (SNS, PUBSUB, KAFKA))])
def test_the_schema_takes_what_check_takes(text):
    assert told_by_the_schema(text) == []
    assert told_by_the_schema(text.replace("cloudEvents:", "cloud_events:")) == []


@pytest.mark.parametrize("text,what", [
    (VALUES.replace("topicName", "topicNam"), "topicNam"), ("flyteadmin: {replicaCount: 1}", "flyteadmin"), ("admin: {endpoint: a}", "admin"),
    (VALUES.replace("replicaCount:", "address:"), "flyteadmin")])
def test_the_schema_refuses_what_check_refuses(tmp_path, text, what):
    (tmp_path / "m.yaml").write_text(text.replace("${NOT_SET_HERE}", ""))
    rows = [r for r in run("check", "-c", tmp_path / "m.yaml", check=1).stdout.splitlines() if ": error: " in r]
    assert rows and all(what in r for r in rows), rows
    assert told_by_the_schema(text) != []
