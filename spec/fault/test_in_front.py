"""Killed when FlyteAdmin has taken an event and the log has not: the retry meets ALREADY_EXISTS, and that keeps it."""
import concurrent.futures
import os

import grpc
import pytest

import flyte
import upstream as up
from gateway import FILE, free_port
from test_sync import Disk
from wait import wait_until

KILLS = int(os.environ.get("KILLS") or 50)
ROUNDS = KILLS if KILLS > 100 else 8
EACH = 5


@pytest.fixture
def admin():
    stand_in = up.Upstream()
    stand_in.keeps = True
    with up.served(stand_in) as address:
        stand_in.address = address
        yield stand_in


def config(admin):
    return f"ingest: {{grpc: {{listen: '127.0.0.1:{free_port()}', upstream: '{admin.address}'}}}}\n" + FILE


def tried(g, request):
    """The code that one client got."""
    with g.channel() as channel:
        try:
            flyte.send(channel, request)
            return grpc.StatusCode.OK
        except grpc.RpcError as e:
            return e.code()


def strike(g, admin, disk, requests, how):
    """What the clients got when FlyteAdmin had taken everything and the disk nothing."""
    disk.hold()
    before = len(admin.taken)
    with concurrent.futures.ThreadPoolExecutor(len(requests)) as pool:
        codes = [pool.submit(tried, g, r) for r in requests]
        wait_until(lambda: len(admin.taken) == before + len(requests))
        disk.wait_until_held()
        how()
        codes = [c.result() for c in codes]
    for file in (disk.hold_file, disk.hold_file + ".waiting"):
        if os.path.exists(file):
            os.unlink(file)
    return codes


def test_killed_between_flyteadmins_answer_and_the_log_nothing_is_lost(gateway, admin, tmp_path):
    disk = Disk(tmp_path, "/segments/")
    g = gateway(config(admin), env=disk.env)
    expected, lost = [], 0
    for turn in range(ROUNDS):
        requests = [flyte.task(name=f"r{turn}n{i}") for i in range(EACH)]
        codes = strike(g, admin, disk, requests, g.kill)
        assert set(codes) == {grpc.StatusCode.UNAVAILABLE}         # nobody was told of success
        g.start()
        present = set(g.ids())
        lost += sum(flyte.id_of(r) not in present for r in requests)
        assert [tried(g, r) for r in requests] == [grpc.StatusCode.ALREADY_EXISTS] * EACH
        expected += [flyte.id_of(r) for r in requests]
    g.settled()
    assert set(g.ids()) == set(expected) and len(admin.taken) == ROUNDS * EACH
    assert lost > 0                                                # the strikes did fall between the two


def test_a_log_that_fails_behind_flyteadmins_answer_is_unavailable_and_the_retry_keeps_the_event(gateway, admin, tmp_path):
    disk = Disk(tmp_path, "/segments/")
    g = gateway(config(admin), env=disk.env)
    request = flyte.task()

    def break_disk():
        disk.break_()
        disk.release()
    assert strike(g, admin, disk, [request], break_disk) == [grpc.StatusCode.UNAVAILABLE]
    assert g.wait() == 1
    disk.mend()
    g.start()
    assert tried(g, request) == grpc.StatusCode.ALREADY_EXISTS
    g.settled()
    assert set(g.ids()) == {flyte.id_of(request)}
