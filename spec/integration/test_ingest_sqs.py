"""Queues of SQS as a source, on a server that checks every signature: what comes of their messages, and what is left in them."""
import base64
import json
import re
import signal
from collections import Counter

import pytest

import aws as aws_server
from test_cmd import check
from test_publish_aws import vectors
from wait import wait_until


def config(queue, more="", tail=""):
    return f"""\
ingest:
  sqs: [{{queue_url: '{queue}', region: us-east-1{more}}}]
pipelines:
  - name: all
    publisher: {{type: file, path: all.jsonl}}
{tail}"""


def event(n, **attributes):
    return {"specversion": "1.0", "id": str(n), "source": "/s", "type": "t", **attributes}


def test_every_form_comes_in_and_is_deleted(gateway, aws, name):
    queue, fifo = aws.queue(name), aws.queue(name + ".fifo")
    g = gateway(config(queue), env=aws.env())
    aws.fill(queue, [json.dumps(event(n)) for n in range(25)])
    binary = {k: {"DataType": "String", "StringValue": v} for k, v in
              {"ce-id": "b", "ce-source": "/s", "ce-type": "t", "ce-specversion": "1.0", "content-type": "text/plain"}.items()}
    aws.fill(queue, ["hello"], binary)
    wait_until(lambda: len(g.ids()) == 26, g.log)
    assert sorted(g.ids()) == sorted([str(n) for n in range(25)] + ["b"])
    assert next(e for e in g.lines() if e["id"] == "b")["data"] == "hello"
    aws.emptied(queue)
    assert g.metric("moongate_events_received_total", ingest="sqs", kind="other") == 26
    g = gateway(config(fifo), env=aws.env(), name="fifo")
    aws.fill(fifo, [json.dumps(event(n, partitionkey=f"k{n % 3}")) for n in range(30)])
    wait_until(lambda: len(g.ids()) == 30, g.log)
    for k in range(3):
        assert [n for n in map(int, g.ids()) if n % 3 == k] == list(range(k, 30, 3))
    aws.emptied(fifo)


def test_flyteadmins_topic_comes_in_through_a_subscription(gateway, aws, name):
    """Raw and in SNS's envelope, of both versions and of external events; the request is the one that went out."""
    raw, wrapped, arn = aws.queue(name + "-r"), aws.queue(name + "-w"), aws.topic(name)
    sns = aws.client("sns")
    for queue, is_raw in (raw, "true"), (wrapped, "false"):
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{aws_server.ACCOUNT}:{queue.rsplit('/', 1)[1]}",
                      Attributes={"RawMessageDelivery": is_raw})
    want = []
    for v in vectors():
        for style, of in v["styles"].items():
            spacing = of.get("id_spacing", {})
            form = spacing.get("1", spacing.get("any"))
            if v["kind"] == "task" or not form or style == "flyteadmin-external":
                continue
            sns.publish(TopicArn=arn, Message=form["sns"]["message"], Subject=form["sns"]["subject"])
            want.append(form["attributes"]["id"])
    g = gateway(f"""\
ingest:
  sqs: [{{queue_url: '{raw}'}}, {{queue_url: '{wrapped}'}}]
pipelines:
  - {{name: all, event_types: [workflow, node], publisher: {{type: file, path: all.jsonl}}}}
""", env=aws.env())
    # A standard queue may give a message to two calls.
    wait_until(lambda: Counter(g.ids()) >= Counter(2 * want), lambda: f"{len(g.ids())} of {2 * len(want)}\n{g.log()}")
    aws.emptied(raw)
    aws.emptied(wrapped)
    assert set(g.ids()) == set(want)


def test_what_cannot_be_decoded_stays_in_the_queue_and_is_counted(gateway, aws, name):
    queue = aws.queue(name)
    aws.fill(queue, ["no event at all", json.dumps(event(1)), '{"specversion": "1.0"}'])
    g = gateway(config(queue), env=aws.env())
    wait_until(lambda: g.ids() == ["1"], g.log)
    wait_until(lambda: g.metric("moongate_events_rejected_total", ingest="sqs", reason="invalid") == 2, g.log)
    aws.emptied(queue, but=2)
    assert re.search(r'component=ingest.sqs msg="a message stays in the queue" queue=\S+ error="', g.log())


@pytest.mark.parametrize("ending", ["", ".fifo"])
def test_messages_wait_while_the_log_is_full(gateway, aws, name, ending):
    queue = aws.queue(name + ending)
    stuck = "  - {name: stuck, hooks: [stuck.lua], on_hook_error: block, retry: {initial: 20ms, max: 50ms}, publisher: {type: 'null'}}\n"
    g = gateway("log: {max_bytes: 1MiB, segment_bytes: 1MiB}\n" + config(queue, tail=stuck), env=aws.env(),
                files={"stuck.lua": "return function(event) error('not yet') end\n"})
    aws.fill(queue, [json.dumps(event(n, data="x" * 20000)) for n in range(80)])
    wait_until(lambda: "waiting for room" in g.log(), g.log)
    g.write("stuck.lua", "return function(event) end\n")
    wait_until(lambda: len(set(g.ids())) == 80, lambda: f"{len(set(g.ids()))}\n{g.log()[-2000:]}")
    aws.emptied(queue)
    if ending:                            # a standard queue may give a message to two calls
        assert len(g.ids()) == 80


def test_killed_and_stopped_nothing_is_lost(gateway, aws, name):
    queue = aws.queue(name)
    g = gateway(config(queue), env=aws.env(), started=False)
    aws.fill(queue, [json.dumps(event(n)) for n in range(300)])
    for wanted in 10, 40:
        g.start()
        # Those that were killed hold what they had not deleted, which may be all there is, for a minute.
        wait_until(lambda: len(set(g.ids())) >= wanted or aws.held(queue), g.log)   # pylint: disable=cell-var-from-loop
        g.signal(signal.SIGKILL)
        g.process.wait()
        # What it had deleted was durable; what it had not comes back to somebody in a minute.
        g.start()
        g.settled()
        assert len(set(g.ids())) + aws.left(queue) >= 300
        g.signal(signal.SIGKILL)
        g.process.wait()
    g.start()
    g.settled()
    assert len(set(g.ids())) + aws.left(queue) >= 300
    assert g.stop() == 0                                          # in the middle of a long poll


def test_faults_and_wrong_keys_are_told_and_overcome(gateway, aws, name):
    queue = aws.queue(name)
    env = aws.env(AWS_SECRET_ACCESS_KEY="wrong")
    g = gateway(config(queue), env=env)
    wait_until(lambda: "SignatureDoesNotMatch" in g.log(), g.log)
    assert 'msg="cannot receive"' in g.log() and "consuming" not in g.log()
    assert g.stop() == 0
    g = gateway(config(queue), env=aws.env(), name="right")
    aws.faults({"status": 503, "code": "ServiceUnavailable"}, {"status": 400, "code": "Throttling"}, {"delay": 0.3})
    aws.fill(queue, [json.dumps(event(n)) for n in range(5)])
    wait_until(lambda: len(set(g.ids())) == 5, g.log)
    aws.emptied(queue)


def test_messages_that_cannot_be_deleted_are_told_of_and_no_more_are_asked_for(gateway, aws, name):
    queue = aws.queue(name + ".fifo")
    g = gateway(config(queue), env=aws.env())
    wait_until(lambda: any(name in r["body"] for r in aws.get("/_test/requests") if "ReceiveMessage" in r["headers"].get("X-Amz-Target", "")), g.log)
    aws.faults({}, {"status": 403, "code": "AccessDenied"})     # the first one is boto3's, filling it
    aws.fill(queue, [json.dumps(event(n)) for n in range(3)])
    wait_until(lambda: 'msg="cannot delete"' in g.log(), g.log)
    assert 'error="SQS: AccessDenied' in g.log()
    aws.emptied(queue)
    assert sorted(g.ids()) == ["0", "1", "2"]


@pytest.mark.parametrize("text,error", [
    ("ingest: {sqs: [{}]}", "queue_url"),
    ("ingest: {sqs: [{queue_url: nowhere}]}", "queue_url"),
    ("ingest: {sqs: [{queue_url: 'http://a/b', as: clodevent}]}", 'did you mean "cloudevent"'),
    ("ingest: {sqs: [{queue_url: 'http://a/b', regoin: x}]}", 'did you mean "region"')])
def test_what_is_wrong_is_said(tmp_path, text, error):
    found = check(tmp_path, text + "\n")
    assert found and found[0][3] == "error" and error in found[0][4], found


def test_base64_of_a_raw_request_needs_no_subject(gateway, aws, name):
    queue = aws.queue(name)
    g = gateway(config(queue, ", as: workflow"), env=aws.env())
    v = next(v for v in vectors() if v["name"] == "workflow-queued")
    aws.fill(queue, [v["request_b64"]])
    wait_until(lambda: g.ids() == ["flytesnacks:development:f7c2a9d81b5e4:QUEUED"], g.log)
    assert base64.b64decode(g.lines()[0]["data_base64"]) == base64.b64decode(v["request_b64"])


def test_a_group_is_deleted_with_one_call_and_a_backlog_takes_no_more_than_its_share(gateway, aws, name):
    queue = aws.queue(name)
    aws.fill(queue, [json.dumps(event(n)) for n in range(10)])
    g = gateway(config(queue).replace("ingest:\n", "ingest:\n  max_pending_bytes: 100000\n"), env=aws.env())
    aws.emptied(queue)

    def deletes():
        return [r for r in aws.get("/_test/requests") if "DeleteMessageBatch" in r["headers"].get("X-Amz-Target", "") and name in r["body"]]
    assert len(deletes()) == 1 and json.loads(deletes()[0]["body"])["Entries"][9]
    aws.fill(queue, [json.dumps(event(f"b{n}", data="x" * 30000)) for n in range(10)])
    wait_until(lambda: len(g.ids()) == 20, g.log)                # more than may be pending, and no client would have been refused
    aws.emptied(queue)
    assert "waiting for room" not in g.log()
