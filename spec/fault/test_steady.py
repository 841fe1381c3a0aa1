"""What does not grow: an event asks malloc for nothing, and scripts hold no more after 10^5 events (make fault: 10^6)."""
import json
import os
import struct
import subprocess

import pytest

import http1
from gateway import BINARY, Gateway

SHIM = os.path.join(os.path.dirname(BINARY), "mallocs.so")
LUA = "heap_resize"                                        # the one place where Lua's states ask malloc
MANY = 1_000_000 if int(os.environ.get("KILLS") or 50) > 100 else 100_000
HOOK = """
local moongate = require "moongate"
return function(event)
  local a, b, c = event.id, event.source, event.team
  event.one = a
  event.two = b
  moongate.rename(event, "team", "squad")
end
"""
CONFIG = """
ingest: {{http: {{listen: 127.0.0.1:0}}}}
log: {{type: {log}, segment_bytes: 64MiB}}
pipelines:
  - {{name: p, hooks: [hook.lua], publisher: {{type: null}}}}
"""
ATTRIBUTES = {"source": "/bench", "type": "com.example.bench", "subject": "s", "time": "2026-04-07T06:30:01Z", "team": "ml"}
DATA = {"n": 1, "text": "some text of a usual length for an event", "list": [1, 2, 3]}
AT_ONCE = 20                                               # requests under way on a connection


def lua_range():
    """The addresses of the function through which Lua's memory comes."""
    table = subprocess.run(["nm", "-S", BINARY], capture_output=True, text=True, check=True).stdout
    found = [line.split() for line in table.splitlines() if line.split()[-1] == LUA]
    assert len(found) == 1, f"{LUA} is not in {BINARY} once: {found}"
    start, size = int(found[0][0], 16), int(found[0][1], 16)
    return f"{start:x}-{start + size:x}"


class Counted(Gateway):
    def __init__(self, folder, log):
        self.counts = str(folder / "mallocs")
        super().__init__(folder, CONFIG.format(log=log), env={"LD_PRELOAD": SHIM, "MALLOCS_FILE": self.counts, "MALLOCS_RANGE": lua_range(),
                                                                          "MALLOCS_LIBRARY": "libsqlite3"})
        self.write("hook.lua", HOOK)
        self.sent = 0
        self.for_asking = 0                                # what our own looks at it took of malloc
        self.start()

    def mallocs(self):
        """(by all but Lua and SQLite, by Lua) since the start. SQLite asks with each commit of the state, some a second."""
        with open(self.counts, "rb") as f:
            return struct.unpack("<QQQ", f.read())[:2]

    def get(self, path):
        before = self.mallocs()[0]
        answer = super().get(path)
        self.for_asking += self.mallocs()[0] - before
        return answer

    def send(self, requests, events_each, connections):
        """Sends them in turn on connections that stay, and waits until all are published."""
        for first in range(0, len(requests), AT_ONCE * len(connections)):
            parts = [requests[first + i * AT_ONCE:first + (i + 1) * AT_ONCE] for i in range(len(connections))]
            for c, part in zip(connections, parts):
                c.send(b"".join(part))
            for c, part in zip(connections, parts):
                for _ in part:
                    status, _, body = c.answer()
                    assert status == 202, body
        self.sent += len(requests) * events_each
        assert self.settled(self.sent)["p"]["published"] == self.sent


def single(i):
    return http1.post("/v1/events", json.dumps(DATA).encode(), "application/json", "ce-specversion: 1.0", f"ce-id: e{i}",
                      *(f"ce-{name}: {value}" for name, value in ATTRIBUTES.items()))


def batch(i):
    events = [dict(ATTRIBUTES, specversion="1.0", id=f"e{i}-{k}", data=DATA) for k in range(100)]
    return http1.post("/v1/events", json.dumps(events).encode(), "application/cloudevents-batch+json")


@pytest.fixture
def counted(tmp_path):
    assert os.path.exists(SHIM), f"{SHIM} is missing: make {SHIM}"
    made = []

    def start(log):
        made.append(Counted(tmp_path, log))
        return made[0]
    yield start
    for g in made:
        g.kill()


def grown(gateway, requests, events_each, connections):
    """What the events took of malloc, each: by all but Lua, and by Lua. Not quite 0: buffers reach their size, commits come; what comes with
    each event makes it 1."""
    before, asking = gateway.mallocs(), gateway.for_asking
    gateway.send(requests, events_each, connections)
    after, asking = gateway.mallocs(), gateway.for_asking - asking
    return [n / (len(requests) * events_each) for n in (after[0] - before[0] - asking, after[1] - before[1])]


@pytest.mark.parametrize("log", ["memory", "embedded"])
def test_an_event_asks_malloc_for_nothing(counted, log):
    g = counted(log)
    connections = [http1.Connection(g.http) for _ in range(4)]
    g.send([batch(i) for i in range(40)], 100, connections)  # as many records in flight as there will be
    g.send([single(i) for i in range(2000)], 1, connections)
    assert min(g.mallocs()) > 0, "nothing is counted"
    ours, lua = grown(g, [single(i) for i in range(8000)], 1, connections)
    print(f"log {log}: {ours:.4f} of malloc an event, {lua:.3f} more for Lua")
    assert ours < 0.1
    ours, lua = grown(g, [batch(i) for i in range(60)], 100, connections)
    print(f"log {log}: {ours:.4f} an event of a batch, {lua:.3f} more for Lua")
    assert ours < 0.1
    for c in connections:
        c.socket.close()
    assert g.stop() == 0


def test_scripts_hold_no_more_after_many_events(counted):
    g = counted("memory")
    connections = [http1.Connection(g.http) for _ in range(4)]
    requests = [batch(i) for i in range(MANY // 100 // 20)]
    seen = []
    for _ in range(20):
        g.send(requests, 100, connections)
        seen.append(g.metric("moongate_hook_memory_bytes", pipeline="p"))
    print(f"{MANY} events; bytes of the Lua state: {seen}")
    assert min(seen) > 0
    # it goes up and down between collections: what an event left behind would show many times over
    assert max(seen[10:]) <= 1.5 * max(seen[:10]) + MANY / 10
    for c in connections:
        c.socket.close()
    assert g.stop() == 0
