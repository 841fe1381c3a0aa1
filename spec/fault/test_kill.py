"""kill -9 at random instants under load: while it runs, while it starts or recovers, while it stops (README.md).
KILLS=500 for many (make fault); SEED=n draws the same again."""
import ctypes
import os
import random
import signal
import statistics
import sys
import time

import pytest

from rig import Rig, tell
from wait import wait_until

KILLS = int(os.environ.get("KILLS") or 50)
EVENTS = int(os.environ.get("EVENTS") or (2700 if KILLS > 100 else 1200))  # acknowledged in a life that is not killed while it starts, about
START, STOP = 0.23, 0.13                           # shares; at least 0.2 and 0.1 are promised
AT_LEAST = {"unanswered": 32, "keys": 50}


class Segments:
    """Which segment files there were, by what a file is (inode and birth) and by its name."""

    def __init__(self, folder):
        self.folder, self.names, self.files = folder, set(), {}
        self.reused = 0

    def look(self):
        if not os.path.isdir(self.folder):
            return
        for entry in os.listdir(self.folder):
            if entry.endswith(".free"):
                self.files.setdefault(born(os.path.join(self.folder, entry)), set())
                continue
            used = self.files.setdefault(born(os.path.join(self.folder, entry)), set())
            self.reused += len(used) > 0 and entry not in used
            used.add(entry)
            self.names.add(entry)

    def trimmed(self):
        return len(self.names - set(os.listdir(self.folder)))


LIBC = ctypes.CDLL(None)


def born(path):
    """statx: the inode and the time of its creation, so that a number used again is another file."""
    buffer = ctypes.create_string_buffer(256)
    assert LIBC.statx(-100, path.encode(), 0, 0xfff, buffer) == 0, path
    return buffer.raw[32:40] + buffer.raw[80:92]


class Killer:
    def __init__(self, rig, chance):
        self.rig, self.chance = rig, chance
        self.kills = {"start": 0, "load": 0, "stop": 0}
        self.starts, self.stops = [0.01], [0.02]       # seconds, the last ones
        self.calls = 1                                 # operations on the disk in a start
        self.unanswered, self.keys, self.repeats = [], [], []
        self.segments = Segments(os.path.join(rig.data, "segments"))
        self.count_file = rig.g.path("calls")

    # ---- strikes; each says whether it hit its phase
    def at_start(self):
        """At an instant, or at an operation on the disk."""
        if self.rig.g.process and not self.rig.is_over():       # the last strike at a start came too late
            self.rig.g.kill()
            self.check()
        if self.chance.random() < 0.5:
            self.rig.spawn(AT=self.chance.randint(1, self.calls), UNTIL=self.rig.g.ready_file)
            wait_until(lambda: self.rig.is_ready() or self.rig.is_over(), self.rig.tail)
        else:
            self.rig.spawn()
            time.sleep(self.chance.random() * statistics.median(self.starts))
            if not self.rig.is_ready():
                self.rig.g.signal(signal.SIGKILL)
                self.rig.g.process.wait()
        if not self.rig.is_over():
            return False
        assert self.rig.g.process.returncode == -signal.SIGKILL, self.rig.tail()
        return not self.rig.is_ready()

    def begin(self):
        """A life under load, until so many events are acknowledged."""
        if not self.rig.g.process or self.rig.is_over():
            begin = time.monotonic()
            if self.chance.random() < 0.1:
                self.rig.spawn(COUNT=self.count_file)
            else:
                self.rig.spawn()
            assert self.rig.wait_ready(), self.rig.tail()
            self.starts = self.starts[-9:] + [time.monotonic() - begin]
            if os.path.exists(self.count_file):
                with open(self.count_file, "rb") as f:
                    self.calls = max(1, int.from_bytes(f.read(), sys.byteorder))
                os.unlink(self.count_file)
        else:
            assert self.rig.wait_ready(), self.rig.tail()
        load, steps, acked = self.rig.load, self.rig.load.steps(), self.rig.load.get("acked")
        goal = acked + self.chance.randint(EVENTS // 2, EVENTS * 3 // 2)
        wait_until(lambda: load.get("acked") >= goal or load.process.poll() is not None or self.rig.is_over(), self.rig.tail)
        load.check()
        assert not self.rig.is_over(), self.rig.tail()
        self.rig.look()
        time.sleep(self.chance.random() * 0.01)          # the instant is the test
        self.keys.append(sum(a != b for a, b in zip(steps, load.steps())))

    def at_load(self):
        self.begin()
        before = self.rig.load.get("broken")
        self.rig.g.kill()
        wait_until(lambda: self.rig.load.get("connected") == 0, "the load noticed")
        self.unanswered.append(self.rig.load.get("broken") - before)
        return True

    def at_stop(self):
        self.begin()
        self.unanswered.append(self.rig.load.get("unanswered"))
        begin = time.monotonic()
        self.rig.g.signal(signal.SIGTERM)
        end = begin + self.chance.random() * statistics.median(self.stops)
        while not self.rig.is_over() and time.monotonic() < end:
            time.sleep(0.0002)
        if self.rig.is_over():
            self.stops = self.stops[-9:] + [time.monotonic() - begin]
        self.rig.g.kill()
        code = self.rig.g.process.returncode
        assert code in (0, -signal.SIGKILL), f"{code}: {self.rig.tail()}"
        return code != 0

    # ---- a run
    def cards(self):
        start, stop = round(KILLS * START + 0.5), round(KILLS * STOP + 0.5)
        cards = ["start"] * start + ["stop"] * stop + ["load"] * (KILLS - start - stop)
        self.chance.shuffle(cards)
        return cards

    def run(self):
        cards = self.cards()
        for done in range(10 * KILLS):
            if not cards:
                break
            card = cards.pop()
            struck = {"start": self.at_start, "load": self.at_load, "stop": self.at_stop}[card]()
            if not struck:
                cards.insert(self.chance.randint(0, len(cards)), card)
                if card == "stop":
                    self.check()
                continue
            self.kills[card] += 1
            self.check()
            if sum(self.kills.values()) % 10 == 0:
                tell(self.summary(), "")
        assert not cards, f"{cards} are left after {done} lives"

    def check(self):
        self.segments.look()
        self.repeats.append(self.rig.read())

    def most(self):
        """The largest number of repeats after one kill, of any pipeline."""
        return max(max(r.values()) for r in self.repeats)

    def summary(self):
        repeats = sum(s.repeats for s in self.rig.sinks.values())
        arrived = sum(s.count for s in self.rig.sinks.values())
        return (f"{sum(self.kills.values())} kills ({', '.join(f'{n} at {k}' for k, n in self.kills.items())}), "
                f"{self.rig.load.get('acked')} events acknowledged, lost 0, repeats {repeats} of {arrived} (at most {self.most()} after a kill), "
                f"unanswered >= {min(self.unanswered)}, keys >= {min(self.keys)}, "
                f"segments {len(self.segments.names)}, trimmed {self.segments.trimmed()}, reused {self.segments.reused}")


@pytest.fixture
def rig(gateway, tmp_path, broker, topic):
    seed = int(os.environ.get("SEED") or time.time_ns() % 1000000)
    tell(f"SEED={seed} KILLS={KILLS}")
    made = Rig(gateway, tmp_path, seed, broker, topic, web=True)
    made.chance = random.Random(seed)
    yield made
    made.close()


def test_nothing_acknowledged_is_lost_whenever_it_is_killed(rig):
    killer = Killer(rig, rig.chance)
    rig.load.start()
    killer.run()
    counts = rig.finish()["picky"]
    killer.check()
    assert counts["filtered"] and counts["dead_lettered"] and counts["published"]
    tell(killer.summary())
    assert killer.kills["start"] >= 0.2 * KILLS and killer.kills["stop"] >= 0.1 * KILLS
    assert min(killer.unanswered) >= AT_LEAST["unanswered"] and min(killer.keys) >= AT_LEAST["keys"]
    assert killer.segments.trimmed() and killer.segments.reused and len(killer.segments.names) > KILLS / 4
