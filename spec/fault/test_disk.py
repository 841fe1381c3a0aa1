"""Disks that are full, broken, read-only or somebody else's, state that is lost, clocks that jump: each is told, and nothing
that was acknowledged is lost by it."""
import os
import re

import grpc
import pytest

import flyte
from gateway import BINARY, FILE, request
from wait import wait_until

SHIM = os.path.join(os.path.dirname(BINARY), "badisk.so")
STUCK = "pipelines:\n  - {name: all, publisher: {type: kafka, brokers: '127.0.0.1:1', topic: t}}\n"
BIG = "n" * 100000


class Disk:
    """What is wrong with the data directory's disk, in the words of badisk.c."""

    def __init__(self, folder):
        self.control = str(folder / "badisk")
        self.env = {"LD_PRELOAD": SHIM, "BADISK": self.control, "BADISK_ONLY": "moongate-data"}

    def is_now(self, *words):
        with open(self.control + ".new", "w", encoding="ascii") as f:
            f.write(" ".join(words))
        os.rename(self.control + ".new", self.control)


@pytest.fixture
def disk(tmp_path):
    assert os.path.exists(SHIM), f"{SHIM} is missing: make shims"
    return Disk(tmp_path)


def sent(channel, request):
    """None, or the refusal."""
    try:
        flyte.send(channel, request)
        return None
    except grpc.RpcError as error:
        return error


def refused_at_start(g, *texts):
    """Exit 1, with each of these in one line of the log; and nobody was told that it is ready."""
    assert g.spawn().wait() == 1
    assert not os.path.exists(g.ready_file)
    assert all(t in g.log() for t in texts), g.log()


def data(g, name=""):
    return g.path(os.path.join("moongate-data", name))


def size_of(folder):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(folder) for f in fs)


# ---- no room

@pytest.mark.parametrize("how", ["full", "thin"])
def test_a_full_disk_is_a_full_log(gateway, disk, how):
    """RESOURCE_EXHAUSTED and 429 with Retry-After, not ready and alive; and back by itself when there is room."""
    g = gateway(env=disk.env)
    kept = []
    assert request(g.admin, "POST", "/api/pipelines/all/pause")[0] == 200   # nothing that is delivered makes room

    def send(n):
        error = sent(channel, flyte.task(name=f"f{n}", node_id=BIG))
        if not error:
            kept.append(flyte.id_of(flyte.task(name=f"f{n}", node_id=BIG)))
        return error
    with g.channel() as channel:
        assert not send(0)
        disk.is_now(how)
        refusals = [e for e in (send(n) for n in range(1, 40)) if e]
        assert refusals and {e.code() for e in refusals} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert not any(e.details().startswith("message too large") for e in refusals)
        status, headers, _ = g.post(flyte.REST["task"], flyte.task(node_id=BIG).SerializeToString(), "application/x-protobuf")
        assert status == 429 and int(headers["retry-after"]) >= 0
        assert g.get("/readyz")[0] == 503 and g.get("/healthz")[0] == 200
        disk.is_now()
        wait_until(lambda: g.get("/readyz")[0] == 200, g.log)
        assert not send(40)
    assert request(g.admin, "POST", "/api/pipelines/all/resume")[0] == 200
    g.settled(len(kept))
    assert g.ids() == kept
    g.restart()
    assert g.pipeline()["accepted"] == len(kept) and g.ids() == kept


def test_a_full_disk_hinders_no_delivery(gateway, disk):
    """What was taken goes out, is settled, and is not sent again; its room is used again."""
    g = gateway(STUCK, env=disk.env)
    with g.channel() as channel:
        for n in range(25):
            flyte.send(channel, flyte.task(name=f"f{n}", node_id=BIG))
    g.kill()
    g.configure(FILE)
    g.start()
    disk.is_now("full")
    g.settled(25)
    with g.channel() as channel:
        wait_until(lambda: not sent(channel, flyte.task(name="small")), g.log)
    disk.is_now()
    g.settled(26)
    assert len(g.lines()) == 26


def test_a_full_disk_hinders_no_start(gateway, disk):
    """What the log has allocated and does not use is enough for its state."""
    g = gateway(env=disk.env)
    with g.channel() as channel:
        for n in range(3):
            flyte.send(channel, flyte.task(name=f"f{n}"))
    g.settled(3)
    assert g.stop() == 0
    disk.is_now("full")
    g.start()
    with g.channel() as channel:
        wait_until(lambda: not sent(channel, flyte.task(name="small")), g.log)
    g.settled(4)
    assert len(g.lines()) == 4


def test_the_log_keeps_to_its_size(gateway):
    """Five times max_bytes go through; files are used again, under new names."""
    g = gateway("log: {max_bytes: 4MiB, segment_bytes: 1MiB}\n" + FILE)
    inodes = set()
    with g.channel() as channel:
        for n in range(200):
            wait_until(lambda: not sent(channel, flyte.task(name=f"f{n}", node_id=BIG)))    # pylint: disable=cell-var-from-loop
            if n % 10 == 9:
                g.settled(n + 1)
                assert size_of(data(g, "segments")) <= 4 * 1024 * 1024
                inodes |= {e.inode() for e in os.scandir(data(g, "segments"))}
    assert len(inodes) <= 5, "segments are made anew, not used again"
    assert size_of(data(g)) <= 8 * 1024 * 1024
    assert g.get("/readyz")[0] == 200 and len(g.lines()) == 200


def test_what_is_settled_is_retained_while_there_is_room(gateway):
    """For replay and for pipelines that start with it; the oldest goes first, before anything is refused."""
    config = "log: {retain: 1h, max_bytes: 4MiB, segment_bytes: 1MiB}\n" + FILE
    g = gateway(config)
    with g.channel() as channel:
        for n in range(20):
            flyte.send(channel, flyte.task(name=f"f{n}", node_id=BIG))
        g.settled(20)
        g.stop()
        g.configure(config + "  - {name: late, start: retained, publisher: {type: file, path: late.jsonl}}\n")
        g.start()
    with g.channel() as channel:
        g.settled(20, "late")
        assert g.ids("late.jsonl") == g.ids()
        for n in range(20, 60):
            wait_until(lambda: not sent(channel, flyte.task(name=f"f{n}", node_id=BIG)))    # pylint: disable=cell-var-from-loop
        g.settled(60, "all")
    g.stop()
    g.configure(config + "  - {name: last, start: retained, publisher: {type: file, path: last.jsonl}}\n")
    g.start()
    g.settled(1, "last")
    kept = len(g.lines("last.jsonl"))
    assert 20 <= kept < 50 and g.ids("last.jsonl") == g.ids()[-kept:]


# ---- broken

@pytest.mark.parametrize("how", ["eio-sync", "eio-write"])
def test_a_disk_that_fails_ends_the_process(gateway, disk, how):
    """All that wait get UNAVAILABLE and nobody OK; the exit status is 1; what was kept is there at the next start."""
    g = gateway(env=disk.env)
    with g.channel() as channel:
        for n in range(5):
            flyte.send(channel, flyte.task(name=f"f{n}"))
        disk.is_now(how)
        calls = [flyte.admin_pb2_grpc.AdminServiceStub(channel).CreateTaskEvent.future(flyte.task(name=f"lost{n}"), timeout=60)
                 for n in range(20)]
        assert {c.exception().code() for c in calls} == {grpc.StatusCode.UNAVAILABLE}
    assert g.wait() == 1
    assert re.search(r"level=error.*(Input/output error|disk I/O error|keeps nothing more)", g.log()), g.log()
    disk.is_now()
    g.start()
    g.settled()
    assert g.ids()[:5] == [flyte.id_of(flyte.task(name=f"f{n}")) for n in range(5)]


def test_a_disk_that_cannot_be_read_is_told_and_read_again(gateway, disk):
    """Nothing is passed over that may be read later."""
    g = gateway(env=disk.env)
    with g.channel() as channel:
        flyte.send(channel, flyte.task(name="before"))
        g.settled(1)
        disk.is_now("eio-read")
        for n in range(3):
            flyte.send(channel, flyte.task(name=f"f{n}"))
        wait_until(lambda: not g.pipeline()["up"], g.log)
        assert "Input/output error" in g.pipeline()["last_error"] and g.pipeline()["lag"] == 3
        disk.is_now()
        g.settled(4)
    assert g.ids() == [flyte.id_of(flyte.task(name=name)) for name in ("before", "f0", "f1", "f2")]
    wait_until(lambda: g.pipeline()["up"], g.log)


# ---- not ours to write

def test_a_read_only_directory_is_told(gateway, disk):
    g = gateway(env=disk.env)
    assert g.stop() == 0
    disk.is_now("readonly")
    refused_at_start(g, "has to be writable by uid", "moongate-data/lock: Read-only file system")


def test_a_read_only_place_for_a_new_directory_is_told(gateway, disk):
    disk.is_now("readonly")
    g = gateway(started=False, env=disk.env)
    refused_at_start(g, "has to be writable by uid", "moongate-data: Read-only file system")


def test_a_directory_that_is_a_file_is_told(gateway):
    g = gateway(started=False)
    g.write("moongate-data", "x")
    refused_at_start(g, "moongate-data: Not a directory")


def test_a_network_file_system_is_refused_unless_allowed(gateway, disk):
    disk.is_now("fs=0x6969")
    g = gateway(started=False, env=disk.env)
    refused_at_start(g, "is on a network file system (nfs)", "log.allow_network_fs: true")
    assert not os.path.exists(data(g))
    g.configure("log: {allow_network_fs: true}\n" + FILE)
    g.start()
    with g.channel() as channel:
        flyte.send(channel, flyte.task())
    g.settled(1)
    assert re.search("level=warn.*network file system", g.log())


def test_a_lock_of_a_dead_process_is_no_obstacle(gateway):
    g = gateway()
    g.kill()
    assert str(g.pid) in open(data(g, "lock"), encoding="ascii").read()
    g.start()
    assert open(data(g, "lock"), encoding="ascii").read().split() == [str(g.pid), g.admin]


def test_a_newer_format_is_left_untouched(gateway):
    g = gateway(STUCK)
    with g.channel() as channel:
        flyte.send(channel, flyte.task())
    g.kill()
    g.write("moongate-data/format", "2\n")

    def snapshot():
        return {os.path.join(d, f): open(os.path.join(d, f), "rb").read() for d, _, fs in os.walk(data(g)) for f in fs}
    before = snapshot()
    refused_at_start(g, "has format 2, written by a newer moongate", "nothing was changed")
    assert snapshot() == before
    g.write("moongate-data/format", "0\n")
    refused_at_start(g, "format is 0, which never was", "moongate-data && echo 1 > format")
    g.write("moongate-data/format", "")
    refused_at_start(g, "format holds no number", "moongate-data && echo 1 > format")


# ---- state that is lost

def undelivered(gateway):
    """A stopped gateway with five records that nobody has, after five that were delivered."""
    g = gateway()
    with g.channel() as channel:
        for n in range(5):
            flyte.send(channel, flyte.task(name=f"f{n}"))
        g.settled(5)
    assert g.stop() == 0
    g.configure(STUCK)
    g.start()
    with g.channel() as channel:
        for n in range(5, 10):
            flyte.send(channel, flyte.task(name=f"f{n}"))
    g.kill()
    g.configure(FILE)
    return g


def go_on(g):
    """Runs the command that the last line tells; after it all ten are delivered, the first five once more."""
    command = re.search(r"go on without it: (cd .*?)\"?$", g.log().splitlines()[-1]).group(1)
    assert os.system(command) == 0, command
    g.start()
    g.settled(10)
    assert g.ids() == [flyte.id_of(flyte.task(name=f"f{n}")) for n in [*range(5), *range(10)]]
    g.restart()
    assert g.pipeline()["accepted"] == 10 and len(g.lines()) == 15


def test_a_missing_state_is_told_and_no_record_is_passed_over(gateway):
    g = undelivered(gateway)
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        if os.path.exists(data(g, name)):
            os.unlink(data(g, name))
    refused_at_start(g, "state.db is missing beside segments with records")
    refused_at_start(g, "state.db is missing beside segments with records")
    go_on(g)


def test_a_damaged_state_is_told_and_no_record_is_passed_over(gateway):
    g = undelivered(gateway)
    with open(data(g, "state.db"), "r+b") as f:
        f.write(b"\xff" * 4096)
    refused_at_start(g, "state.db is damaged (file is not a database)")
    go_on(g)
    assert os.path.exists(data(g, "state.db.damaged"))


# ---- clocks

def test_a_clock_that_jumps_back_disturbs_nobody(gateway, disk):
    """Records are taken, delivered in their order and never of the future; timers go on; nothing retained is given up."""
    g = gateway("log: {retain: 1h, segment_bytes: 1MiB}\n" + FILE +
                "  - {name: k, publisher: {type: kafka, brokers: '127.0.0.1:1', topic: t}}\n", env=disk.env)
    expected = []
    with g.channel() as channel:
        for n, jump in enumerate([0, 0, 86400, 86400, -86400, -86400, 0, -7200]):
            disk.is_now(f"clock={jump}")
            flyte.send(channel, flyte.task(name=f"f{n}", node_id=BIG[:60000]))
            expected.append(flyte.id_of(flyte.task(name=f"f{n}", node_id=BIG[:60000])))
            g.settled(n + 1, "all")
            assert g.metric("moongate_pipeline_lag_seconds", pipeline="k") >= 0
            assert g.get("/readyz")[0] == 200
    assert g.ids() == expected
    assert g.pipeline("k")["lag"] == 8
    g.kill()
    g.start()
    assert g.pipeline("k")["lag"] == 8 and g.metric("moongate_pipeline_lag_seconds", pipeline="k") >= 0
    assert g.ids() == expected
