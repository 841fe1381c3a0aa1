"""Nothing is said to be durable before the disk said so. A kill cannot see a missing sync; a held one can."""
import os
import threading

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import flyte
import h2raw
from gateway import BINARY, FILE
from wait import wait_until

SHIM = os.path.join(os.path.dirname(BINARY), "slowsync.so")


class Disk:
    """The disk of a gateway: hold() and release(), break_() and mend()."""

    def __init__(self, folder, only):
        self.hold_file, self.fail_file = str(folder / "hold"), str(folder / "fail")
        self.env = {"LD_PRELOAD": SHIM, "SLOWSYNC_HOLD": self.hold_file, "SLOWSYNC_FAIL": self.fail_file, "SLOWSYNC_ONLY": only}

    def hold(self):
        with open(self.hold_file, "w", encoding="ascii"):
            pass

    def release(self):
        os.unlink(self.hold_file)

    def break_(self):
        with open(self.fail_file, "w", encoding="ascii"):
            pass

    def mend(self):
        os.unlink(self.fail_file)

    def wait_until_held(self):
        wait_until(lambda: os.path.exists(self.hold_file + ".waiting"), "a sync was tried")


@pytest.fixture
def disk(tmp_path):
    made = []

    def make(only):
        assert os.path.exists(SHIM), f"{SHIM} is missing: make {SHIM}"
        made.append(Disk(tmp_path, only))
        return made[0]
    yield make
    for d in made:
        if os.path.exists(d.hold_file):
            d.release()


def alive(g, channel):
    """The ingest loop has gone round since: it answers another call on the same connection."""
    return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=60).status == 1


def future(channel, request):
    return flyte.admin_pb2_grpc.AdminServiceStub(channel).CreateTaskEvent.future(request, timeout=60)


def test_no_ok_before_the_record_is_on_the_disk(gateway, disk):
    d = disk("segments/")
    g = gateway(env=d.env)
    with g.channel() as channel:
        flyte.send(channel, flyte.task(name="before"))
        g.settled(1)
        d.hold()
        calls = [future(channel, flyte.task(name=f"f{i}")) for i in range(5)]
        d.wait_until_held()
        assert alive(g, channel) and alive(g, channel)
        assert not any(c.done() for c in calls)
        state = g.pipeline()
        assert (state["accepted"], state["published"]) == (1, 1), "a record was seen before it was durable"
        assert len(g.lines()) == 1
        d.release()
        for c in calls:
            c.result()
    g.settled(6)


def test_no_202_either(gateway, disk):
    d = disk("segments/")
    g = gateway(env=d.env)
    body = '{"specversion":"1.0","id":"1","source":"/s","type":"t"}'
    assert g.post("/v1/events", body, "application/cloudevents+json")[0] == 202      # makes the segment, with syncs of its own
    d.hold()
    answers = []
    client = threading.Thread(target=lambda: answers.append(g.post("/v1/events", body, "application/cloudevents+json")))
    client.start()
    d.wait_until_held()
    assert g.post("/nowhere", "")[0] == 404 and not answers
    d.release()
    client.join()
    assert answers[0][0] == 202


def test_no_file_event_counts_as_delivered_before_its_sync(gateway, disk):
    d = disk("all.jsonl")
    g = gateway(FILE + "  - {name: other, publisher: {type: 'null'}}\n", env=d.env)
    d.hold()
    with g.channel() as channel:
        flyte.send(channel, flyte.task())
        d.wait_until_held()
        g.settled(1, "other")
        state = g.pipeline()
        assert (state["published"], state["lag"]) == (0, 1)
        assert g.metric("moongate_messages_published_total", pipeline="all") == 0
        d.release()
        assert g.settled(1)["all"]["published"] == 1


def test_no_cursor_moves_before_the_state_is_on_the_disk(gateway, disk):
    d = disk("state.db")
    g = gateway(env=d.env)
    d.hold()
    with g.channel() as channel:
        flyte.send(channel, flyte.task())
    wait_until(g.lines, "the event is in the file")
    d.wait_until_held()
    state = g.pipeline()
    assert (state["published"], state["lag"]) == (0, 1)
    g.kill()
    d.release()
    g.start()
    g.settled(1)
    assert set(g.ids()) == {flyte.id_of(flyte.task())}
    assert g.pipeline()["accepted"] == 1


def test_a_failed_sync_ends_the_process_and_nobody_got_ok(gateway, disk):
    """Never tried again: what the kernel threw away would be taken for written."""
    d = disk("segments/")
    g = gateway(env=d.env)
    with g.channel() as channel:
        flyte.send(channel, flyte.task(name="kept"))
        d.break_()
        with pytest.raises(grpc.RpcError) as error:
            flyte.send(channel, flyte.task(name="lost"))
    assert error.value.code() == grpc.StatusCode.UNAVAILABLE
    assert g.wait() == 1
    assert "level=error" in g.log()
    d.mend()
    g.start()
    g.settled()
    assert flyte.id_of(flyte.task(name="kept")) in g.ids()
    with g.channel() as channel:
        flyte.send(channel, flyte.task(name="after"))
    wait_until(lambda: flyte.id_of(flyte.task(name="after")) in g.ids())


def test_everyone_who_waits_on_a_failed_sync_is_refused(gateway, disk):
    d = disk("segments/")
    g = gateway(env=d.env)
    with g.channel() as channel:
        flyte.send(channel, flyte.task(name="before"))
        d.hold()
        calls = [future(channel, flyte.task(name=f"f{i}")) for i in range(20)]
        d.wait_until_held()
        d.break_()
        d.release()
        codes = {c.exception().code() for c in calls}
    assert codes == {grpc.StatusCode.UNAVAILABLE}
    assert g.wait() == 1


def test_a_failed_sync_of_the_state_ends_the_process(gateway, disk):
    d = disk("state.db")
    g = gateway(env=d.env)
    d.break_()
    with g.channel() as channel:
        flyte.send(channel, flyte.task())
    assert g.wait() == 1
    d.mend()
    g.start()
    g.settled(1)
    assert set(g.ids()) == {flyte.id_of(flyte.task())}


def test_a_failed_sync_of_a_file_is_tried_again(gateway, disk):
    """A destination's failure is no failure of the log."""
    d = disk("all.jsonl")
    g = gateway("pipelines:\n  - {name: all, retry: {initial: 10ms, max: 20ms}, publisher: {type: file, path: all.jsonl}}\n", env=d.env)
    d.break_()
    with g.channel() as channel:
        for i in range(3):
            flyte.send(channel, flyte.task(node_id=f"n{i}"))
    wait_until(lambda: g.metric("moongate_publish_retries_total", pipeline="all") > 0)
    assert g.pipeline()["published"] == 0
    d.mend()
    g.settled(3)
    assert g.ids() == [flyte.id_of(flyte.task(node_id=f"n{i}")) for i in range(3)]


def test_a_deadline_that_passes_while_waiting_is_told(gateway, disk):
    d = disk("segments/")
    g = gateway(env=d.env)
    d.hold()
    with h2raw.Connection(g.grpc) as c:
        stream = c.grpc("CreateTaskEvent", **{"grpc-timeout": "50m"})
        c.data(stream, h2raw.message(flyte.task().SerializeToString()), end=True)
        assert c.answer(stream).status == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
        d.release()
    g.settled(1)                                             # the record may be kept; here nothing hinders it


def test_a_client_that_left_while_waiting_disturbs_nobody(gateway, disk):
    d = disk("segments/")
    g = gateway(env=d.env)
    d.hold()
    with h2raw.Connection(g.grpc) as c:
        for _ in range(20):
            stream = c.grpc("CreateTaskEvent")
            c.data(stream, h2raw.message(flyte.task().SerializeToString()), end=True)
        d.wait_until_held()
        c.send(h2raw.frame(h2raw.RST_STREAM, 0, 1, b"\0\0\0\x08"))
    d.release()
    with g.channel() as channel:
        flyte.send(channel, flyte.task(name="after"))
    g.settled(1)
    wait_until(lambda: flyte.id_of(flyte.task(name="after")) in g.ids())


def test_durability_os_does_not_wait_for_the_disk(gateway, disk):
    """What `durability: os` says: it survives a crash of the process, and is not held by the disk."""
    d = disk("segments/")
    g = gateway("log: {durability: os}\n" + FILE, env=d.env)
    d.hold()
    with g.channel() as channel:
        flyte.send(channel, flyte.task())
    g.kill()
    d.release()
    g.start()
    g.settled(1)
