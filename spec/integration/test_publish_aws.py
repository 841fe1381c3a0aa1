"""SNS and SQS against an AWS server that checks every signature with botocore's own signer; boto3 reads what arrives."""
import base64
import glob
import json
import os
import re

import pytest

import aws as aws_server
import flyte
from test_sections import SNS as DOCUMENTED
from gateway import ROOT, run
from wait import wait_until

RETRY = "retry: {initial: 10ms, max: 50ms}"


def pipeline(kind, to, more="", format="", name="a"):
    key = {"sns": "topic_arn", "sqs": "queue_url", "file": "path"}[kind]
    return f"  - {{name: {name}, {RETRY}, {format} publisher: {{type: {kind}, {key}: '{to}'{more}}}}}\n"


def send(g, requests):
    with g.channel() as channel:
        for r in requests:
            flyte.send(channel, r)


def runs(n, start=0):
    return [flyte.workflow(name=f"f{i}") for i in range(start, start + n)]


def ids(bodies):
    return [json.loads(b)["id"] for b in bodies]


def test_a_topic_gets_each_event_with_its_subject_and_attributes(gateway, aws, name):
    arn = aws.topic(name)
    g = gateway("pipelines:\n" + pipeline("sns", arn, ", attributes: [type, team]", "set: {team: ml},"), env=aws.env())
    send(g, runs(25))
    g.settled(25, "a")
    got = aws.published(arn)
    assert sorted(ids(m[1] for m in got)) == sorted(f"flytesnacks:development:f{i}:RUNNING" for i in range(25))
    event = json.loads(got[0][1])
    assert got[0][2] == event["subject"] == "admin_event_pb2.WorkflowExecutionEventRequest"
    assert got[0][3] == {"type": {"Type": "String", "Value": event["type"]}, "team": {"Type": "String", "Value": "ml"}}


def test_fifo_keeps_order_and_keeps_repeats_out(gateway, aws, name):
    arn, queue = aws.topic(name + ".fifo"), aws.queue(name + ".fifo")
    g = gateway("pipelines:\n" + pipeline("sns", arn) + pipeline("sqs", queue, name="q"), env=aws.env())
    phases = ["QUEUED", "RUNNING", "SUCCEEDING", "SUCCEEDED"]
    aws.faults({}, {"status": 503, "code": "ServiceUnavailable"}, {}, {"status": 400, "code": "Throttling"}, {"delay": 0.2})
    send(g, [flyte.workflow(name=f"f{i}", phase=p) for p in phases for i in range(8)])
    send(g, [flyte.workflow(name="f0", phase="QUEUED")])              # told once more, with the same id
    g.settled(33)
    messages = aws.received(queue)
    # This server's topics record repeats, too; its queues drop them.
    for of in (dict.fromkeys(ids(m[1] for m in aws.published(arn))), ids(m["Body"] for m in messages)):
        for i in range(8):
            mine = [x.rsplit(":", 1)[1] for x in of if f":f{i}:" in x]
            assert mine == phases
    m = next(m["Attributes"] for m in messages if m["Attributes"]["MessageGroupId"] == "flytesnacks:development:f0")
    assert m["MessageDeduplicationId"] == "flytesnacks:development:f0:QUEUED"


def test_whatever_the_service_answers_nothing_is_lost(gateway, aws, name):
    arn, queue = aws.topic(name), aws.queue(name)
    g = gateway("pipelines:\n" + pipeline("sns", arn) + pipeline("sqs", queue, name="q"), env=aws.env())
    for i, fault in enumerate([("Throttling", 400), ("InternalFailure", 500), ("ServiceUnavailable", 503), ("RequestThrottled", 403)]):
        aws.faults(*[{"code": fault[0], "status": fault[1]}] * 3)
        send(g, runs(10, 10 * i))
    g.settled(40)
    want = sorted(f"flytesnacks:development:f{i}:RUNNING" for i in range(40))
    assert sorted(ids(m[1] for m in aws.published(arn))) == want
    assert sorted(ids(m["Body"] for m in aws.received(queue))) == want
    assert g.pipeline("a")["up"] and g.pipeline("q")["up"]


def test_a_topic_that_is_not_there_is_named_until_it_is(gateway, aws, name):
    arn = f"arn:aws:sns:us-east-1:{aws_server.ACCOUNT}:{name}"
    g = gateway("pipelines:\n" + pipeline("sns", arn), env=aws.env())
    send(g, runs(3))
    down = wait_until(lambda: (p := g.pipeline("a")) and not p["up"] and p, g.log)
    assert down["last_error"].startswith("SNS: NotFound: ") and down["last_error"].endswith(" (HTTP 404): is it made, in this region and account?")
    assert down["lag"] == 3
    aws.topic(name)
    g.settled(3, "a")
    assert len(aws.published(arn)) == 3


def test_wrong_keys_are_told_and_right_ones_taken_without_a_restart(gateway, aws, name):
    queue = aws.queue(name)
    env = aws.env()
    del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    g = gateway("pipelines:\n" + pipeline("sqs", queue), env=env,
                files={"credentials": f"[default]\naws_access_key_id = {aws_server.KEY}\naws_secret_access_key = wrong/secret\n"})
    send(g, runs(2))
    down = wait_until(lambda: (p := g.pipeline("a")) and not p["up"] and p, g.log)
    assert down["last_error"].startswith("SQS: SignatureDoesNotMatch"), down
    g.write("credentials", f"[default]\naws_access_key_id = {aws_server.KEY}\naws_secret_access_key = {aws_server.SECRET}\n")
    g.settled(2, "a")
    assert len(aws.received(queue)) == 2
    everything = g.log() + json.dumps(g.pipelines()) + g.get("/metrics")[1]
    assert "wrong/secret" not in everything and aws_server.SECRET not in everything


def test_roles_are_assumed_by_keys_and_by_a_token(gateway, aws, name):
    queue = aws.queue(name)
    role = f"arn:aws:iam::{aws_server.ACCOUNT}:role/{name}"
    env = aws.env(AWS_PROFILE="p")
    del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    g = gateway("pipelines:\n" + pipeline("sqs", queue), env=env, name="profile", files={
        "credentials": f"[base]\naws_access_key_id = {aws_server.KEY}\naws_secret_access_key = {aws_server.SECRET}\n",
        "config": f"[profile p]\nrole_arn = {role}\nsource_profile = base\nregion = us-east-1\n"})
    send(g, runs(1))
    g.settled(1, "a")
    env = aws.env(AWS_WEB_IDENTITY_TOKEN_FILE="token", AWS_ROLE_ARN=role)
    del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    g = gateway("pipelines:\n" + pipeline("sqs", queue), env=env, name="web", files={"token": "e.y.J\n"})
    send(g, runs(1, 1))
    g.settled(1, "a")
    assert len(aws.received(queue)) == 2
    keys = {re.search(r"Credential=([A-Z0-9]+)/", r["headers"]["Authorization"]).group(1)
            for r in aws.get("/_test/requests") if name in r["body"] and "X-Amz-Target" in r["headers"]}
    assert len(keys) >= 3 and aws_server.KEY in keys          # boto3's own, and one for each role


def vectors():
    for path in sorted(glob.glob(os.path.join(ROOT, "spec/golden/flyteadmin/*.json"))):
        with open(path, encoding="utf-8") as f:
            yield json.load(f)


@pytest.mark.parametrize("style", ["flyteadmin", "flyteadmin-external"])
def test_flyteadmins_messages_are_its_own(gateway, aws, name, style):
    arn, queue = aws.topic(name), aws.queue(name)
    both = pipeline("sns", arn, format=f"format: {{style: {style}, id_spacing: 1}},") \
        + pipeline("sqs", queue, format=f"format: {{style: {style}, id_spacing: 1}},", name="q")
    g = gateway("pipelines:\n" + both, env=aws.env())
    want = []
    for v in vectors():
        spacing = v["styles"].get(style, {}).get("id_spacing")
        if not spacing or not v["styles"][style].get("same_as_request", True):
            continue
        status = g.post(f"/api/v1/events/{v['kind']}s", base64.b64decode(v["request_b64"]), "application/octet-stream")[0]
        assert status == 200, v["name"]
        sns = spacing.get("1", spacing.get("any"))["sns"]
        want.append((sns["message"], sns["subject"]))
    assert len(want) > 8
    g.settled(len(want))
    assert sorted((m[1], m[2]) for m in aws.published(arn)) == sorted(want)
    assert sorted(m["Body"] for m in aws.received(queue)) == sorted(w[0] for w in want)


def unordered(message):
    """A protobuf CloudEvent's bytes with its attributes in one order: FlyteAdmin's own is random."""
    event, parts = base64.b64decode(message), []
    at = 0
    while at < len(event):                                    # every field here is a length and its bytes
        assert event[at] & 7 == 2
        size, shift, end = 0, 0, at + 1
        while True:
            size |= (event[end] & 127) << shift
            shift, end = shift + 7, end + 1
            if not event[end - 1] & 128:
                break
        parts.append(event[at:end + size])
        at = end + size
    return sorted(parts)


def test_flyteadmins_v2_messages_are_its_own(gateway, aws, name):
    """An empty source, too, which FlyteAdmin sends here. Without records: what needs none of them."""
    arn = aws.topic(name)
    style = "format: {style: flyteadmin-v2, id_spacing: 1},"
    g = gateway("pipelines:\n" + pipeline("sns", arn, format=style) + pipeline("file", "out.jsonl", format=style, name="f"), env=aws.env())
    want, sourceless = [], 0
    for v in vectors():
        v2 = v["styles"].get("flyteadmin-v2")
        if not v2 or v2["enrichment"]:
            continue
        assert g.post(f"/api/v1/events/{v['kind']}s", base64.b64decode(v["request_b64"]), "application/octet-stream")[0] == 200
        form = v2["id_spacing"]["1"]
        sourceless += not form["attributes"]["source"]
        want.append((unordered(form["sns"]["message"]), form["sns"]["subject"]))
    assert len(want) > 5 and sourceless == 1
    g.settled(len(want))
    assert sorted((unordered(m[1]), m[2]) for m in aws.published(arn)) == sorted(want)
    f = g.pipeline("f")
    assert f["dead_lettered"] == 1 and f["published"] == len(want) - 1
    assert "source: " in run("dead", "list", "-c", g.config_file).stdout


def test_a_replay_reaches_a_fifo_queue_that_had_it_a_moment_ago(gateway, aws, name):
    queue = aws.queue(name + ".fifo")
    g = gateway("log: {retain: 1h}\npipelines:\n" + pipeline("sqs", queue), env=aws.env())
    send(g, runs(1) + runs(1))                                # the repeat is kept out
    g.settled(2, "a")
    for _ in range(2):
        run("log", "replay", "-c", g.config_file, "--pipeline", "a")
    messages = aws.received(queue)
    dedup = [m["Attributes"]["MessageDeduplicationId"] for m in messages]
    assert len(dedup) == len(set(dedup)) == 3 and dedup[0] == "flytesnacks:development:f0:RUNNING"
    assert all(re.fullmatch(re.escape(dedup[0]) + r":r\d+", d) for d in dedup[1:])
    assert len({m["Body"] for m in messages}) == 1


@pytest.mark.parametrize("form", ["flyteadmin", "documented"])
def test_the_documentations_block_runs_as_it_stands(gateway, aws, name, form):
    """But for the topic's region and account, which are this server's."""
    arn = aws.topic(name)
    text = DOCUMENTED.replace("arn:aws:sns:us-east-2:123456:123-my-topic", arn).replace("us-east-2", "us-east-1")
    if form == "documented":
        text = text.replace("type: aws", "type: aws\n    style: documented")
    g = gateway(text, env=aws.env())
    send(g, [flyte.workflow(name="f1"), flyte.node(name="f1"), flyte.task(name="f1")])
    g.settled(3, "cloud_events")
    got = aws.published(arn)
    kinds = ["Workflow", "Node", "Task"]
    if form == "documented":
        assert sorted(m[2] for m in got) == sorted(f"admin_event_pb2.{k}ExecutionEventRequest" for k in kinds)
        assert {json.loads(m[1])["type"] for m in got} == {f"com.flyte.resource.{k.lower()}" for k in kinds}
    else:
        assert sorted(m[2] for m in got) == sorted(f"flyteidl.admin.{k}ExecutionEventRequest" for k in kinds)
        assert all(b"com.flyte.resource.flyteidl.admin." in base64.b64decode(m[1]) for m in got)
