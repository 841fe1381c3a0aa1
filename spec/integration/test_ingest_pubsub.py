"""Subscriptions of Pub/Sub as a source: google-cloud-pubsub publishes what we pull, pstest says what is left of it."""
import base64
import json
import re
import signal

import pytest
from google.cloud import pubsub_v1

import flyte
from gateway import FILE
from pubsub import PROJECT
from test_check_online import ask
from test_cmd import check
from test_publish_aws import vectors
from test_publish_pubsub import metadata   # pylint: disable=unused-import
from wait import wait_until

V1_SOURCE = "https://github.com/flyteorg/flyte/flyteadmin"
RETRYABLE = ["UNAVAILABLE", "INTERNAL", "ABORTED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNKNOWN", "CANCELLED"]


def config(name, more="", tail=""):
    return f"""\
ingest:
  pubsub: [{{project: {PROJECT}, subscription: {name}{more}}}]
pipelines:
  - name: all
    publisher: {{type: file, path: all.jsonl}}
{tail}"""


def event(n, **attributes):
    return json.dumps({"specversion": "1.0", "id": str(n), "source": "/s", "type": "t", **attributes}).encode()


def events(numbers, **attributes):
    return [event(n, **attributes) for n in numbers]


def ids(*gateways):
    return {int(i) for g in gateways for i in g.ids()}


def expired(pubsub, name, streams):
    """Once the server has seen so many streams end: what it had handed to them and nobody acknowledged comes again."""
    wait_until(lambda: sum(c["code"] != "" for c in pubsub.calls("StreamingPull", name)) >= streams)
    pubsub.clock(61)


def warnings(g):
    return re.findall(r"level=(?:warn|error) component=ingest.pubsub .*", g.log())


def test_every_form_comes_in_and_is_acknowledged(gateway, pubsub, name):
    pubsub.topic(name)
    pubsub.subscription(name, name)
    g = gateway(config(name), env=pubsub.env())
    attributes = {"datacontenttype": "application/json", "subject": "x", "partitionkey": "k", "one": "1"}
    pubsub.publish(name, [event("plain", **attributes, data={"n": [1, None, "ä"]})])
    pubsub.publish(name, [event("said", **attributes, data={})], **{"content-type": "application/cloudevents+json; charset=utf-8"})
    binary = {"ce-id": 'a "b" %41 ä', "ce-source": "/s", "ce-type": "t", "ce-specversion": "1.0", "ce-one": "1", "content-type": "text/plain"}
    pubsub.publish(name, [b"hello"], **binary)
    pubsub.publish(name, [b""], **{k: v for k, v in binary.items() if k != "content-type"} | {"ce-id": "empty"})
    g.settled(4)
    got = {e["id"]: e for e in g.lines()}
    assert got["plain"] == {"specversion": "1.0", "id": "plain", "source": "/s", "type": "t", **attributes, "data": {"n": [1, None, "ä"]}}
    assert got["said"] == {**got["plain"], "id": "said", "data": {}}
    assert got['a "b" %41 ä'] == {"specversion": "1.0", "id": 'a "b" %41 ä', "source": "/s", "type": "t", "one": "1", "datacontenttype": "text/plain", "data": "hello"}
    assert "data" not in got["empty"]
    pubsub.emptied(name)
    assert g.metric("moongate_events_received_total", ingest="pubsub", kind="other") == 4
    assert not warnings(g) and g.stop() == 0


def test_flyteadmins_messages_come_in(gateway, pubsub, name):
    """Of both versions: the event as it was sent; of externalEvents: the request, whose kind the attribute `key` says."""
    pubsub.topic(name)
    pubsub.subscription(name, name)
    publisher, sent = pubsub.publisher(), []
    want, external = [], 0
    for v in vectors():
        for style, of in v["styles"].items():
            form = next((of["id_spacing"][k] for k in ("1", "any") if k in of.get("id_spacing", {})), None)
            if not form:
                continue
            data = base64.b64decode(form["pubsub"]["data_b64"])
            sent.append(publisher.publish(f"projects/{PROJECT}/topics/{name}", data, **form["pubsub"]["attributes"]))
            if style == "flyteadmin-external":
                external += 1
            else:
                a = form["attributes"]
                want.append((a["id"], a["type"], a["source"] or V1_SOURCE, of["data"]))   # one without a source is mended
    assert want and external and all(f.result() for f in sent)
    g = gateway(config(name), env=pubsub.env())
    g.settled(len(want) + external)
    assert len(g.lines()) == len(want) + external
    with_type = {t for _, t, *_ in want}
    got = [(e["id"], e["type"], e["source"], base64.b64decode(e["data_base64"]).decode()) for e in g.lines() if e["type"] in with_type]
    assert sorted(got) == sorted(want)
    assert sum(g.metric("moongate_events_received_total", ingest="pubsub", kind=k) for k in ("workflow", "node", "task")) == external
    pubsub.emptied(name)


def test_what_cannot_be_decoded_is_left_to_the_dead_letter_policy(gateway, pubsub, name):
    dead = name + "-dead"
    for topic in name, dead:
        pubsub.topic(topic)
    pubsub.subscription(dead, dead)
    pubsub.subscription(name, name, dead_letter_policy={"dead_letter_topic": f"projects/{PROJECT}/topics/{dead}", "max_delivery_attempts": 5})
    g = gateway(config(name), env=pubsub.env())
    pubsub.publish(name, [b"no event at all", event(1)])
    wait_until(lambda: g.ids() == ["1"], g.log)
    assert [m.data for m in pubsub.read(f"projects/{PROJECT}/subscriptions/{dead}", 1)] == [b"no event at all"]
    assert g.metric("moongate_events_rejected_total", ingest="pubsub", reason="invalid") == 5
    assert len(warnings(g)) == 1
    assert re.search(r'msg="a message stays in the subscription" subscription=\S+ error="', g.log())


def test_without_a_dead_letter_policy_it_comes_again_when_its_deadline_has_run_out(gateway, pubsub, name):
    pubsub.topic(name)
    pubsub.subscription(name, name)
    g = gateway(config(name), env=pubsub.env())
    pubsub.publish(name, [b"no event at all"])
    rejected = lambda: g.metric("moongate_events_rejected_total", ingest="pubsub", reason="invalid")   # noqa: E731
    wait_until(lambda: rejected() == 1, g.log)
    pubsub.publish(name, events(range(20)))
    g.settled(20)
    assert rejected() == 1
    pubsub.clock(61)
    wait_until(lambda: rejected() == 2, g.log)
    pubsub.emptied(name, but=1)
    assert not [c for c in pubsub.calls("ModifyAckDeadline", name) if c["deadline"] == 0]


def test_messages_wait_while_the_log_is_full(gateway, pubsub, name):
    """Those with an ordering key in their order."""
    pubsub.pair(name)
    stuck = "  - {name: stuck, hooks: [stuck.lua], on_hook_error: block, retry: {initial: 20ms, max: 50ms}, publisher: {type: 'null'}}\n"
    g = gateway("log: {max_bytes: 1MiB, segment_bytes: 1MiB}\n" + config(name, tail=stuck), env=pubsub.env(),
                files={"stuck.lua": "return function(event) error('not yet') end\n"})
    pubsub.publish(name, events(range(80), data="x" * 20000, partitionkey="k"))
    wait_until(lambda: "waiting for room" in g.log(), g.log)
    g.write("stuck.lua", "return function(event) end\n")
    wait_until(lambda: len(g.ids()) == 80, lambda: f"{len(g.ids())}\n{g.log()[-2000:]}")
    assert ids(g) == set(range(80))
    pubsub.emptied(name)


def test_order_of_a_key_is_kept_and_a_restart_repeats_nothing(gateway, pubsub, name):
    pubsub.pair(name)
    ordered = pubsub.publisher(publisher_options=pubsub_v1.types.PublisherOptions(enable_message_ordering=True))
    topic = f"projects/{PROJECT}/topics/{name}"
    for future in [ordered.publish(topic, event(n), ordering_key=f"k{n % 5}") for n in range(50)]:
        future.result()
    g = gateway(config(name), env=pubsub.env())
    wait_until(lambda: len(g.ids()) >= 10, g.log)
    assert g.stop() == 0
    expired(pubsub, name, 1)                           # the fake may hold one for a stream that is gone
    g.start()
    wait_until(lambda: ids(g) == set(range(50)), g.log)
    for k in range(5):
        assert [int(i) for i in g.ids() if int(i) % 5 == k] == list(range(k, 50, 5))
    pubsub.emptied(name)


def test_large_messages_come_in_and_what_no_log_could_take_is_left(gateway, pubsub, name):
    pubsub.topic(name)
    pubsub.subscription(name, name)
    g = gateway("log: {max_bytes: 8MiB, segment_bytes: 1MiB}\n" + config(name), env=pubsub.env())
    pubsub.publish(name, [event(0, data="x" * 9_000_000), event(1, data="x" * 4_500_000), event(2)])
    wait_until(lambda: ids(g) == {1, 2}, g.log)
    wait_until(lambda: g.metric("moongate_events_rejected_total", ingest="pubsub", reason="too_large") == 1, g.log)
    pubsub.emptied(name, but=1)


def test_as_says_what_a_bare_request_is(gateway, pubsub, name):
    pubsub.topic(name)
    pubsub.subscription(name, name)
    v = next(v for v in vectors() if v["name"] == "workflow-queued")
    pubsub.publish(name, [base64.b64decode(v["request_b64"])])
    g = gateway(config(name, ", as: workflow"), env=pubsub.env())
    wait_until(lambda: g.ids() == ["flytesnacks:development:f7c2a9d81b5e4:QUEUED"], g.log)
    assert base64.b64decode(g.lines()[0]["data_base64"]) == base64.b64decode(v["request_b64"])


def test_killed_and_stopped_nothing_is_lost(gateway, pubsub, name):
    """A kill is at any instant between what came and what was acknowledged."""
    pubsub.topic(name)
    pubsub.subscription(name, name)
    g = gateway(config(name), env=pubsub.env())
    for at in range(0, 90, 30):
        pubsub.publish(name, events(range(at, at + 30)))
        wait_until(lambda: len(g.ids()) > at, g.log)   # pylint: disable=cell-var-from-loop
        g.signal(signal.SIGKILL)
        g.process.wait()
        expired(pubsub, name, at // 30 + 1)
        g.start()
    wait_until(lambda: ids(g) == set(range(90)), g.log)
    pubsub.emptied(name)
    before = len(g.ids())
    pubsub.publish(name, events(range(90, 120)))
    assert g.stop() == 0                               # in the middle: acknowledged or given back
    expired(pubsub, name, 4)
    g.start()
    wait_until(lambda: ids(g) == set(range(120)), g.log)
    pubsub.emptied(name)
    assert len(g.ids()) == before + 30


def test_two_gateways_share_a_subscription(gateway, pubsub, name):
    pubsub.topic(name)
    pubsub.subscription(name, name)
    a, b = (gateway(config(name), env=pubsub.env(), name=n) for n in "ab")
    wait_until(lambda: len(pubsub.calls("StreamingPull", name)) == 2, a.log)
    pubsub.publish(name, events(range(60)))
    wait_until(lambda: a.ids() and b.ids(), a.log)
    assert a.stop() == 0
    expired(pubsub, name, 1)                           # what b holds comes once more, too
    pubsub.publish(name, events(range(60, 80)))
    pubsub.emptied(name)
    a.start()                                          # what it had acknowledged and not published is in its log
    wait_until(lambda: ids(a, b) == set(range(80)), b.log)
    assert len(ids(a)) == len(a.ids()) and not ids(a) & ids(b)      # an orderly stop repeats nothing


def test_a_third_of_all_requests_failing_loses_nothing(gateway, pubsub, name):
    """Every stream breaks, too, and in the middle every deadline runs out."""
    pubsub.topic(name)
    pubsub.subscription(name, name)
    thirds = [{"method": m, "every": 3, "codes": RETRYABLE} for m in ("Acknowledge", "ModifyAckDeadline")]
    pubsub.always({"method": "StreamingPull", "every": 1, "codes": RETRYABLE, "messages": 10}, *thirds)
    g = gateway(config(name), env=pubsub.env())
    for at in range(0, 100, 20):
        pubsub.publish(name, events(range(at, at + 20)))
        if at == 60:
            pubsub.clock(61)
    wait_until(lambda: len(pubsub.calls("StreamingPull", name)) >= 5, g.log)
    pubsub.always(*thirds)
    pubsub.down()                                      # the last stream that breaks
    pubsub.up()
    pubsub.clock(61)                                   # the fake has handed some to streams that were gone
    wait_until(lambda: ids(g) == set(range(100)), lambda: f"{sorted(set(range(100)) - ids(g))}\n{g.log()}")
    pubsub.emptied(name)
    assert len({c["code"] for c in pubsub.calls("Acknowledge", name)}) > 1
    assert len({c["code"] for c in pubsub.calls("StreamingPull", name)}) > 3


def test_a_stream_that_the_server_closes_is_opened_again_without_a_word(gateway, pubsub, name):
    pubsub.topic(name)
    pubsub.subscription(name, name)
    pubsub.faults({"method": "StreamingPull", "code": "UNAVAILABLE", "messages": 1}, {"method": "StreamingPull", "code": "UNAVAILABLE", "messages": 1})
    g = gateway(config(name), env=pubsub.env())
    pubsub.publish(name, events(range(10)))
    wait_until(lambda: len(pubsub.calls("StreamingPull", name)) == 3, g.log)
    pubsub.clock(61)                                   # the fake has handed some to streams that were gone
    wait_until(lambda: ids(g) == set(range(10)), g.log)
    pubsub.emptied(name)
    assert not warnings(g)
    hellos = [[s for s in c["sent"] if s.startswith("subscription:")] for c in pubsub.calls("StreamingPull", name)]
    assert hellos == [[hellos[0][0]]] * 3              # the client_id, too, is the same
    for said in "stream_ack_deadline_seconds:60", "client_id:", "max_outstanding_messages:2500", "max_outstanding_bytes:16777216":
        assert said in hellos[0][0]
    pubsub.down()
    wait_until(lambda: re.search(r'level=warn component=ingest.pubsub msg="cannot pull" .*error="UNAVAILABLE: ', g.log()), g.log)
    pubsub.up()
    pubsub.publish(name, events(range(10, 20)))
    wait_until(lambda: ids(g) == set(range(20)), g.log)


def test_what_is_missing_or_forbidden_is_told_with_what_to_do(gateway, pubsub, name):
    pubsub.topic(name)
    g = gateway(config(name), env=pubsub.env())
    wait_until(lambda: f"gcloud pubsub subscriptions create {name} --topic TOPIC --project {PROJECT}" in g.log(), g.log)
    assert "consuming" not in g.log()
    pubsub.subscription(name, name)
    pubsub.publish(name, events([1]))
    wait_until(lambda: g.ids() == ["1"], g.log)
    assert 'msg="consuming"' in g.log() and g.stop() == 0
    pubsub.faults({"method": "StreamingPull", "code": "PERMISSION_DENIED", "message": "User not authorized to perform this action."})
    g = gateway(config(name), env=pubsub.env(), name="denied")
    wait_until(lambda: "roles/pubsub.subscriber" in g.log(), g.log)
    pubsub.publish(name, events([2]))
    wait_until(lambda: g.ids() == ["2"], g.log)


def test_messages_that_cannot_be_acknowledged_are_told_of_and_no_more_are_taken(gateway, pubsub, name):
    pubsub.topic(name)
    pubsub.subscription(name, name)
    pubsub.always({"method": "Acknowledge", "every": 1, "code": "PERMISSION_DENIED"})
    g = gateway(config(name), env=pubsub.env())
    pubsub.publish(name, events([0]))
    wait_until(lambda: re.search(r'msg="cannot acknowledge" .*error="PERMISSION_DENIED: ', g.log()), g.log)
    pubsub.publish(name, events(range(1, 6)))
    asked = len(pubsub.calls("Acknowledge", name))
    wait_until(lambda: len(pubsub.calls("Acknowledge", name)) > asked + 1, g.log)
    assert pubsub.left(name) == 6 and ids(g) == {0}
    pubsub.always()
    wait_until(lambda: sorted(g.ids()) == list("012345"), g.log)
    pubsub.emptied(name)


def test_what_our_publisher_sends_comes_in_again_as_it_was(gateway, pubsub, name):
    """Structured, in protobuf, in binary mode, with and without an ordering key."""
    forms = {"s": "", "p": "format: {encoding: protobuf}, ", "b": "format: {mode: binary}, "}
    for form in forms:
        pubsub.pair(f"{name}-{form}")
    publishers = "".join(f"  - {{name: {form}, {how}publisher: {{type: pubsub, project: {PROJECT}, topic: {name}-{form}, ordering: {order}}}}}\n"
                         for (form, how), order in zip(forms.items(), ["key", "none", "key"]))
    sources = ", ".join(f"{{project: {PROJECT}, subscription: {name}-{form}}}" for form in forms)
    a = gateway(FILE + publishers, env=pubsub.env(), name="a")
    b = gateway(f"ingest: {{pubsub: [{sources}]}}\n{FILE}", env=pubsub.env(), name="b")
    sent = [{"specversion": "1.0", "id": 'a "b" %41 ä', "source": "/s", "type": "t", "time": "2026-04-07T06:30:01.250Z", "subject": "x ä", "partitionkey": "k",
             "dataschema": "https://x/y", "datacontenttype": "application/json", "one": "1", "data": {"n": [1, None, "ä", 1.50]}},
            {"specversion": "1.0", "id": "2", "source": "/s", "type": "t", "datacontenttype": "text/plain", "data": "hello"},
            {"specversion": "1.0", "id": "3", "source": "/s", "type": "t", "datacontenttype": "application/octet-stream", "data_base64": "AAH/"},
            {"specversion": "1.0", "id": "4", "source": "/s", "type": "t"}]
    assert a.post("/v1/events", json.dumps(sent), "application/cloudevents-batch+json")[0] == 202
    request = flyte.workflow()
    assert a.post("/api/v1/events/workflows", request.SerializeToString(), "application/octet-stream")[0] == 200
    b.settled(15)
    got = sorted((json.dumps(e, sort_keys=True) for e in b.lines()))
    assert got == sorted(json.dumps(e, sort_keys=True) for e in a.lines() for _ in forms)
    for form in forms:
        pubsub.emptied(f"{name}-{form}")


def test_every_call_has_its_token_and_says_whom_it_is_about(gateway, pubsub, metadata, name, tmp_path):   # pylint: disable=redefined-outer-name
    pubsub.topic(name)
    pubsub.subscription(name, name)
    pubsub.publish(name, events([1]))
    pubsub.token("t1")
    g = gateway(config(name, f", endpoint: '{pubsub.url}'"), env={"GCE_METADATA_HOST": metadata.address, "HOME": str(tmp_path)})
    wait_until(lambda: g.ids() == ["1"], g.log)
    pubsub.emptied(name)
    for method in "StreamingPull", "Acknowledge":
        last = pubsub.calls(method, name)[-1]["metadata"]
        assert last["authorization"] == ["Bearer t1"]
        assert last["x-goog-request-params"] == [f"subscription=projects/{PROJECT}/subscriptions/{name}"]
    assert "Bearer" not in g.log()


def test_check_online_says_what_the_subscription_is(tmp_path, pubsub, name):
    source = f"ingest: {{pubsub: [{{project: {PROJECT}, subscription: {name}}}]}}\npipelines: [{{name: a, publisher: {{type: 'null'}}}}]\n"
    path = f"projects/{PROJECT}/subscriptions/{name}"

    def asked(text):
        return ask(tmp_path, text, pubsub.env())["ingest.pubsub"]
    level, text = asked(source)
    assert level == "error" and text.startswith("Pub/Sub: NOT_FOUND: ") and f"gcloud pubsub subscriptions create {name} " in text
    pubsub.topic(name)
    pubsub.subscription(name, name, dead_letter_policy={"dead_letter_topic": f"projects/{PROJECT}/topics/{name}", "max_delivery_attempts": 7})
    assert asked(source) == (
        "note", f"Pub/Sub subscription {path} is there, of projects/{PROJECT}/topics/{name}; after 7 attempts to projects/{PROJECT}/topics/{name}")
    pubsub.faults({"method": "GetSubscription", "code": "PERMISSION_DENIED", "message": "User not authorized."})
    assert asked(source) == (
        "warning", "Pub/Sub: PERMISSION_DENIED: User not authorized.; to look takes roles/pubsub.viewer, to pull roles/pubsub.subscriber")
    pubsub.pair(name + "-o")
    level, text = asked(source.replace(name, name + "-o"))
    assert level == "note" and ", ordered; no dead-letter policy, so what cannot be decoded comes again and again" in text
    assert {c["code"] for c in pubsub.calls("StreamingPull", name)} == set()


@pytest.mark.parametrize("text,error", [
    ("ingest: {pubsub: [{project: p}]}", "subscription"),
    ("ingest: {pubsub: [{project: p, subscription: projects/p/subscriptions/sub}]}", "subscription: it has letters"),
    ("ingest: {pubsub: [{project: p, subscription: sub, endpoint: nowhere}]}", "endpoint"),
    ("ingest: {pubsub: [{project: p, subscription: sub, as: clodevent}]}", 'did you mean "cloudevent"')])
def test_what_is_wrong_is_said(tmp_path, text, error):
    found = check(tmp_path, text + "\n")
    assert found and found[0][3] == "error" and error in found[0][4], found
