"""A destination that is down costs disk, not memory: the same size with a little and with much behind it, also with large
records; and what comes in meanwhile still reaches the others. BEHIND_MB=3000 for an hour's worth (make fault)."""
import http.client
import json
import os
import threading

import pytest

from wait import wait_until

MB = 1 << 20
BEHIND_MB = int(os.environ.get("BEHIND_MB") or 60)
SLACK = 6 * MB        # the allocator's own moods, and as many large records
CONFIG = """\
log: {segment_bytes: 16MiB, max_bytes: 16GiB}
ingest: {http: {listen: '127.0.0.1:0', max_body_bytes: 8MiB}, grpc: {listen: '127.0.0.1:0'}}
pipelines:
  - {name: down, retry: {initial: 50ms, max: 500ms}, publisher: {type: http, url: 'http://127.0.0.1:1/'}}
  - {name: sunk, retry: {initial: 50ms, max: 500ms}, workers: 2, publisher: {type: kafka, brokers: '127.0.0.1:1', topic: t}}
  - {name: fine, publisher: {type: 'null'}}
"""


class Load:
    def __init__(self, g, size):
        self.connection, self.size, self.sent, self.n = http.client.HTTPConnection(g.http), size, 0, 0

    def until(self, total):
        per = max(1, MB // self.size)
        while self.sent < total:
            every = [{"specversion": "1.0", "id": str(self.n + i), "source": "/s", "type": "t", "partitionkey": f"k{(self.n + i) % 50}",
                      "datacontenttype": "text/plain", "data": "x" * self.size} for i in range(per)]
            self.connection.request("POST", "/v1/events", json.dumps(every), {"content-type": "application/cloudevents-batch+json"})
            answer = self.connection.getresponse()
            assert answer.status == 202, answer.read()
            answer.read()
            self.n += per
            self.sent += per * self.size

    def close(self):
        self.connection.close()


@pytest.mark.parametrize("size", [500, 2000, 3 * MB], ids=["small", "usual", "large"])
def test_what_is_behind_is_on_disk_and_not_in_memory(gateway, size):
    g = gateway(CONFIG)
    load = Load(g, size)

    def resident(total):
        load.until(total)
        g.settled(load.n, "fine")
        return int(g.metric("process_resident_memory_bytes"))

    few = resident(max(10 * MB, 15 * size))
    wait_until(lambda: not g.pipeline("down")["up"] and (size > MB or not g.pipeline("sunk")["up"]), g.pipelines)
    few = max(few, resident(max(20 * MB, 20 * size)))
    many = resident(BEHIND_MB * MB)
    print(f"{size} bytes each: {few / MB:.1f} MB resident with 20 MB behind, {many / MB:.1f} MB with {load.sent / MB:.0f} MB")
    every = g.pipelines()
    assert every["down"]["lag"] == every["down"]["accepted"] == every["fine"]["published"]
    assert many <= few + SLACK + 6 * (size if size > MB else 0)
    load.close()
    assert g.stop() == 0


LATE = """\
log: {max_bytes: 16GiB}
pipelines:
  - {name: late, retry: {initial: 20ms, max: 20ms}, publisher: {type: file, path: later/late.jsonl}}
  - {name: fine, publisher: {type: file, path: fine.jsonl}}
"""


def test_what_was_behind_catches_up_while_more_comes_in(gateway):
    """Its destination comes back while a client sends as fast as it is answered: it draws level all the same."""
    g = gateway(LATE)
    load = Load(g, 2000)
    stop = threading.Event()

    def delay(what):
        """Of the other pipeline's events until now, in ms; what came before counts no more."""
        count, total = (g.metric("moongate_end_to_end_seconds_" + x, pipeline="fine") for x in ("count", "sum"))
        mean = 1000 * (total - delay.total) / max(1, count - delay.count)
        delay.count, delay.total = count, total
        print(f"{what}: {count:.0f} events in all, {mean:.2f} ms from received to delivered")

    def send():
        while not stop.is_set():
            load.until(load.sent + 1)

    delay.count = delay.total = 0
    load.until(BEHIND_MB // 2 * MB)
    g.settled(load.n, "fine")
    assert g.pipeline("late")["lag"] == load.n
    delay("filling")
    sender = threading.Thread(target=send)
    sender.start()
    try:
        at = load.n
        wait_until(lambda: load.n > at + 3000)
        delay("alone")
        os.mkdir(g.path("later"))
        wait_until(lambda: g.pipeline("late")["lag"] < 6000, g.pipelines)
        delay("beside the one that catches up")
    finally:
        stop.set()
        sender.join()
    load.close()
    g.settled(load.n)
    assert g.stop() == 0
