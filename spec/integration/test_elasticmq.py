"""SQS as others than AWS's own people have built it: what is sent and received, what it refuses, kept connections. One server, one gateway."""
import json

import pytest

import elasticmq
import flyte
from gateway import run
from wait import wait_until

PHASES = ["QUEUED", "RUNNING", "SUCCEEDING", "SUCCEEDED"]
# What XML 1.0 has no place for, and what stands beside it.
CHARACTERS = {"\x7f": True, "\ud7ff": True, "\ue000": True, "\ufffd": True, "\U00010000": True, "\U0010ffff": True, "\ufffe": False, "\uffff": False}


@pytest.fixture
def server(tmp_path):
    if not elasticmq.installed():
        pytest.skip("no ElasticMQ: run `make test-deps`")
    s = elasticmq.Server(tmp_path)
    yield s
    s.close()


def connections(port):
    """Connections to a port that are open, or were a moment ago: (the client's port) of each."""
    found = set()
    with open("/proc/net/tcp", encoding="ascii") as f:
        for line in list(f)[1:]:
            mine, theirs = (int(a.split(":")[1], 16) for a in line.split()[1:3])
            found |= {mine} if theirs == port else {theirs} if mine == port and theirs else set()
    return found


@pytest.mark.slow_start
def test_another_sqs_takes_and_gives_what_is_sent_and_received(gateway, server, tmp_path):
    queue, fifo, source = (server.queue(n) for n in ("out", "out.fifo", "in"))
    g = gateway(f"""\
ingest: {{grpc: {{listen: '127.0.0.1:0'}}, http: {{listen: '127.0.0.1:0'}}, sqs: [{{queue_url: '{source}'}}]}}
pipelines:
  - {{name: q, publisher: {{type: sqs, queue_url: '{queue}', attributes: [type]}}}}
  - {{name: f, event_types: [workflow], publisher: {{type: sqs, queue_url: '{fifo}'}}}}
  - {{name: all, event_types: [other], publisher: {{type: file, path: all.jsonl}}}}
""", env=server.env())
    before = connections(int(server.url.rsplit(":", 1)[1]))

    # in order of a group, each once
    with g.channel() as channel:
        for p in PHASES:
            for i in range(12):
                flyte.send(channel, flyte.workflow(name=f"f{i}", phase=p))
    g.settled(48)
    made = len(connections(int(server.url.rsplit(":", 1)[1])) - before)
    assert made <= 40, f"{made} connections for a hundred messages"      # sixteen each of two publishers, and the source's
    messages = server.received(fifo)
    assert len(messages) == 48 and len(server.received(queue)) == 48
    for i in range(12):
        mine = [json.loads(m["Body"])["id"] for m in messages if f":f{i}:" in m["Body"]]
        assert [x.rsplit(":", 1)[1] for x in mine] == PHASES

    # the characters that it refuses are those that never get there
    entries = [{"Id": str(i), "MessageBody": "a" + c} for i, c in enumerate(CHARACTERS)]
    answer = server.client("sqs").send_message_batch(QueueUrl=source, Entries=entries)
    assert {int(f["Id"]) for f in answer["Failed"]} == {i for i, good in enumerate(CHARACTERS.values()) if not good}
    for i, c in enumerate(CHARACTERS):
        body = json.dumps({"specversion": "1.0", "id": str(i), "source": "/s", "type": "t", "data": "a" + c}, ensure_ascii=False).encode()
        assert g.post("/v1/events", body, "application/cloudevents+json")[0] == 202
    every = g.settled(48 + len(CHARACTERS), "q")
    assert every["q"]["dead_lettered"] == 2
    letters = [json.loads(line) for line in run("dead", "list", "-c", g.config_file, "--json").stdout.splitlines()]
    assert sorted(line["error"].split(" (")[0] for line in letters) == ["SQS takes no U+FFFE", "SQS takes no U+FFFF"]
    got = {m["MessageAttributes"]["type"]["StringValue"]: m for m in server.received(queue)}
    assert set(got) == {"t"}

    # what it gives comes in and is deleted; what is no event (put in above) stays
    server.fill(source, [json.dumps({"specversion": "1.0", "id": f"s{n}", "source": "/s", "type": "t"}) for n in range(25)])
    wait_until(lambda: {f"s{n}" for n in range(25)} <= set(g.ids()), g.log)
    server.emptied(source, but=sum(CHARACTERS.values()))
    assert g.stop() == 0

    # and it says what it is, though nobody there knows who we are
    done = run("check", "-c", g.config_file, "--online", env=server.env(), check=0)
    assert done.stdout.count(" is there (") == 3 and "(FIFO)" in done.stdout and "who we are" not in done.stdout, done.stdout
