"""kill -9 at random instants under load, also while starting. KILLS=200 for many (make fault); SEED=n for the same again."""
import json
import os
import random
import threading
import time

import grpc

import flyte
import kafka
from gateway import free_port
from wait import wait_until

KILLS = int(os.environ.get("KILLS") or 12)
KEYS = 40
CONFIG = """\
ingest: {{grpc: {{listen: '127.0.0.1:{port}'}}}}
log: {{segment_bytes: 1MiB}}
pipelines:
  - {{name: all, publisher: {{type: file, path: all.jsonl}}}}
  - {{name: k, retry: {{initial: 20ms, max: 200ms}}, publisher: {{type: kafka, brokers: ['{broker}'], topic: '{topic}'}}}}
  - {{name: half, hooks: [half.lua], publisher: {{type: file, path: half.jsonl}}}}
"""
HALF = """\
return function(event, request, flyte)
  local n = tonumber(flyte.node:match("%d+"))
  if n % 3 == 0 then return false, "a third" end
  if n % 3 == 1 then error("another third") end
end
"""
CHANNEL = [("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 10), ("grpc.min_reconnect_backoff_ms", 10),
           ("grpc.max_reconnect_backoff_ms", 20)]


class Client(threading.Thread):
    """Sends events of its own executions, each again until it is acknowledged, in order per execution."""

    def __init__(self, address, number, stop):
        super().__init__()
        self.address, self.number, self.stop = address, number, stop
        self.acknowledged = {}

    def run(self):
        with grpc.insecure_channel(self.address, options=CHANNEL) as channel:
            step = 0
            while not self.stop.is_set():
                key = f"e{self.number}-{step % 5}"
                request = flyte.task(name=key, node_id=f"n{step // 5}")
                if self.deliver(channel, request):
                    self.acknowledged.setdefault(key, []).append(flyte.id_of(request))
                step += 1

    def deliver(self, channel, request):
        while not self.stop.is_set():
            try:
                flyte.send(channel, request, timeout=5)
                return True
            except grpc.RpcError as error:
                assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), error
                time.sleep(0.005)
        return False


def in_order(ids, acknowledged):
    """Every acknowledged event is there; of each execution, the first times are in the order of sending."""
    first = {}
    for i, id_ in enumerate(ids):
        first.setdefault(id_, i)
    for key, wanted in acknowledged.items():
        missing = [w for w in wanted if w not in first]
        assert not missing, f"{len(missing)} acknowledged events of {key} are lost: {missing[:3]}"
        places = [first[w] for w in wanted]
        assert places == sorted(places), f"{key} is out of order"


def test_nothing_acknowledged_is_lost_and_order_is_kept(gateway, broker, topic):
    seed = int(os.environ.get("SEED") or time.time_ns() % 1000000)
    print(f"SEED={seed} KILLS={KILLS}")
    chance = random.Random(seed)
    kafka.create(broker, topic)
    port = free_port()
    g = gateway(CONFIG.format(port=port, broker=broker, topic=topic), files={"half.lua": HALF}, started=False)
    stop = threading.Event()
    clients = [Client(f"127.0.0.1:{port}", n, stop) for n in range(KEYS // 5)]
    for c in clients:
        c.start()
    starting = 0
    try:
        for _ in range(KILLS):
            g.spawn()
            if chance.random() < 0.3:
                time.sleep(chance.random() * 0.06)           # the instant is the test: somewhere in the start
                starting += not os.path.exists(g.ready_file)
            else:
                wait_until(lambda: os.path.exists(g.ready_file) or g.process.poll() is not None, g.log)
                time.sleep(chance.random() * 0.3)
            assert g.process.poll() is None, g.log()[-3000:]
            g.kill()
        g.start()
        held = g.pipelines()
        assert all(p["accepted"] for p in held.values())
    finally:
        stop.set()
        for c in clients:
            c.join()
    acknowledged = {k: v for c in clients for k, v in c.acknowledged.items()}
    count = sum(len(v) for v in acknowledged.values())
    every = g.settled(count)
    assert g.stop() == 0
    print(f"{count} events acknowledged over {KILLS} kills, {starting} of them while starting")
    assert count > KILLS
    in_order(g.ids(), acknowledged)
    in_order([json.loads(m.value())["id"] for m in kafka.read_now(broker, topic)], acknowledged)
    thirds = {k: [i for i in v if int(i.split(":")[3][1:]) % 3 == 2] for k, v in acknowledged.items()}
    in_order(g.ids("half.jsonl"), thirds)
    assert not set(g.ids("half.jsonl")) - {i for i in g.ids() if int(i.split(":")[3][1:]) % 3 == 2}
    assert every["half"]["filtered"] and every["half"]["dead_lettered"] and every["half"]["published"]
    assert len({p["accepted"] for p in every.values()}) == 1
