"""A gateway under load that may be struck at any time, and everything it has delivered, checked."""
import json
import os
import random
import socket
import sqlite3
import subprocess
import sys

from confluent_kafka import Consumer, TopicPartition

import kafka
from gateway import BINARY, run
from load import FileSink, Load, Sink, ids_in
from wait import wait_until

SHIM = os.path.join(os.path.dirname(BINARY), "powercut.so")
IN_FLIGHT = 256
CONFIG = """\
ingest: {{grpc: {{listen: '127.0.0.1:{grpc}'}}, http: {{listen: '127.0.0.1:{http}'}}}}
log: {{segment_bytes: 1MiB, path: store/moongate-data}}
pipelines:
  - {{name: all, max_in_flight: {in_flight}, publisher: {{type: file, path: all.jsonl}}}}
  - {{name: split, max_in_flight: {in_flight}, event_types: [node], hooks: [split.lua], publisher: {{type: file, path: split.jsonl}}}}
  - {{name: picky, max_in_flight: {in_flight}, event_types: [node], hooks: [picky.lua], publisher: {{type: file, path: picky.jsonl}}}}
"""
KAFKA = """\
  - {{name: k, max_in_flight: {in_flight}, retry: {{initial: 20ms, max: 200ms}}, publisher: {{type: kafka, brokers: ['{broker}'], topic: '{topic}'}}}}
"""
WEB = """\
  - {{name: web, max_in_flight: {in_flight}, retry: {{initial: 5ms, max: 50ms}}, publisher: {{type: http, url: 'http://127.0.0.1:{web}/', batch: {{events: 100}}}}}}
"""
SPLIT = """\
local moongate = require "moongate"
return function(event, request, flyte)
  if tonumber(flyte.node:match("%d+")) % 8 == 0 then
    return {event, moongate.copy(event), moongate.copy(event)}
  end
end
"""
PICKY = """\
return function(event, request, flyte)
  local n = tonumber(flyte.node:match("%d+"))
  if n % 3 == 0 then return false, "a third" end
  if n % 31 == 1 then error("one of 31") end
end
"""


def kept_port():
    """A free port that nobody is given who asks for any: the gateway is gone for moments, and its clients keep calling."""
    while True:
        port = random.SystemRandom().randint(10000, 32000)
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)):
                return port


def tell(text, end="\n"):
    """Into the test's output, and where `make fault` is watched."""
    if end:
        print(text)
    if os.environ.get("PROGRESS"):
        with open(os.environ["PROGRESS"], "a", encoding="utf-8") as f:
            f.write(f"\r{text}{end}")


def split_copies(step):
    return 3 if step % 8 == 0 else 1


def picky_fails(step):
    return step % 3 != 0 and step % 31 == 1


def picky_copies(step):
    return 0 if step % 3 == 0 or picky_fails(step) else 1


class KafkaSink:
    def __init__(self, sink, broker, topic):
        kafka.create(broker, topic)
        self.sink = sink
        self.at = TopicPartition(topic, 0, 0)
        self.consumer = Consumer({"bootstrap.servers": broker, "group.id": "spec", "enable.auto.commit": False, "log_level": 0,
                                  "fetch.wait.max.ms": 5, "auto.offset.reset": "earliest"})
        self.consumer.assign([self.at])

    def read(self):
        """Up to what is there now."""
        end, repeats = self.consumer.get_watermark_offsets(self.at, timeout=20)[1], 0

        def finished():
            nonlocal repeats
            if self.at.offset < end:
                messages = self.consumer.consume(min(end - self.at.offset, 10000), 0.5)
                assert not any(m.error() for m in messages)
                repeats += self.sink.take(next(ids_in(m.value())) for m in messages)
                self.at.offset = messages[-1].offset() + 1 if messages else self.at.offset
            return self.at.offset >= end
        wait_until(finished, lambda: f"reading {self.at} to {end}")
        return repeats

    def close(self):
        self.consumer.close()


class WebSink:
    def __init__(self, sink, folder, seed):
        self.sink, self.path = sink, os.path.join(folder, "web.bodies")
        self.unanswered = 0                             # events of the last read that were taken without an answer
        argv = [sys.executable, os.path.join(os.path.dirname(__file__), "web.py"), self.path, str(seed)]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE)  # pylint: disable=consider-using-with
        self.port = int(self.process.stdout.readline())

    def read(self):
        """All that a dead gateway has sent, taken out of the file."""
        text = wait_until(self._all, "the web service reads what was sent")[0]
        os.truncate(self.path, 0)
        self.unanswered = sum(len(list(ids_in(line))) for line in text.splitlines() if line.startswith(b"no answer"))
        return self.sink.take(ids_in(text))

    def _all(self):
        with open(self.path, "rb") as f:
            text = f.read()
        ended = (not text or text.endswith(b"\n")) and text.count(b"open\n") == text.count(b"closed\n")
        return [text] if ended else None

    def close(self):
        self.process.kill()
        self.process.wait()


class Rig:
    """broker: with a Kafka pipeline; web: with an HTTP one. seed: of everything that is drawn."""

    def __init__(self, gateway, folder, seed, broker=None, topic=None, web=False, name="gw"):
        self.folder = os.path.join(str(folder), f"around-{name}")       # what is not the gateway's
        os.makedirs(self.folder)
        self.ports = {"grpc": kept_port(), "http": kept_port()}
        self.load = Load(self.folder, *(f"127.0.0.1:{p}" for p in self.ports.values()), seed)
        self.sinks = {"all": Sink("all", self.load), "split": Sink("split", self.load, split_copies, False),
                      "picky": Sink("picky", self.load, picky_copies, False)}
        config, values = CONFIG, dict(self.ports, in_flight=IN_FLIGHT)
        self.ends = {}
        if broker:
            self.sinks["k"] = Sink("k", self.load)
            self.ends["k"] = KafkaSink(self.sinks["k"], broker, topic)
            config, values = config + KAFKA, dict(values, broker=broker, topic=topic)
        if web:
            self.sinks["web"] = Sink("web", self.load)
            self.ends["web"] = WebSink(self.sinks["web"], self.folder, seed)
            config, values = config + WEB, dict(values, web=self.ends["web"].port)
        self.g = gateway(config.format(**values), files={"split.lua": SPLIT, "picky.lua": PICKY}, started=False, name=name)
        self.data = self.g.path("store/moongate-data")       # a folder of its own: the file publisher syncs the one it writes in
        os.makedirs(os.path.dirname(self.data))
        for name in ("all", "split", "picky"):
            self.ends[name] = FileSink(self.sinks[name], self.g.path(f"{name}.jsonl"))
        self.plain = dict(self.g.env)
        self.accepted, self.settled, self.open, self.lives = 0, {}, {}, 0    # lives: since the last read

    def spawn(self, **shim):
        """shim: the settings of powercut.so for this life; none: without it."""
        assert not self.g.process or self.is_over(), "one at a time"
        self.load.check()
        self.lives += 1
        self.g.env = dict(self.plain)
        if shim:
            self.g.env.update({f"POWERCUT_{k}": str(v) for k, v in shim.items()}, LD_PRELOAD=SHIM, POWERCUT_ROOT=self.g.folder)
        self.g.spawn()

    def is_ready(self):
        return os.path.exists(self.g.ready_file)

    def is_over(self):
        return self.g.process.poll() is not None

    def wait_ready(self):
        """False: it ended before."""
        wait_until(lambda: self.is_ready() or self.is_over(), self.tail)
        if self.is_over():
            return False
        with open(self.g.ready_file, encoding="utf-8") as f:
            self.g.addresses = json.load(f)
        return True

    def tail(self):
        return self.g.log()[-4000:]

    def look(self):
        """The counts of this moment: they add up (g.pipelines), agree, and never go back."""
        every = self.g.pipelines()
        accepted = {p["accepted"] for p in every.values()}
        assert len(accepted) == 1, every
        assert max(accepted) >= self.accepted, f"{max(accepted)} accepted, {self.accepted} before"
        self.accepted = max(accepted)
        self.settled = {name: p["published"] for name, p in every.items()}
        return every

    def read(self):
        """What has arrived since; repeats by pipeline. The gateway is dead. Nothing that a look saw settled may come
        again, so there are at most as many repeats as had arrived and were not settled when it last ended."""
        repeats = {name: end.read() for name, end in self.ends.items()}
        if "k" in self.ends:               # the broker may take late what a dead gateway has sent
            self.open["k"] = self.open.get("k", 0) + IN_FLIGHT
        if "web" in self.ends:
            self.open["web"] = self.open.get("web", 0) + self.ends["web"].unanswered
        every = [name for name in ("all", "k", "web") if name in self.ends]
        for name in every:
            assert self.lives > 1 or repeats[name] <= self.open.get(name, 0), (name, repeats, self.open)
            assert self.settled.get(name, 0) <= self.sinks[name].distinct(), f"{name}: counted as published and not there"
        self.lives = 0
        self.open = {name: self.sinks[name].distinct() - self.settled.get(name, 0) for name in every}
        return repeats

    def finish(self):
        """Everything that is under way arrives; the whole check. The counts by pipeline."""
        self.spawn()
        assert self.wait_ready(), self.tail()
        self.load.finish()
        acked = self.load.get("acked")
        self.g.settled(acked)
        every = self.look()
        assert self.g.stop() == 0, self.tail()
        self.read()
        for sink in self.sinks.values():
            sink.whole()
        self._counts(every, acked)
        return every

    def _counts(self, every, acked):
        """Every id is another record, so what has arrived can be counted against what was accepted."""
        kept, unsure = self.sinks["all"].distinct(), self.load.get("unsure")
        assert kept == self.accepted and acked <= kept <= acked + unsure, (kept, self.accepted, acked, unsure)
        for name in ("all", "k", "web"):
            assert name not in every or every[name]["published"] == self.sinks[name].distinct() == kept, every
        assert every["split"]["published"] + every["split"]["filtered"] == kept and every["split"]["dead_lettered"] == 0
        assert every["picky"]["published"] == self.sinks["picky"].distinct()
        self._letters(every["picky"]["dead_lettered"])

    def _letters(self, count):
        """Each is there once."""
        with sqlite3.connect(os.path.join(self.data, "state.db")) as db:
            rows = db.execute("SELECT event_id, reason, error FROM dead_letters WHERE pipeline = 'picky'").fetchall()
        assert len(rows) == len({row[0] for row in rows}) == count, (len(rows), count)
        assert all(reason == "hook_error" and "one of 31" in error for _, reason, error in rows)
        want = {f"fault:dev:e{lane}:n{step}:{self.load.acknowledged_try(lane, step)}:RUNNING" for lane in range(self.load.flows)
                for step in range(self.load.steps()[lane]) if picky_fails(step)}
        assert want <= {row[0] for row in rows}
        listed = run("dead", "list", "-c", self.g.config_file, "--json", "--pipeline", "picky", cwd=self.g.folder, check=0).stdout
        assert {json.loads(line)["event_id"] for line in listed.splitlines()} == {row[0] for row in rows}

    def close(self):
        self.load.kill()
        for end in self.ends.values():
            if not isinstance(end, FileSink):
                end.close()
