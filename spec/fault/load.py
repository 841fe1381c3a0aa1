"""The load client (load.c) as a process, its counters, and what each pipeline must have got of what it sent."""
import mmap
import os
import struct
import subprocess

from gateway import BINARY
from wait import wait_until

LOAD = os.path.join(os.path.dirname(BINARY), "load")
MAX_LANES = 1000
HEAD = ("stop", "acked", "unanswered", "broken", "unsure", "later", "connected")


class Load:
    def __init__(self, folder, grpc, http, seed, flows=72, batches=24):
        self.flows, self.batches = flows, batches
        self.tries_file, self.errors = os.path.join(folder, "load.tries"), os.path.join(folder, "load.err")
        path = os.path.join(folder, "load.status")
        size = 8 * len(HEAD) + 4 * MAX_LANES
        with open(path, "wb") as f:
            f.truncate(size)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), size)
        self.argv = [LOAD, grpc, http, path, str(seed), str(flows), str(batches)]
        self.process, self.tries, self.tries_read = None, {}, 0

    def start(self):
        with open(self.tries_file, "wb") as out, open(self.errors, "wb") as err:
            self.process = subprocess.Popen(self.argv, stdout=out, stderr=err)
        return self

    def get(self, name):
        return struct.unpack_from("Q", self.map, 8 * HEAD.index(name))[0]

    def steps(self):
        """Of each lane, how many of its requests have ended."""
        return struct.unpack_from(f"{self.flows + self.batches}I", self.map, 8 * len(HEAD))

    def check(self):
        """It runs, so every answer was yes or "later"."""
        if self.process.poll() is not None:
            with open(self.errors, encoding="utf-8") as f:
                raise AssertionError(f"the load ended with {self.process.returncode}: {f.read()}")

    def acknowledged_try(self, lane, step):
        """Which try of a step that has ended was acknowledged."""
        if (lane, step) not in self.tries:
            with open(self.tries_file, encoding="ascii") as f:
                f.seek(self.tries_read)
                text = f.read()
            whole = text[:text.rfind("\n") + 1]
            self.tries_read += len(whole)
            for line in whole.splitlines():
                *key, number = map(int, line.split())
                self.tries[tuple(key)] = number
        return self.tries.get((lane, step), 0)

    def finish(self):
        """Waits until every request is acknowledged; nothing new is sent."""
        self.check()
        struct.pack_into("Q", self.map, 0, 1)
        wait_until(lambda: self.process.poll() is not None, lambda: {n: self.get(n) for n in HEAD})
        assert self.process.returncode == 0

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Sink:
    """What has arrived in one pipeline. Every id must be an old one, or its lane's next: so a lost event, one out of
    order and half a batch are seen when the next of their lane arrives, and at the end.

    copies(step) of a flow's event arrive (0: filtered, or a dead letter)."""

    def __init__(self, name, load, copies=lambda step: 1, batches=True):
        self.name, self.load, self.copies, self.with_batches = name, load, copies, batches
        self.last = {}          # lane -> (step, try, index of the copy or in the batch, how many)
        self.count = self.repeats = 0

    def take(self, ids):
        """ids: bytes, in the order of arrival. Returns how many of them were repeats."""
        before = self.repeats
        for text in ids:
            self.count += 1
            if text.startswith(b"fault:dev:e"):
                _, _, lane, node, number, phase, *copy = text.split(b":")
                assert phase == b"RUNNING", text
                step = int(node[1:])
                self._take(int(lane[1:]), (step, int(number), int(copy[0]) if copy else 0, self.copies(step)), text)
            else:
                lane, *got = text.split(b":")
                assert self.with_batches, f"{self.name}: {text} does not belong here"
                self._take(int(lane[1:]), tuple(map(int, got)), text)
        return self.repeats - before

    def _take(self, lane, got, text):
        last = self.last.get(lane)
        if last and got <= last:
            self.repeats += 1
            return
        assert self._follows(lane, last, got), \
            f"{self.name}: {text} came behind {last} of lane {lane}: something between is lost, or late, or half"
        self.last[lane] = got

    def _follows(self, lane, last, got):
        step, number, index, size = got
        if index:
            return (step, number, index - 1, size) == last and index < size
        if last and last[2] != last[3] - 1:
            return False
        if last and last[0] == step:
            return number > last[1]
        return size > 0 and self._is_through(lane, last) and step == self._next_step(lane, last[0] + 1 if last else 0)

    def _next_step(self, lane, step):
        while lane < self.load.flows and self.copies(step) == 0:
            step += 1
        return step

    def _is_through(self, lane, last):
        """The acknowledged one of a step's tries has arrived, the last one that can."""
        return not last or last[1] == self.load.acknowledged_try(lane, last[0])

    def whole(self):
        """Nothing is under way any more: every step that has ended is there, and whole."""
        for lane, ended in enumerate(self.load.steps()):
            if lane >= self.load.flows and not self.with_batches:
                continue
            last = self.last.get(lane)
            assert not last or last[2] == last[3] - 1, f"{self.name}: lane {lane} ends within {last}"
            assert self._is_through(lane, last), f"{self.name}: the acknowledged try of {last} of lane {lane} is lost"
            next_step = self._next_step(lane, last[0] + 1 if last else 0)
            assert next_step >= ended, f"{self.name}: acknowledged requests of lane {lane} are lost, from {next_step} to {ended - 1}"

    def distinct(self):
        return self.count - self.repeats


def ids_in(text):
    """The ids of events as JSON; whole lines or whole arrays."""
    at = text.find(b'"id":"')
    while at >= 0:
        end = text.index(b'"', at + 6)
        yield text[at + 6:end]
        at = text.find(b'"id":"', end)


class FileSink:
    """A file publisher's file, read on while the gateway is dead. What was read is taken out of it, so that long runs
    need no disk; an unfinished last line stays, for the gateway to cut off. After a power cut what was not synced may
    have holes; what is behind the first one does not count as arrived."""

    def __init__(self, sink, path):
        self.sink, self.path, self.may_be_torn = sink, path, False

    def read(self):
        if not os.path.exists(self.path):
            return 0
        with open(self.path, "rb") as f:
            text = f.read()
        end = text.rfind(b"\n") + 1
        torn = text.find(b"\0", 0, end)
        whole = end if torn < 0 else text.rfind(b"\n", 0, torn) + 1
        repeats = self.sink.take(ids_in(text[:whole]))
        assert text.count(b"\n", 0, whole) == text.count(b'"id":"', 0, whole), f"{self.path}: lines that are no events"
        assert self.may_be_torn or torn < 0, f"{self.path}: not written whole"
        with open(self.path, "r+b") as f:
            f.write(text[end:])
            f.truncate()
        return repeats
