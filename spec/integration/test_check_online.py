"""`check --online`: each destination and source says whether it would take events, or give some; nothing is published or made."""
import os
import re

import grpc
from confluent_kafka.admin import AdminClient
from flyteidl.admin import version_pb2

import aws as aws_server
import kafka
import upstream as up
from gateway import FILE, free_port, run
from kafka import read_now
from test_cmd import check
from test_publish_aws import pipeline
from webhook import Webhook, certificates, server_tls

SAYS = re.compile(r"[^:]+:\d+:\d+: (note|warning|error): ([\w.]+): (.+)")


def ask(tmp_path, text, env=None):
    """{name: (level, text)} of every destination and source, in the order they were printed; the exit status is held to them."""
    (tmp_path / "moongate.yaml").write_text(text)
    done = run("check", "-c", tmp_path / "moongate.yaml", "--online", env=env)
    found = {m[2]: (m[1], m[3]) for m in map(SAYS.fullmatch, done.stdout.splitlines()) if m}
    assert done.stdout.count("\n") == len(found) and not done.stderr, done
    assert done.returncode == ("error" in {level for level, _ in found.values()}), done
    return found


def one(tmp_path, text, env=None):
    said, = ask(tmp_path, text, env).values()
    return said


def to(kind, name="a", **keys):
    return f"  - {{name: {name}, publisher: {{type: {kind}, {', '.join(f'{k}: {v!r}' for k, v in keys.items())}}}}}\n"


def refused():
    """A port of 127.0.0.1 where nobody listens."""
    return f"127.0.0.1:{free_port()}"


# ---- AWS
def test_topics_and_queues_say_what_they_are_and_who_we_are(tmp_path, aws, name):
    arn, fifo, queue = aws.topic(name), aws.topic(name + ".fifo"), aws.queue(name)
    config = f"ingest:\n  sqs: [{{queue_url: '{aws.queue(name + '-in')}'}}]\npipelines:\n" + pipeline("sns", arn) + pipeline("sns", fifo, name="f") \
        + pipeline("sqs", queue, name="q") + "  - {name: off, enabled: false, publisher: {type: sns, topic_arn: 'arn:aws:sns:us-east-1:1:none'}}\n"
    old, new = (aws.client("sqs").create_queue(QueueName=name + size, Attributes={"MaximumMessageSize": size})["QueueUrl"]
                for size in ("262144", "1048576"))
    before = len(aws.get("/_test/requests"))
    said = ask(tmp_path, "pipelines:\n" + pipeline("sqs", old) + pipeline("sqs", new, name="b"), aws.env())
    assert "which refuses messages of more than 262144 bytes; `max_message_bytes` is 1048576" in said["a"][1], said
    assert "refuses" not in said["b"][1] and {level for level, _ in said.values()} == {"note"}, said
    found = ask(tmp_path, config, aws.env())
    assert list(found) == ["a", "f", "q", "ingest.sqs"] and {level for level, _ in found.values()} == {"note"}, found
    assert found["a"][1].startswith(f"SNS topic {arn} is there (standard); we are arn:aws:") and found["a"][1].endswith("keys from the environment")
    assert "(FIFO)" in found["f"][1] and "redrive" not in found["q"][1] and "without a redrive policy" in found["ingest.sqs"][1]
    asked = [r["headers"].get("X-Amz-Target") or re.search(r"Action=(\w+)", r["body"])[1] for r in aws.get("/_test/requests")[before:]]
    assert set(asked) == {"GetTopicAttributes", "AmazonSQS.GetQueueAttributes", "GetCallerIdentity"}   # and nothing else
    assert not aws.published(arn) and aws.left(queue) == 0


def test_what_is_wrong_is_said_in_one_line_with_what_to_do(tmp_path, aws, name):
    gone = f"arn:aws:sns:us-east-1:{aws_server.ACCOUNT}:{name}"
    queue = f"{aws.url}/{aws_server.ACCOUNT}/{name}.fifo"
    found = ask(tmp_path, "pipelines:\n" + pipeline("sns", gone) + pipeline("sqs", queue, name="q"), aws.env())
    assert found["a"] == ("error", found["a"][1]) and "NotFound" in found["a"][1]
    assert f"aws sns create-topic --name {name} --region us-east-1" in found["a"][1]
    assert f"aws sqs create-queue --queue-name {name}.fifo --region us-east-1 --attributes FifoQueue=true" in found["q"][1]
    arn = aws.topic(name + "-there")
    mine = "pipelines:\n" + pipeline("sns", arn)
    for env, words in [
            (aws.env(AWS_ACCESS_KEY_ID="AKIDOTHER"), ["InvalidClientTokenId", "access key id is not known", "look at the environment"]),
            (aws.env(AWS_SECRET_ACCESS_KEY="wrong/secret"), ["SignatureDoesNotMatch", "secret key is not the access key id's"]),
            (aws.env(AWS_ENDPOINT_URL=f"http://{refused()}"), ["SNS: ", "is http://127.0.0.1:", "a way to it?"]),
            (aws.env(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY=""), ["AWS credentials: no AWS credentials", "AWS_PROFILE"])]:
        level, text = one(tmp_path, mine, env)
        assert level == "error" and all(w in text for w in words) and "wrong/secret" not in text, text
    aws.faults({"status": 403, "code": "ExpiredToken"}, {"status": 403, "code": "ExpiredToken"})
    level, text = one(tmp_path, mine, aws.env())
    assert level == "error" and "ExpiredToken" in text and "log in again" in text
    aws.faults({"status": 400, "code": "InvalidParameter"})
    level, text = one(tmp_path, "pipelines:\n" + pipeline("sns", arn, ", region: eu-west-1"), aws.env())
    assert level == "error" and "`region` is eu-west-1, the topic's is us-east-1" in text


def test_a_policy_that_does_not_let_us_look_is_told_from_wrong_keys(tmp_path, aws, name):
    mine = "pipelines:\n" + pipeline("sns", aws.topic(name))
    aws.faults({"status": 403, "code": "AuthorizationError"})
    level, text = one(tmp_path, mine, aws.env())
    assert level == "warning" and "sns:GetTopicAttributes" in text and "sns:Publish" in text and "we are arn:aws:" in text
    aws.faults({"status": 403, "code": "AuthorizationError"})
    assert run("check", "-c", tmp_path / "moongate.yaml", "--online", "--strict", env=aws.env()).returncode == 1
    aws.faults({"status": 403, "code": "AccessDenied"}, {"status": 403, "code": "InvalidClientTokenId"}, {"status": 403, "code": "InvalidClientTokenId"})
    assert one(tmp_path, mine, aws.env())[0] == "error"


# ---- Kafka
def test_a_cluster_says_its_topics_and_gets_none_by_being_asked(tmp_path, broker, topic):
    kafka.create(broker, topic, 3)
    found = check(tmp_path, "pipelines:\n" + to("kafka", brokers=broker, topic=topic) + to("kafka", "none", brokers=broker, topic=topic + "-none")
                  + to("kafka", "each", brokers=broker, topic="{project}"), 1, "--online")
    assert [f[1:4] for f in found] == [(2, 26, "note"), (3, 29, "error"), (4, 29, "note")], found
    assert found[0][4] == f"a: Kafka: topic {topic}, 3 partitions, 1 broker"
    assert f"no topic {topic}-none" in found[1][4] and f"--create --topic {topic}-none" in found[1][4] and "each: Kafka: 1 broker;" in found[2][4]
    reads = f"{{brokers: ['{broker}'], topics: ['{topic}', '^{topic[:30]}']}}, {{brokers: ['{broker}'], topics: ['{topic}-none']}}, " \
        + f"{{brokers: ['{broker}'], topics: ['^none.*']}}"
    found = check(tmp_path, f"ingest:\n  kafka: [{reads}]\n{FILE}", 1, "--online")
    assert [f[3] for f in found] == ["note", "note", "error", "warning"], found
    assert "ingest.kafka: Kafka: 1 topic to read" in found[1][4] and f"no topic {topic}-none" in found[2][4] and "group moongate" in found[2][4]
    there = AdminClient({"bootstrap.servers": broker, "log_level": 0}).list_topics(timeout=20).topics
    assert topic in there and topic + "-none" not in there and read_now(broker, topic) == []


def test_brokers_that_are_not_there_or_speak_otherwise_are_named(tmp_path):
    hook = Webhook(tls=server_tls(certificates(tmp_path)))
    found = ask(tmp_path, "pipelines:\n" + to("kafka", brokers=refused(), topic="t")
                + to("kafka", "b", brokers=f"127.0.0.1:{hook.port}", topic="t").replace("topic:", "tls: {ca: other.pem}, topic:"))
    assert found["a"][0] == "error" and "Connection refused" in found["a"][1] and "are `brokers` right" in found["a"][1]
    assert found["b"][0] == "error" and "certificate" in found["b"][1] and "`tls`" in found["b"][1]
    hook.close()


# ---- HTTP
def test_a_webhook_is_asked_with_options_alone(tmp_path):
    answers = {"/ok": (204, {}, b""), "/501": (501, {}, b""), "/401": (401, {}, b"who?"), "/404": (404, {}, b""), "/302": (302, {"Location": "/x"}, b""),
               "/503": (503, {}, b"later"), "/hand": (200, {"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "120"}, b""), "/no": (200, {}, b"")}
    hook = Webhook(lambda r: answers[r.path])
    url = f"http://127.0.0.1:{hook.port}"
    found = ask(tmp_path, "pipelines:\n" + "".join(to("http", f"p{k[1:]}", url=url + k).replace("url:", "bearer_token: s3cret, url:")
                                                   for k in answers if k not in ("/hand", "/no"))
                + "".join(to("http", f"p{k[1:]}", url=url + k).replace("url:", "handshake: true, url:") for k in ("/hand", "/no")))
    assert {k: v[0] for k, v in found.items()} == {"pok": "note", "p501": "note", "p401": "error", "p404": "warning", "p302": "error", "p503": "error",
                                                   "phand": "note", "pno": "error"}, found
    assert "OPTIONS is answered with HTTP 204" in found["pok"][1] and "who?" in found["p401"][1] and "redirects are not followed" in found["p302"][1]
    assert "events from" in found["phand"][1] and "120 a minute" in found["phand"][1] and "WebHook-Allowed-Origin" in found["pno"][1]
    assert {r.method for r in hook.requests} == {"OPTIONS"} and "s3cret" not in str(found)
    assert all(r.headers.get("authorization") == "Bearer s3cret" for r in hook.requests if r.path == "/ok")
    hook.close()


def test_a_webhook_that_is_not_there_or_is_another_is_told(tmp_path):
    folder = certificates(tmp_path)
    hook = Webhook(tls=server_tls(folder, name="e"))
    secret = "/services/T0/B0/s3cret"
    found = ask(tmp_path, "pipelines:\n" + to("http", url=f"http://{refused()}{secret}")
                + to("http", "b", url=f"https://127.0.0.1:{hook.port}{secret}").replace("url:", "tls: {ca: ca.pem}, url:"))
    assert found["a"][0] == found["b"][0] == "error" and "s3cret" not in str(found)
    assert "is `url` right" in found["a"][1] and "is `tls` right" in found["b"][1], found
    hook.close()


# ---- FlyteAdmin, before which we stand
class Versioned(up.Upstream):
    def GetVersion(self, request, context):
        self.note(context)
        if self.code:
            context.abort(self.code, "so it is")
        return version_pb2.GetVersionResponse(control_plane_version=version_pb2.Version(Version="v1.16.8"))


def test_an_upstream_is_asked_for_its_version(tmp_path):
    answers = {"/a/api/v1/version": (200, {}, b'{"control_plane_version":{"Version":"v1.16.8"}}'), "/b/api/v1/version": (401, {}, b""),
               "/c/api/v1/version": (404, {}, b""), "/d/api/v1/version": (503, {}, b""), "/e/api/v1/version": (200, {}, b"<html>")}
    hook, admin = Webhook(lambda r: answers[r.path]), Versioned()

    def asked(grpc_to, http_to, tls=""):
        found = ask(tmp_path, f"ingest:\n  grpc: {{upstream: '{grpc_to}'{tls}}}\n  http: {{upstream: '{http_to}'{tls if 'https' in http_to else ''}}}\n"
                    + "pipelines:\n" + to("null"))
        assert list(found) == ["a", "ingest.grpc.upstream", "ingest.http.upstream"]
        return list(found.values())[1:]
    with up.served(admin) as address:
        for code, path, grpc_said, http_said in (
                (None, "/a", ("note", "FlyteAdmin v1.16.8 answers"), ("note", "FlyteAdmin's HTTP answers")),
                (grpc.StatusCode.UNAUTHENTICATED, "/b", ("note", "wants a token"), ("note", "wants a token")),
                (grpc.StatusCode.UNIMPLEMENTED, "/c", ("warning", "is it FlyteAdmin?"), ("warning", "status 404")),
                (grpc.StatusCode.INTERNAL, "/d/", ("error", "INTERNAL: so it is"), ("error", "status 503")),
                (None, "/e", ("note", "v1.16.8"), ("warning", "no version in it"))):
            admin.code = code
            for (level, text), (said, words) in zip(asked(address, f"http://127.0.0.1:{hook.port}{path}"), (grpc_said, http_said)):
                assert level == said and words in text, (code, path, level, text)
    assert len(admin.metadata) == 5 and not admin.events and {r.method for r in hook.requests} == {"GET"}
    hook.close()
    folder = certificates(tmp_path)
    hook = Webhook(tls=server_tls(folder, name="e"))
    for (level, text), key in zip(asked(refused(), f"http://{refused()}"), ("(upstream_tls)", "https://")):      # how TLS is asked for there
        assert level == "error" and "refused" in text and key in text
    for level, text in asked(f"127.0.0.1:{hook.port}", f"https://127.0.0.1:{hook.port}", ", upstream_tls: {ca: ca.pem}"):
        assert level == "error" and "certificate" in text, text
    hook.close()


# ---- files, and the command itself
def test_a_file_is_neither_made_nor_changed(tmp_path):
    (tmp_path / "half.jsonl").write_text('{"id":"1"}\n{"id":')
    os.mkfifo(tmp_path / "pipe")
    config = "pipelines:\n" + to("file", path="half.jsonl") + to("file", "new", path="new.jsonl") + to("file", "out", path="-") + to("null", "n") \
        + to("file", "fifo", path="pipe") + to("file", "none", path="none/x.jsonl")
    done = check(tmp_path, config, 1, "--online")
    assert [f[3] for f in done][0] == "warning" and "none: No such file" in done[0][4]     # of the check without asking
    found = {(m := re.match(r"(\w+): (.+)", f[4]))[1]: (f[3], m[2]) for f in done[1:]}
    assert [v[0] for v in found.values()] == ["note", "note", "note", "note", "warning", "error"], found
    assert "can be written" in found["a"][1] and "can be made" in found["new"][1] and "No such file" in found["none"][1]
    assert (tmp_path / "half.jsonl").read_text().endswith('{"id":') and not (tmp_path / "new.jsonl").exists()


def test_online_asks_nobody_while_the_file_has_errors_and_needs_no_file(tmp_path):
    hook = Webhook()
    bad = "pipelines:\n" + to("http", url=hook.url) + "  - {name: b, publisher: {type: nul}}\n"
    assert [f[3] for f in check(tmp_path, bad, 1, "--online")] == ["error"] and not hook.requests
    hook.close()
    level, text = one(tmp_path, FILE)
    assert level == "note" and text.endswith("all.jsonl is not there yet and can be made")
    done = run("check", "--online", cwd=tmp_path, check=0)
    assert done.stdout.endswith("note: default: standard output takes events\n") and done.stderr == ""
    assert sorted(os.listdir(tmp_path)) == ["moongate.yaml"]
