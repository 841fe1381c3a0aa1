"""A queue of SQS as a source on a disk that is held: nothing is deleted before it is durable."""
import json
import os

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
