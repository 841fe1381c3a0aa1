"""A subscription of Pub/Sub as a source on a disk that is held: nothing is acknowledged before it is durable."""
import json
import os

from gateway import BINARY, FILE
from pubsub import PROJECT
from wait import wait_until

SHIM = os.path.join(os.path.dirname(BINARY), "slowsync.so")


def events(numbers):
    return [json.dumps({"specversion": "1.0", "id": str(n), "source": "/s", "type": "t"}).encode() for n in numbers]


def test_nothing_is_acknowledged_before_it_is_durable(gateway, pubsub, name, tmp_path):
    hold = tmp_path / "hold"
    pubsub.topic(name)
    pubsub.subscription(name, name)
    g = gateway(f"ingest: {{pubsub: [{{project: {PROJECT}, subscription: {name}}}]}}\n{FILE}",
                env=pubsub.env(LD_PRELOAD=SHIM, SLOWSYNC_ONLY="/segments/", SLOWSYNC_HOLD=str(hold)))
    hold.touch()
    pubsub.publish(name, events(range(5)))
    wait_until(lambda: os.path.exists(f"{hold}.waiting"), g.log)
    pubsub.publish(name, [b"no event at all", *events(range(5, 10))])
    wait_until(lambda: g.metric("moongate_events_rejected_total", ingest="pubsub") == 1, g.log)   # it took these, too
    assert pubsub.left(name) == 11 and not g.ids() and not pubsub.calls("Acknowledge", name)
    hold.unlink()
    pubsub.emptied(name, but=1)
    assert sorted(g.ids()) == list("0123456789")
