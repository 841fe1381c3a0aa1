"""A queue of SQS as a source on a disk that is held: nothing is deleted before it is durable. And FIFO topics and queues as destinations,
through every fault of theirs and kills of ours: nothing is lost, each execution stays in order, and only what had no answer comes twice."""
import json
import os
import random

import flyte
from gateway import BINARY, FILE
from wait import wait_until

SHIM = os.path.join(os.path.dirname(BINARY), "slowsync.so")


def event(n):
    return json.dumps({"specversion": "1.0", "id": str(n), "source": "/s", "type": "t"})


def calls(aws, name, what):
    return [r for r in aws.get("/_test/requests") if what in r["headers"].get("X-Amz-Target", "") and name in r["body"]]


def test_nothing_is_deleted_before_it_is_durable(gateway, aws, name, tmp_path):
    hold = tmp_path / "hold"
    queue = aws.queue(name)
    g = gateway(f"ingest: {{sqs: [{{queue_url: '{queue}'}}]}}\n{FILE}", env=aws.env(LD_PRELOAD=SHIM, SLOWSYNC_ONLY="/segments/", SLOWSYNC_HOLD=str(hold)))
    hold.touch()
    aws.fill(queue, [event(n) for n in range(5)])
    wait_until(lambda: os.path.exists(f"{hold}.waiting"), g.log)
    asked = len(calls(aws, name, "ReceiveMessage"))
    aws.fill(queue, [event(n) for n in range(5, 10)])
    wait_until(lambda: len(calls(aws, name, "ReceiveMessage")) > asked, g.log)       # it took these, too, and asks for more
    assert aws.left(queue) == 10 and not g.ids() and not calls(aws, name, "DeleteMessage")
    hold.unlink()
    aws.emptied(queue)
    assert sorted(g.ids()) == list("0123456789")


ROUNDS = 20 if int(os.environ.get("KILLS") or 0) > 100 else 2
PHASES = ["QUEUED", "RUNNING", "SUCCEEDING", "SUCCEEDED"]
FAULTS = [{"status": 400, "code": "Throttling"}, {"status": 503, "code": "ServiceUnavailable"}, {"delay": 0.05}, {"status": 403, "code": "ExpiredToken"},
          {"status": 500, "code": "InternalFailure"}, {"entries": ["0"]}, {"entries": ["1", "2", "3"]}, {"entries": ["0", "1", "2", "3", "4", "5"]}, {}]


def send(g, executions):
    with g.channel() as channel:
        for p in PHASES:
            for i in executions:
                flyte.send(channel, flyte.workflow(name=f"f{i}", phase=p))


def in_order(ids, executions):
    """Every id is there; what comes again comes behind itself, and nothing is overtaken for the first time."""
    for i in executions:
        mine = [x.rsplit(":", 1)[1] for x in dict.fromkeys(ids) if f":f{i}:" in x]
        assert mine == PHASES, (i, mine)


def test_fifo_keeps_order_and_all_of_it_through_faults_and_kills(gateway, aws, name):
    random.seed(name)
    topic, queue = aws.topic(name + ".fifo"), aws.queue(name + ".fifo")
    retry = "retry: {initial: 5ms, max: 20ms}"
    g = gateway(f"""\
pipelines:
  - {{name: t, {retry}, publisher: {{type: sns, topic_arn: '{topic}'}}}}
  - {{name: q, {retry}, publisher: {{type: sqs, queue_url: '{queue}'}}}}
""", env=aws.env())

    def published():
        return [json.loads(m[1])["id"] for m in aws.published(topic)]
    aws.faults(*random.choices(FAULTS, k=60))
    send(g, range(20))
    every = g.settled(80)
    assert all(p["published"] == 80 for p in every.values()) and all(p["up"] for p in every.values())
    in_order(published(), range(20))
    assert len(published()) == 80                          # what was answered with an error was not there: nothing came twice
    repeats = 0
    for n in range(20, 20 + 5 * ROUNDS, 5):
        aws.faults(*random.choices(FAULTS, k=10))
        send(g, range(n, n + 5))
        g.kill()                                           # in the middle of batches, and between them
        g.start()
        g.settled(4 * (n + 5))
        repeats += 160                                     # sixteen calls of ten may have had no answer
        in_order(published(), range(n + 5))
        assert len(published()) <= 4 * (n + 5) + repeats
    got = [json.loads(m["Body"])["id"] for m in aws.received(queue)]
    in_order(got, range(20 + 5 * ROUNDS))
    assert len(got) == 80 + 20 * ROUNDS                   # the queue keeps repeats out by their deduplication ids
