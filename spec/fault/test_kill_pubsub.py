"""Pub/Sub as a destination while the gateway is killed under load and a fifth of all requests fail: every event that was acknowledged is
there, and those of a key in their order."""
import base64
import http.client
import json
import os
import random
import threading

from gateway import LOG
from rig import kept_port, tell
from pubsub import PROJECT
from wait import wait_until

LANES = 12
KILLS = max(3, int(os.environ.get("KILLS", "50")) // 16)
CODES = ["UNAVAILABLE", "ABORTED", "RESOURCE_EXHAUSTED", "INTERNAL"]


class Lane:
    """One key: event n+1 is sent when n was acknowledged."""

    def __init__(self, name, port):
        self.name, self.port, self.acknowledged, self.ended = name, port, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended.is_set():
            event = {"specversion": "1.0", "id": f"{self.name}-{self.acknowledged}", "source": "/s", "type": "t", "partitionkey": self.name}
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                connection.request("POST", "/v1/events", json.dumps(event), {"content-type": "application/cloudevents+json"})
                self.acknowledged += connection.getresponse().status == 202
            except (OSError, http.client.HTTPException):
                self.ended.wait(0.01)                         # it is gone; the same event again
            finally:
                connection.close()

    def end(self):
        self.ended.set()
        self.thread.join()


def test_kills_under_load_lose_nothing_and_keep_the_order_of_a_key(gateway, pubsub, name):
    seed = int(os.environ.get("SEED") or random.randrange(1 << 30))
    tell(f"seed {seed}")
    chance, port = random.Random(seed), kept_port()
    pubsub.topic(name)
    subscription = pubsub.subscription(name, name)
    g = gateway(f"ingest: {{http: {{listen: '127.0.0.1:{port}'}}}}\n{LOG}pipelines:\n  - {{name: p, retry: {{initial: 5ms, max: 50ms}}, publisher: "
                f"{{type: pubsub, project: {PROJECT}, topic: '{name}', ordering: key, batch: {{events: 20}}}}}}\n", env=pubsub.env())
    pubsub.always({"every": 5, "codes": CODES})
    lanes = [Lane(f"k{i}", port) for i in range(LANES)]
    try:
        for _ in range(KILLS):
            before = [lane.acknowledged for lane in lanes]
            some = chance.randint(1, 6)
            wait_until(lambda: all(lane.acknowledged >= b + some for lane, b in zip(lanes, before)), g.log)
            g.kill()
            g.start()
    finally:
        for lane in lanes:
            lane.end()
    g.settled()
    assert g.pipeline("p")["dead_lettered"] == 0
    arrived = {lane.name: [] for lane in lanes}
    requests = [c for c in pubsub.calls(name=name) if c["code"] == "OK"]
    for m in (m for c in requests for m in c["messages"]):
        arrived[m["ordering_key"]].append(int(json.loads(base64.b64decode(m["data"]))["id"].split("-")[1]))
    total, repeats = 0, 0
    for lane in lanes:
        once = list(dict.fromkeys(arrived[lane.name]))
        assert once == list(range(len(once))) and len(once) >= lane.acknowledged, (lane.name, lane.acknowledged, arrived[lane.name])
        total, repeats = total + len(once), repeats + len(arrived[lane.name]) - len(once)
    tell(f"{KILLS} kills, {total} events, {repeats} came again")
    got = {json.loads(m.data)["id"] for m in pubsub.pull(subscription, total + repeats)}
    assert got == {f"{lane.name}-{n}" for lane in lanes for n in range(len(set(arrived[lane.name])))}
