"""Segments that a disk has damaged: what can be kept is kept, and what cannot is told."""
import glob
import json
import os

import pytest

import flyte
from gateway import FILE, run

STUCK = "log: {segment_bytes: 1MiB}\npipelines:\n  - {name: all, publisher: {type: kafka, brokers: '127.0.0.1:1', topic: t}}\n"
COUNT = 20


def mark(i):
    return f"execution-number-{i:04}-"


def filled(gateway):
    """A stopped gateway with records that nobody has read; each is a commit of its own."""
    g = gateway(STUCK)
    with g.channel() as channel:
        for i in range(COUNT):
            flyte.send(channel, flyte.task(name=mark(i)))
    assert g.pipeline()["lag"] == COUNT
    g.kill()
    g.configure("log: {segment_bytes: 1MiB}\n" + FILE)
    return g


def find(g, text):
    """(segment, offset) of a record's bytes."""
    for path in sorted(glob.glob(g.path("moongate-data/segments/*"))):
        with open(path, "rb") as f:
            at = f.read().find(text.encode())
        if at >= 0:
            return path, at
    raise AssertionError(f"{text} is in no segment")


def overwrite(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def names(g):
    return [i.split(":")[2] for i in g.ids()]


def works_on(g, expected):
    g.settled()
    assert names(g) == expected
    with g.channel() as channel:
        flyte.send(channel, flyte.task(name="after"))
    g.settled()
    assert names(g) == expected + ["after"]


@pytest.mark.parametrize("how", ["zeroed", "cut off"])
def test_a_torn_tail_is_cut_back_to_the_last_whole_record(gateway, how):
    g = filled(gateway)
    path, at = find(g, mark(COUNT - 1))
    if how == "zeroed":
        overwrite(path, at + 5, b"\0" * (os.path.getsize(path) - at - 5))
    else:
        os.truncate(path, at + 5)
    g.start()
    works_on(g, [mark(i) for i in range(COUNT - 1)])
    assert g.pipeline()["dead_lettered"] == 0


def test_a_flipped_bit_costs_its_record_only_and_is_told(gateway):
    g = filled(gateway)
    path, at = find(g, mark(7))
    overwrite(path, at, bytes([mark(7).encode()[0] ^ 1]))
    g.start()
    works_on(g, [mark(i) for i in range(COUNT) if i != 7])
    assert g.pipeline()["dead_lettered"] == 1
    assert g.metric("moongate_events_dead_lettered_total", reason="undecodable") == 1
    assert "a record is damaged and skipped" in g.log() and "level=error" in g.log()
    letters = run("dead", "list", "--json", "-c", g.config_file, check=0).stdout.splitlines()
    assert [json.loads(line)["reason"] for line in letters] == ["undecodable"]


def test_a_damaged_header_costs_its_record_only(gateway):
    """The next one is found by its magic and its sequence number."""
    g = filled(gateway)
    path, end = find(g, mark(6))
    _, start = find(g, mark(7))
    overwrite(path, end + len(mark(6)) + 4, b"\xff" * (start - end - len(mark(6)) - 4))
    g.start()
    g.settled()
    got = names(g)
    assert set(got) <= {mark(i) for i in range(COUNT) if i != 7} and got == sorted(got)
    assert set(got) >= {mark(i) for i in range(COUNT) if i not in (6, 7)}
    assert g.pipeline()["dead_lettered"] in (1, 2)
    assert g.pipeline()["accepted"] == COUNT


def test_damage_in_what_is_settled_disturbs_nobody(gateway):
    g = filled(gateway)
    g.start()
    g.settled(COUNT)
    g.stop()
    path, at = find(g, mark(3))
    overwrite(path, at, b"\xff" * 8)
    g.start()
    assert g.settled()["all"] == dict(g.pipeline(), accepted=COUNT, published=COUNT)
    works_on(g, [mark(i) for i in range(COUNT)])


def test_an_empty_or_foreign_file_among_the_segments(gateway):
    g = filled(gateway)
    g.write("moongate-data/segments/.hidden", "x")
    g.start()
    works_on(g, [mark(i) for i in range(COUNT)])
