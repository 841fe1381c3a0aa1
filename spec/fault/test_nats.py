"""NATS while the gateway is killed and the server is, both under load: a stream has every acknowledged event, each once and those of a
key in order; a plain subject has every one, too, some of them twice."""
import os
import random
import signal
import threading
import time

import grpc

import flyte
import natsd
import pytest
from gateway import ADMIN
from wait import wait_until

KEYS, STEPS, STRIKES = 12, 60, 8
SEED = int(os.environ.get("SEED") or time.time())
CONFIG = """\
ingest: {{grpc: {{listen: '127.0.0.1:0'}}}}
pipelines:
  - {{name: js, retry: {{initial: 10ms, max: 100ms}}, publisher: {{type: nats, servers: '{s}', subject: js, jetstream: true}}}}
  - {{name: core, retry: {{initial: 10ms, max: 100ms}}, publisher: {{type: nats, servers: '{s}', subject: core}}}}
"""


class Sender(threading.Thread):
    """One execution's events, each until it is acknowledged."""
    def __init__(self, g, number):
        super().__init__(daemon=True)
        self.g, self.number, self.step, self.failed = g, number, 0, None

    def run(self):
        try:
            while self.step < STEPS:
                self.step += self.send()
        except Exception as e:                                 # pylint: disable=broad-exception-caught
            self.failed = e

    def send(self):
        address = self.g.addresses.get("grpc")
        try:
            with grpc.insecure_channel(address) as channel:
                flyte.send(channel, flyte.node(name=f"f{self.number}", node_id=f"n{self.step}"), timeout=2)
            return 1
        except grpc.RpcError:
            return 0


def order_of(ids, number):
    """The steps of one execution as they came, each the first time."""
    return list(dict.fromkeys(int(i.split(":")[3][1:]) for i in ids if f":f{number}:" in i))


@pytest.mark.skipif(not natsd.installed(), reason="no nats-server: run `make test-deps`")
def test_kills_of_the_gateway_and_of_the_server_lose_nothing(gateway, tmp_path):
    print(f"SEED={SEED}")
    chance = random.Random(SEED)
    s = natsd.Server(tmp_path / "nats", "-js", "-sd", "js").start()
    judge = natsd.Client(s)
    judge.stream("js", "js").stream("core", "core")            # what a plain subject got is kept by a stream here, too
    judge.close()
    g = gateway(CONFIG.format(s=s.address) + ADMIN)
    senders = [Sender(g, n) for n in range(KEYS)]
    for sender in senders:
        sender.start()
    for n in range(STRIKES):
        goal = KEYS * STEPS * (n + chance.random()) / (STRIKES + 1)
        wait_until(lambda goal=goal: sum(x.step for x in senders) >= goal or any(x.failed for x in senders), g.log)
        if n % 2:
            s.stop(signal.SIGKILL)
            s.start()
        else:
            g.kill()
            g.start()
    wait_until(lambda: all(not x.is_alive() for x in senders), g.log)
    assert not any(x.failed for x in senders)
    g.settled()
    judge = natsd.Client(s)
    kept, core = natsd.ids(judge.kept("js")), natsd.ids(judge.kept("core"))
    for n in range(KEYS):
        assert order_of(kept, n) == list(range(STEPS)), (n, order_of(kept, n))
        assert order_of(core, n) == list(range(STEPS)), (n, order_of(core, n))
    assert len(kept) == len(set(kept)) == KEYS * STEPS
    judge.close()
    s.stop()
