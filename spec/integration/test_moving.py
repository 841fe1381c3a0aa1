"""The three ways of deploy/moving.md, walked with the page's own files and commands: a FlyteAdmin of flyteidl's stubs that publishes what
FlyteAdmin's own code has published (spec/golden/flyteadmin), a real Kafka, flyteidl's client as FlytePropeller. `moongate` and `curl` are the
real ones on ports that the kernel chose; addresses and topics are this test's."""
import base64
import glob
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import grpc
import pytest
from confluent_kafka import Producer
from flyteidl.admin import version_pb2

import aws as aws_server
import flyte
import kafka
import upstream as up
from gateway import BINARY, ROOT, run
from page import AWS, BLOCK, GCLOUD
from pubsub import PROJECT
from wait import gone, wait_until

PAGE = os.path.join(ROOT, "deploy/moving.md")
MOONGATE = f"""#!{sys.executable}
import os, sys
args = sys.argv[1:]
if args[0] == "run":
    args += ["--ready-file", args[2] + ".ready"]
    for n in 1, 2:
        os.dup2(os.open(args[2] + ".log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), n)
os.execv({BINARY!r}, [{BINARY!r}, *args])
"""
CURL = f"""#!{sys.executable}
import json, sys, urllib.request
method, url = (sys.argv[2:4] if sys.argv[1] == "-X" else ("GET", sys.argv[1]))
admin = json.load(open("moongate.yaml.ready"))["admin"]
print(urllib.request.urlopen(urllib.request.Request("http://" + url.replace("127.0.0.1:9090", admin), method=method)).read().decode())
"""
EXECUTION = b"f7c2a9d81b5e4"                                       # of the golden requests, and in most of them


class Vector:
    """A request, and the messages that FlyteAdmin makes of it; with an execution, its Kafka message as if it had happened to that one just now."""

    def __init__(self, case, execution):
        def of_execution(data):
            return data.replace(EXECUTION, execution or EXECUTION)
        form = case["styles"]["flyteadmin"]["id_spacing"]["1"]
        self.name, self.sns, self.pubsub, self.nats = case["name"], form["sns"], form["pubsub"], form["nats"]
        self.external = case["styles"]["flyteadmin-external"]["id_spacing"]["any"]["pubsub"]
        self.request = flyte.MESSAGES[case["kind"]].FromString(of_execution(base64.b64decode(case["request_b64"])))
        self.value = of_execution(base64.b64decode(form["kafka"]["value_b64"]))
        self.headers = [[k, of_execution(v.encode())] for k, v in form["kafka"]["headers"]]
        if execution and self.request.event.HasField("occurred_at"):
            self.request.event.occurred_at.FromSeconds(int(time.time()))
            now = self.request.event.occurred_at.ToJsonString().encode()
            self.value = re.sub(rb'("occurredAt":")[^"]+', rb"\g<1>" + now, self.value)
            self.headers = [[k, now if k == "ce_time" else v] for k, v in self.headers]
        self.headers = [tuple(h) for h in self.headers]
        self.key = of_execution(form["kafka"]["key"].encode())

    def as_message(self):
        return self.key, tuple(self.headers), self.value


def vectors(number=None):
    """Of a number: as if an execution of that number had just run. None: as they are."""
    execution = None if number is None else EXECUTION[:-1] + b"%x" % number
    cases = []
    for path in sorted(glob.glob(os.path.join(ROOT, "spec/golden/flyteadmin/*.json"))):
        with open(path, encoding="utf-8") as f:
            cases.append(json.load(f))
    return [Vector(c, execution) for c in cases]


class FlyteAdmin(up.Upstream):
    """Takes events and publishes as FlyteAdmin does: not the first one of a task's execution."""

    def __init__(self, broker, topic):
        super().__init__()
        self.topic, self.publishing, self.seen, self.published = topic, True, set(), []
        self.producer = Producer({"bootstrap.servers": broker, "log_level": 0, "linger.ms": 1, "partitioner": "fnv1a"})    # as sarama hashes
        self.knows = {}

    def event(self, request, context, answer):
        answer = super().event(request, context, answer)
        vector = self.knows[request.SerializeToString(deterministic=True)]
        if self.publishing and not self.is_first(request):
            self.producer.produce(self.topic, vector.value, vector.key, headers=vector.headers)
            self.published.append(vector)
            assert self.producer.flush(60) == 0
        return answer

    def GetVersion(self, request, context):
        return version_pb2.GetVersionResponse(control_plane_version=version_pb2.Version(Version="v1.16.8"))

    @property
    def sent(self):
        return len(self.published)

    def is_first(self, request):
        if flyte.kind_of(request) != "task":
            return False
        e = request.event
        execution = (e.task_id.SerializeToString(), e.parent_node_execution_id.SerializeToString(), e.retry_attempt)
        first = execution not in self.seen
        self.seen.add(execution)
        return first


class Propeller:
    """Sends to the endpoint that it was given."""

    def __init__(self, admin):
        self.admin, self.endpoint = admin, None

    def send(self, some):
        for v in some:
            self.admin.knows[v.request.SerializeToString(deterministic=True)] = v
        with grpc.insecure_channel(self.endpoint) as channel:
            for v in some:
                flyte.send(channel, v.request)


class Page:
    """Its files and commands, run in one folder."""

    def __init__(self, folder, here, env=None):
        self.folder, self.here = str(folder), here
        self.env = dict(os.environ, **(env or {}), PATH=f"{folder}/bin:{os.environ['PATH']}")
        os.makedirs(folder / "bin")
        self.tool("moongate", MOONGATE)
        self.tool("curl", CURL)
        with open(PAGE, encoding="utf-8") as f:
            self.blocks = BLOCK.findall(f.read())

    def tool(self, name, text):
        with open(os.path.join(self.folder, "bin", name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(os.path.join(self.folder, "bin", name), 0o755)

    def path(self, name):
        return os.path.join(self.folder, name)

    def text(self, text):
        for theirs, ours in self.here.items():
            text = text.replace(theirs, ours)
        return text

    def file(self, name):
        """Written as it stands on the page, but for addresses."""
        text = next(t for kind, t in self.blocks if kind == "yaml" and t.startswith(f"# {name}\n"))
        if "admin:" not in text:
            text += "admin: {listen: 127.0.0.1:0}\n"
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(self.text(text))

    def change(self, name, before, after):
        with open(self.path(name), encoding="utf-8") as f:
            text = f.read()
        assert before in text
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text.replace(before, after))

    def sh(self, part, check=0, which=0):
        """Runs the block that has this in it; what it says. A gateway that it starts is ready then."""
        block = self.text([t for kind, t in self.blocks if kind == "sh" and part in t][which])
        return self.run(block, check)

    def run(self, block, check=0):
        started = [self.path(f + ".ready") for f in re.findall(r"moongate run -c (\S+)", block)]
        for ready in started:
            if os.path.exists(ready):
                os.unlink(ready)
        done = subprocess.run(["bash", "-ec", block], cwd=self.folder, env=self.env, text=True, capture_output=True, timeout=300, check=False)
        text = done.stdout + done.stderr
        assert done.returncode == check, text + self.said()
        for ready in started:
            wait_until(lambda: os.path.exists(ready), self.said)       # pylint: disable=cell-var-from-loop
        return text

    def said(self):
        """All that the gateways said."""
        text = ""
        for path in glob.glob(self.path("*.log")):
            with open(path, encoding="utf-8") as f:
                text += f.read()
        return text

    def ready(self, name):
        with open(self.path(name + ".ready"), encoding="utf-8") as f:
            return json.load(f)

    def stop(self, name):
        pid = self.ready(name)["pid"]
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: gone(pid), self.said)
        os.unlink(self.path(name + ".ready"))

    def lines(self, name):
        if not os.path.exists(self.path(name)):
            return []
        with open(self.path(name), encoding="utf-8") as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def wait_lines(self, name, n):
        wait_until(lambda: len(self.lines(name)) >= n, self.said)
        return self.lines(name)

    def compare(self, part, more=""):
        """The counts of the page's own command, as the page shows them and as an object: one says what the other does."""
        block = next(t for kind, t in self.blocks if kind == "sh" and part in t).strip()
        shown = dict(re.findall(r"^(\w[\w ]*?) +(\d+)$", self.run(self.text(block) + more).split("\n\n", maxsplit=1)[0], re.M))
        counts, *entries = [json.loads(line) for line in self.run(self.text(block) + more + " --json").rstrip("\n").split("\n")]
        assert {k.replace(" ", "_"): int(v) for k, v in shown.items()} == {k: counts[k] for k in (k.replace(" ", "_") for k in shown)}
        return counts, entries


@pytest.fixture
def page(tmp_path):
    """page(here) is the page in this test's folder; what it leaves running is ended, and has nothing to report."""
    made = []

    def make(here, env=None):
        made.append(Page(tmp_path / "page", here, env))
        return made[-1]
    yield make
    for p in made:
        for ready in glob.glob(p.path("*.ready")):
            p.stop(os.path.basename(ready)[:-len(".ready")])
        found = re.search(r"(ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:).*", p.said(), re.S)
        assert not found, found.group(0)[:6000]


@pytest.fixture
def flyteadmin(broker, topic):
    stand_in = FlyteAdmin(broker, topic)
    for name in topic, topic + "-next":
        kafka.create(broker, name, partitions=3)
    with up.served(stand_in) as address:
        stand_in.address = address
        yield stand_in


def addresses(broker, topic, admin=None):
    return {"kafka:9092": broker, "flyte-events": topic, "flyte-failures": topic + "-failures", "group: moongate": f"group: {topic}",
            "flyteadmin.flyte.svc:81": admin.address if admin else "none", "0.0.0.0:8089": "127.0.0.1:0"}


def messages(broker, topic, n):
    """By partition: two of one report lie beside each other there."""
    return [(m.key(), tuple(m.headers()), m.value(), m.partition()) for m in kafka.read(broker, topic, n)]


def nonzero(counts):
    return {k: v for k, v in counts.items() if v and k != "attributes"}


def test_every_file_of_the_page_is_walked_and_every_link_leads_somewhere():
    with open(PAGE, encoding="utf-8") as f:
        text = f.read()
    with open(__file__, encoding="utf-8") as f:
        walked = set(re.findall(r'"([\w-]+\.yaml)"', f.read()))
    assert walked == set(re.findall(r"^# ([\w-]+\.yaml)$", text, re.M))
    anchors = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in re.findall(r"^##+ (.*)$", text, re.M)}
    for name in ("README.md", "deploy/README.md", "deploy/moving.md"):
        with open(os.path.join(ROOT, name), encoding="utf-8") as f:
            links = re.findall(r"\]\((?:deploy/)?(?:moving\.md)?#([\w-]+)\)" if name == "deploy/moving.md" else r"moving\.md#([\w-]+)\)", f.read())
        assert links or name == "deploy/README.md"
        assert set(links) <= anchors, name


def test_in_front_beside_flyteadmins_publisher_then_in_its_place_and_back(page, broker, topic, flyteadmin):
    p, propeller = page(addresses(broker, topic, flyteadmin)), Propeller(flyteadmin)
    # 1. In front, to a topic that nobody reads.
    p.file("moongate.yaml")
    told = p.sh("moongate check -c moongate.yaml --online")
    assert f"Kafka: topic {topic}-next, 3 partitions" in told and "ingest.grpc.upstream: FlyteAdmin v1.16.8 answers" in told, told
    propeller.endpoint = p.ready("moongate.yaml")["grpc"]
    first = vectors(0)
    propeller.send(first)
    n, sent = len(first), flyteadmin.sent
    assert n == 18 and 12 < sent < n
    flyteadmin.keeps = True                                                # propeller repeats one: ALREADY_EXISTS
    with grpc.insecure_channel(propeller.endpoint) as channel, pytest.raises(grpc.RpcError) as refused:
        flyte.send(channel, first[0].request)
    assert refused.value.code() == grpc.StatusCode.ALREADY_EXISTS
    flyteadmin.keeps = False
    theirs, ours = messages(broker, topic, sent), messages(broker, topic + "-next", n + 1)
    assert len(theirs) == sent and Counter(m[:3] for m in ours).most_common(1)[0][1] == 2
    # 2. Compared: at first with the other spacing of ids, which the comparison tells; then as FlyteAdmin's build has it.
    p.file("old.yaml")
    p.sh("moongate run -c old.yaml &")
    p.wait_lines("old.jsonl", sent)
    counts, entries = p.compare("--against old.jsonl", " ")
    timeless = sum(not v.request.event.HasField("occurred_at") for v in first)   # told as 1970 by FlyteAdmin, so not of the last hour
    assert nonzero(counts) == {"records": n + 1, "events_there": sent - timeless, "changed": sent, "only_here": n - sent, "repeated_here": 1}
    assert counts["attributes"] == {"id": {"added": 0, "removed": 0, "changed": sent}}
    assert {e["kind"] for e in entries if e["change"] == "only_here"} == {"task"}
    p.change("moongate.yaml", "  type: kafka\n", "  type: kafka\n  id_spacing: 1\n")
    counts, entries = p.compare("--against old.jsonl")
    assert nonzero(counts) == {"records": n + 1, "events_there": sent - timeless, "same": sent, "only_here": n - sent, "repeated_here": 1}
    assert len(entries) == n - sent
    # 3. The switch. Between its two halves both publish, message for message the same.
    assert '"reloaded":true' in p.sh("s/topicName: flyte-events-next/")
    second = vectors(1)
    propeller.send(second)
    both = messages(broker, topic, flyteadmin.sent + n)
    assert len(both) == flyteadmin.sent + n
    of_second = [m for m in both if b"f7c2a9d81b5e1" in m[0]]
    published, seen = Counter(of_second), Counter(m[:3] for m in of_second)
    assert max(published.values()) == 2 and sum(k == 2 for k in published.values()) == sum(k == 2 for k in seen.values()) > 10, "and the same partition"
    flyteadmin.publishing = False                                           # cloud_events: {enable: false}
    before, third = len(both), vectors(2)
    propeller.send(third)
    alone = messages(broker, topic, before + n)
    assert len(alone) == before + n and all(v.as_message() in [m[:3] for m in alone] for v in third)
    assert len(messages(broker, topic + "-next", n)) == n + 1
    # 4. Back.
    flyteadmin.publishing = True
    assert '"reloaded":true' in p.sh("s/topicName: flyte-events,/")
    fourth, sent = vectors(3), flyteadmin.sent
    propeller.send(fourth)
    messages(broker, topic + "-next", 2 * n + 1)
    propeller.endpoint = flyteadmin.address
    propeller.send(vectors(4))
    back = messages(broker, topic, before + n + flyteadmin.sent - sent)
    assert len(back) == before + n + flyteadmin.sent - sent
    assert len(flyteadmin.events) == 5 * n + 1, "FlyteAdmin had every event all the time"


def test_alone_on_the_same_data_and_back(page, broker, topic, flyteadmin):
    p, propeller = page(addresses(broker, topic, flyteadmin)), Propeller(flyteadmin)
    flyteadmin.publishing = False
    n = 0
    for name, with_flyteadmin in ("moongate.yaml", True), ("alone.yaml", False), ("moongate.yaml", True):
        p.file(name)
        if with_flyteadmin:
            p.change(name, topic + "-next", topic)
        p.run(f"moongate run -c {name} &")
        propeller.endpoint = p.ready(name)["grpc"]
        some, had = vectors(n), len(flyteadmin.events)
        propeller.send(some)
        n += 1
        found = messages(broker, topic, n * len(some))
        assert len(found) == n * len(some)
        assert len(flyteadmin.events) - had == (len(some) if with_flyteadmin else 0)
        with grpc.insecure_channel(propeller.endpoint) as channel:
            other = channel.unary_unary(up.OTHER + "Unary", up.raw, up.raw)
            if with_flyteadmin:
                assert other(b"abc", timeout=60) == b"cba"
            else:
                with pytest.raises(grpc.RpcError) as refused:
                    other(b"abc", timeout=60)
                assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
        p.stop(name)
    assert p.run("moongate log dump -c alone.yaml").count("\n") == 3 * len(vectors())


def test_behind_flyteadmins_topic_and_compared_with_it(page, broker, topic, flyteadmin):
    p, propeller = page(addresses(broker, topic)), Propeller(flyteadmin)
    propeller.endpoint = flyteadmin.address                                # nothing of Flyte's changes
    kafka.create(broker, topic + "-failures")
    p.file("behind.yaml")
    p.file("old.yaml")
    p.sh("moongate run -c old.yaml &")
    p.sh("moongate run -c behind.yaml &")
    propeller.send(vectors(0))
    n = flyteadmin.sent
    failed = [v for v in flyteadmin.published if v.key.endswith((b".FAILED", b".ABORTED"))]
    assert len(failed) == 3
    theirs = p.wait_lines("old.jsonl", n)
    found = [json.loads(m[2]) for m in messages(broker, topic + "-failures", len(failed))]
    plain = {e["id"]: e for e in theirs}
    assert sorted(e["id"] for e in found) == sorted(v.key.decode() for v in failed)
    assert all(e == {**plain[e["id"]], "team": "ml"} for e in found), "FlyteAdmin's own attributes and data"
    counts, _ = p.compare("-c behind.yaml --pipeline failures --diff")
    assert nonzero(counts) == {"records": n, "events_there": n, "changed": len(failed), "filtered_here": n - len(failed)}
    assert counts["attributes"] == {"team": {"added": len(failed), "removed": 0, "changed": 0}}
    p.stop("behind.yaml")                                                  # away for a while: the topic keeps it
    propeller.send([v for v in vectors(1) if v.name == "node-failed"])
    p.sh("moongate run -c behind.yaml &")
    assert len(messages(broker, topic + "-failures", len(failed) + 1)) == len(failed) + 1


def test_what_reads_the_old_topic_of_every_broker(page, gateway, aws, pubsub, name):
    """SNS by a queue, Pub/Sub by a subscription, NATS by a subscriber's file: each is held against what we make of the same reports."""
    queue, arn = aws.queue(name), aws.topic(name)
    pubsub.topic(name)
    p = page({"https://sqs.us-east-2.amazonaws.com/123456789012/moongate": queue, "arn:aws:sns:us-east-2:123456789012:flyte-events": arn,
              "arn:aws:sqs:us-east-2:123456789012:moongate": f"arn:aws:sqs:us-east-1:{aws_server.ACCOUNT}:{name}",
              "--notification-endpoint": "--endpoint", "my-project": PROJECT, "flyte-events": name, "subscription: moongate": f"subscription: {name}",
              "create moongate": f"create {name}"}, env={**aws.env(), **pubsub.env(), "AWS_DEFAULT_REGION": "us-east-1"})
    p.tool("aws", AWS)
    p.tool("gcloud", GCLOUD)
    p.sh("aws sns subscribe")
    p.sh("gcloud pubsub subscriptions create")
    g = gateway("log: {retain: 1h}\npipelines:\n  - {name: p, format: {style: flyteadmin, id_spacing: 1}, publisher: {type: 'null'}}\n"
                "  - {name: external, format: {style: flyteadmin-external}, publisher: {type: 'null'}}\n")
    some, sns, publisher = vectors(), aws.client("sns"), pubsub.publisher()
    with g.channel() as channel:
        for v in some:
            flyte.send(channel, v.request)
            sns.publish(TopicArn=arn, Message=v.sns["message"], Subject=v.sns["subject"])
    def to_pubsub(form):
        sent = [publisher.publish(f"projects/{PROJECT}/topics/{name}", base64.b64decode(form(v)["data_b64"]), **form(v)["attributes"]) for v in some]
        assert all(f.result(60) for f in sent)
    to_pubsub(lambda v: v.pubsub)
    for broker, file in ("sqs", "behind-sqs.yaml"), ("pubsub", "behind-pubsub.yaml"), ("external", "behind-pubsub.yaml"):
        p.file(file)
        if broker == "external":
            to_pubsub(lambda v: v.external)
            p.change(file, "name: copy,", "name: copy, format: {style: flyteadmin-external},")
        p.run(f"moongate run -c {file} &")
        p.wait_lines("copy.jsonl", len(some))
        p.stop(file)
        os.rename(p.path("copy.jsonl"), p.path(broker + ".jsonl"))
    assert all_the_same(g, "external", p, "external", len(some))
    with open(p.path("nats.jsonl"), "w", encoding="utf-8") as f:
        f.writelines(v.nats["data"] + "\n" for v in some)
    for broker in ("sqs", "pubsub", "nats"):
        assert all_the_same(g, "p", p, broker, len(some))


def all_the_same(g, pipeline, p, file, n):
    with open(p.path(file + ".jsonl"), encoding="utf-8") as f:
        done = run("log", "replay", "-c", g.config_file, "--pipeline", pipeline, "--diff", "--against", "-", "--json", stdin=f.read(), check=0).stdout
    counts = json.loads(done.split("\n", 1)[0])
    assert nonzero(counts) == {"records": n, "events_there": n, "same": n}, (file, done)
    return True
