"""The power is cut: what was not synced is gone, or there in parts (powercut.c, powercut.py, README.md).
CUTS=100 for many; SEED=n draws the same again."""
import os
import random
import signal
import sys
import time

import pytest

from powercut import WAYS, Disk
from rig import Rig, tell
from wait import wait_until

KILLS = int(os.environ.get("KILLS") or 50)
CUTS = int(os.environ.get("CUTS") or max(8, KILLS // 5))
NEW = int(os.environ.get("CUTS") or max(8, KILLS // 5))       # new directories
EVENTS = 1200


def ours(name):
    return name.split(os.sep)[0] in ("store", "all.jsonl", "split.jsonl", "picky.jsonl")


class Cutter:
    def __init__(self, rig, chance):
        self.rig, self.chance = rig, chance
        self.disk = Disk(rig.g.folder, ours)
        self.journal = os.path.join(rig.folder, "journal")
        self.count = os.path.join(rig.folder, "count")
        self.ways, self.is_cut = [], True
        for name in ("all", "split", "picky"):
            rig.ends[name].may_be_torn = True

    def spawn(self, **shim):
        if self.is_cut:
            self.disk.load()
        self.is_cut = False
        for path in (self.journal, self.count):
            if os.path.exists(path):
                os.unlink(path)
        self.rig.spawn(JOURNAL=self.journal, COUNT=self.count, SYNC_US=self.chance.choice((0, 100, 1000, 5000)), **shim)

    def calls(self):
        """Operations on the disk so far."""
        if not os.path.exists(self.count):
            return 0
        with open(self.count, "rb") as f:
            return int.from_bytes(f.read(), sys.byteorder)

    def kill(self):
        """The gateway is dead, or dies now; the power stays."""
        self.rig.g.kill()
        assert self.rig.g.process.returncode == -signal.SIGKILL, self.rig.tail()
        if os.path.exists(self.journal):
            self.disk.replay(self.journal)

    def cut(self):
        self.kill()
        self.ways.append(self.chance.choice(WAYS))
        self.disk.cut(self.chance, self.ways[-1])
        self.is_cut = True
        try:
            self.rig.read()
        except AssertionError as error:
            raise AssertionError(f"cut {len(self.ways)}, {self.ways[-1]}: {error}") from error

    def under_load(self):
        """At an instant after so many events."""
        self.spawn()
        if not self.rig.wait_ready():
            raise AssertionError(f"after a cut ({self.ways[-1:]}): {self.rig.tail()}")
        goal = self.rig.load.get("acked") + self.chance.randint(1, 2 * EVENTS)
        wait_until(lambda: self.rig.load.get("acked") >= goal or self.rig.is_over(), self.rig.tail)
        assert not self.rig.is_over(), self.rig.tail()
        self.rig.load.check()
        self.rig.look()
        time.sleep(self.chance.random() * 0.01)          # the instant is the test

    def at_operation(self, most):
        """At an operation on the disk, or at one that changes a name: a segment comes, goes, is used again."""
        names = {"NAMES": "1"} if self.chance.random() < 0.5 else {}
        self.spawn(AT=self.chance.randint(1, min(most // 4, 30) if names else most), **names)
        wait_until(self.rig.is_over, self.rig.tail)

    def some_kills(self):
        """Starts that are killed: what they have made and not synced is left to the next one."""
        while self.chance.random() < 0.3:
            self.at_operation(60)
            self.kill()

    def by_now(self, most):
        """At an instant soon after the start."""
        self.spawn()
        goal = self.chance.randint(0, most)
        wait_until(lambda: self.calls() >= goal or self.rig.is_over(), self.rig.tail)
        time.sleep(self.chance.random() * 0.05)          # the instant is the test


@pytest.fixture
def chance():
    seed = int(os.environ.get("SEED") or time.time_ns() % 1000000)
    tell(f"SEED={seed} CUTS={CUTS}")
    return random.Random(seed)


@pytest.fixture
def rigs(gateway, tmp_path, chance):
    made = []

    def make(name, **options):
        made.append(Rig(gateway, tmp_path, chance.randrange(1000000), name=name, **options))
        made[-1].load.start()
        return made[-1]
    yield make
    for r in made:
        r.close()


def test_a_power_cut_loses_nothing_that_was_acknowledged(rigs, chance):
    rig = rigs("gw", web=True)
    cutter = Cutter(rig, chance)
    for n in range(CUTS):
        if n and chance.random() < 0.5:
            cutter.some_kills()
            cutter.at_operation(chance.choice((60, 400)))
        else:
            cutter.under_load()
        cutter.cut()
    rig.finish()
    rig.read()
    disk = cutter.disk
    tell(f"{CUTS} cuts ({', '.join(f'{cutter.ways.count(w)} {w}' for w in sorted(set(WAYS)))}), {rig.load.get('acked')} events acknowledged, "
         f"lost 0, repeats {sum(s.repeats for s in rig.sinks.values())}, segments rolled {disk.rolled}, trimmed {disk.trimmed}, "
         f"reused {disk.reused}")
    assert disk.rolled and disk.trimmed and disk.reused


def test_a_power_cut_in_the_first_second_of_a_new_directory(rigs, chance):
    acked = cut = 0
    for n in range(NEW):
        rig = rigs(f"gw{n}")
        cutter = Cutter(rig, chance)
        for _ in range(chance.choice((1, 1, 2))):        # also in the recovery from the first one
            cutter.some_kills()
            if chance.random() < 0.5:
                cutter.at_operation(chance.choice((30, 200)))
            else:
                cutter.by_now(chance.choice((30, 200)))
            acked += rig.load.get("acked") > 0
            cutter.cut()
            cut += 1
        rig.finish()
        rig.close()
    tell(f"{cut} cuts in {NEW} new directories, {acked} of them after the first acknowledgement")
    assert acked
