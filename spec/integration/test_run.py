"""moongate run: start, ready, logs, stop, lock, restart."""
import contextlib
import json
import os
import re
import signal
import socket
import threading

import grpc
import pytest

import flyte
import h2raw
import http1
from gateway import FILE, request, run
from wait import wait_until


def send(g, requests):
    with g.channel() as channel:
        for r in requests:
            flyte.send(channel, r)


def logfmt(line):
    return {k: json.loads(v) if v.startswith('"') else v for k, v in re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', line)}


def test_the_ready_file_names_what_listens(gateway):
    g = gateway()
    assert set(g.addresses) == {"pid", "grpc", "http", "admin"} and g.addresses["pid"] == g.pid
    for name in ("grpc", "http", "admin"):
        host, port = g.addresses[name].split(":")
        assert host == "127.0.0.1" and int(port) > 0
    assert [f for f in os.listdir(g.folder) if f.startswith("ready")] == ["ready.json"]


def test_only_what_is_listed_listens(gateway):
    g = gateway("ingest: {http: {listen: 127.0.0.1:0}}\n" + FILE)
    assert set(g.addresses) == {"pid", "http", "admin"}


def test_each_listener_logs_its_address_and_then_ready(gateway):
    g = gateway()
    lines = [logfmt(x) for x in g.log().splitlines()]
    listening = {x["component"]: x["address"] for x in lines if x["msg"] == "listening"}
    assert listening == {"ingest.grpc": g.grpc, "ingest.http": g.http, "admin": g.admin}
    ready = [i for i, x in enumerate(lines) if x["msg"] == "ready"]
    assert len(ready) == 1 and ready[0] > max(i for i, x in enumerate(lines) if x["msg"] == "listening")
    for x in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", x["time"]) and x["level"] in ("debug", "info", "warn", "error")


def test_the_same_lines_as_json(gateway):
    g = gateway(args=["--log-format", "json"])
    lines = [json.loads(x) for x in g.log().splitlines()]
    assert {x["component"] for x in lines if x["msg"] == "listening"} == {"ingest.grpc", "ingest.http", "admin"}
    assert all({"time", "level", "component", "msg"} <= set(x) for x in lines)


def test_log_level_leaves_out_the_rest(gateway):
    g = gateway(args=["--log-level", "error"])
    assert g.log() == ""


def test_a_crash_leaves_no_core_with_what_memory_held(gateway):
    g = gateway()
    with open(f"/proc/{g.process.pid}/limits", encoding="ascii") as f:
        limit = next(line.split() for line in f if line.startswith("Max core file size"))
    assert limit[4] == "0", limit


def test_a_memory_log_says_that_nothing_survives(gateway):
    g = gateway("log: {type: memory}\n" + FILE)
    assert any(logfmt(x)["level"] == "warn" for x in g.log().splitlines())
    send(g, [flyte.workflow()])
    g.settled(1)


def test_systemd_is_told(gateway, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(60)
        g = gateway(env={"NOTIFY_SOCKET": path})
        assert "READY=1" in s.recv(4096).decode().split("\n")
        g.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_stop_is_exit_0(gateway, number):
    g = gateway()
    send(g, [flyte.workflow()])
    g.signal(number)
    assert g.wait() == 0
    g.start()                                              # what was not under way yet waited in the log
    g.settled(1)
    assert g.ids() == [flyte.id_of(flyte.workflow())]


def test_a_stop_says_goaway_and_finishes_what_is_under_way(gateway):
    g = gateway()
    with h2raw.Connection(g.grpc) as c, http1.Connection(g.http) as other:
        stream = c.grpc("CreateWorkflowEvent")
        body = h2raw.message(flyte.workflow().SerializeToString())
        c.data(stream, body[:10])
        c.send(h2raw.frame(h2raw.PING, 0, 0, b"reached."))
        wait_until(c.step, "an answer to the PING")
        other.send(http1.post(flyte.REST["node"], b"{}", "application/json", "Expect: 100-continue")[:-2])
        assert other.answer()[0] == 100            # so it is known to be read, and under way
        g.signal(signal.SIGTERM)
        wait_until(lambda: c.goaway is not None or not c.step())
        assert c.goaway is not None
        c.data(stream, body[10:], end=True)
        assert c.answer(stream).status == 0
        other.send(b"{}")
        assert other.answer()[0] == 200
    assert g.wait() == 0
    g.start()
    g.settled(1)
    assert flyte.id_of(flyte.workflow()) in g.ids()


def test_readiness_is_503_while_stopping(gateway):
    """A hook that is still running holds the stop open."""
    g = gateway("shutdown_timeout: 60s\npipelines:\n  - {name: all, hooks: [slow.lua], hook_limits: {instructions: 10000000000, timeout: 3s},"
                " publisher: {type: 'null'}}\n", files={"slow.lua": "return function() while true do end end\n"})
    send(g, [flyte.workflow()])
    wait_until(lambda: g.pipeline()["lag"] == 1)
    g.signal(signal.SIGTERM)
    seen = []

    def state():
        try:
            seen.append(g.get("/readyz")[0])
        except OSError:
            seen.append("gone")
        return seen[-1] in (503, "gone")
    wait_until(state)
    assert g.wait() == 0


def test_one_gateway_a_directory(gateway):
    g = gateway()
    second = gateway(FILE + f"log: {{path: {g.path('moongate-data')}}}\n", name="second", started=False).spawn()
    assert second.wait() == 1
    assert f"another moongate (pid {g.pid}) uses " in second.log()
    assert not os.path.exists(second.ready_file)
    assert g.get("/readyz")[0] == 200


def test_a_newer_format_is_refused(gateway):
    g = gateway()
    assert g.stop() == 0
    with open(g.path("moongate-data/format"), "r+", encoding="ascii") as f:
        number = int(f.read().split()[0])
        f.seek(0)
        f.write(f"{number + 1}\n")
    g.spawn()
    assert g.wait() == 1
    assert "format" in g.log()


def test_a_port_in_use_is_exit_1_with_the_address(gateway):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        address = "127.0.0.1:%d" % s.getsockname()[1]
        g = gateway(f"ingest: {{grpc: {{listen: '{address}'}}}}\n" + FILE, started=False).spawn()
        assert g.wait() == 1
        assert address in g.log()


def test_a_bad_configuration_is_exit_1_and_starts_nothing(gateway):
    g = gateway("pipelines:\n  - {nam: x}\n", started=False).spawn()
    assert g.wait() == 1
    assert re.search(r"moongate\.yaml:\d+:\d+.*name", g.log())
    assert not os.path.exists(g.path("moongate-data"))


def test_a_restart_keeps_everything(gateway):
    g = gateway(FILE + "  - {name: k, publisher: {type: kafka, brokers: '127.0.0.1:1', topic: t}}\n"
                "  - {name: f, match: {project: none}, publisher: {type: 'null'}}\n")
    send(g, [flyte.workflow(name=f"f{i}") for i in range(30)])
    g.settled(30, "all")
    g.settled(30, "f")
    before = {n: {k: v for k, v in p.items() if k not in ("up", "last_error")} for n, p in g.pipelines().items()}
    g.restart()
    after = {n: {k: v for k, v in p.items() if k not in ("up", "last_error")} for n, p in g.pipelines().items()}
    assert after == before and before["k"]["lag"] == 30
    assert len(g.lines()) == 30


def test_a_new_pipeline_starts_now_or_with_what_is_kept(gateway):
    g = gateway(FILE + "  - {name: k, publisher: {type: kafka, brokers: '127.0.0.1:1', topic: t}}\n")
    send(g, [flyte.workflow(name=f"f{i}") for i in range(5)])
    g.settled(5, "all")
    g.stop()
    g.configure(FILE + "  - {name: k, publisher: {type: kafka, brokers: '127.0.0.1:1', topic: t}}\n"
                "  - {name: fresh, publisher: {type: file, path: fresh.jsonl}}\n"
                "  - {name: old, start: retained, publisher: {type: file, path: old.jsonl}}\n")
    g.start()
    send(g, [flyte.workflow(name="last")])
    g.settled(1, "fresh")
    g.settled(6, "old")
    assert len(g.lines("old.jsonl")) == 6
    assert g.ids("fresh.jsonl") == [flyte.id_of(flyte.workflow(name="last"))]


def test_an_orphan_cursor_is_told_and_keeps_its_records(gateway):
    g = gateway(FILE + "  - {name: gone, publisher: {type: kafka, brokers: '127.0.0.1:1', topic: t}}\n")
    send(g, [flyte.workflow()])
    g.stop()
    g.configure(FILE)
    g.start()
    assert g.metric("moongate_log_orphan_cursors") == 1
    assert any("gone" in x and "level=warn" in x for x in g.log().splitlines())


def test_a_full_log_refuses_and_takes_again_when_there_is_room(gateway, topic):
    g = gateway("log: {max_bytes: 8MiB, segment_bytes: 1MiB}\n"
                "pipelines:\n  - {name: k, publisher: {type: kafka, brokers: '127.0.0.1:1', topic: t}}\n")
    big = flyte.task(node_id="n" * 200000)
    accepted, refusal = 0, None
    with g.channel() as channel:
        for _ in range(100):
            try:
                flyte.send(channel, big)
                accepted += 1
            except grpc.RpcError as error:
                refusal = error
                break
        assert refusal is not None, "a hundred times 200 kB went into 8 MiB"
        assert refusal.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and not refusal.details().startswith("message too large")
        assert accepted >= 20
        status, headers, _ = g.post(flyte.REST["task"], big.SerializeToString(), "application/x-protobuf")
        assert status == 429 and int(headers["retry-after"]) >= 0
        assert g.get("/readyz")[0] == 503 and g.get("/healthz")[0] == 200
    assert g.pipeline("k")["accepted"] == accepted
    assert sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(g.path("moongate-data/segments")) for f in fs) <= 10 * 1024 * 1024
    g.stop()
    g.configure("log: {max_bytes: 8MiB, segment_bytes: 1MiB}\npipelines:\n  - {name: k, publisher: {type: file, path: all.jsonl}}\n")
    g.start()
    g.settled(accepted)
    wait_until(lambda: g.get("/readyz")[0] == 200)
    send(g, [big])
    g.settled(accepted + 1)
    assert len(g.lines()) == accepted + 1


def taken(channel, request_):
    """False: there was no room, which is to be tried again."""
    try:
        flyte.send(channel, request_)
        return True
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
        return False


def test_what_is_settled_gives_its_room_back(gateway):
    g = gateway("log: {max_bytes: 8MiB, segment_bytes: 1MiB}\n" + FILE)
    with g.channel() as channel:
        for i in range(100):
            wait_until(lambda: taken(channel, flyte.task(name=f"f{i}", node_id="n" * 200000)))
    g.settled(100)
    wait_until(lambda: g.metric("moongate_log_bytes") <= 2 * 1024 * 1024, lambda: g.metric("moongate_log_bytes"))
    assert len(g.lines()) == 100


def test_too_much_pending_is_refused_not_queued(gateway):
    g = gateway("ingest: {max_pending_bytes: 64KiB, grpc: {listen: 127.0.0.1:0}, http: {listen: 127.0.0.1:0}}\n" + FILE)
    with g.channel() as channel:
        with pytest.raises(grpc.RpcError) as error:
            flyte.send(channel, flyte.task(node_id="n" * 100000))
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        flyte.send(channel, flyte.task())
    assert g.settled(1)["all"]["accepted"] == 1


def test_max_connections_closes_the_one_too_many(gateway):
    g = gateway("ingest: {http: {listen: 127.0.0.1:0, max_connections: 2}}\n" + FILE)
    with http1.Connection(g.http) as a, http1.Connection(g.http) as b:
        for c in (a, b):
            c.send(http1.post(flyte.REST["task"], b"{}"))
            assert c.answer()[0] == 200
        with http1.Connection(g.http) as third:
            assert third.closed()
        a.send(http1.post(flyte.REST["task"], b"{}"))
        assert a.answer()[0] == 200


@pytest.mark.concurrent
def test_a_stop_under_load_answers_each_call_truly(gateway):
    """OK means kept: whatever was acknowledged is in the file after the next start; the rest was refused."""
    g = gateway()
    acknowledged, refused = [], []

    def client(number):
        with grpc.insecure_channel(g.grpc, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            for i in range(100000):
                r = flyte.task(name=f"c{number}", node_id=f"n{i}")
                try:
                    flyte.send(channel, r)
                    acknowledged.append(flyte.id_of(r))
                except grpc.RpcError as error:
                    refused.append(error.code())
                    return
    threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    wait_until(lambda: len(acknowledged) > 100)
    assert g.stop() == 0
    for t in threads:
        t.join()
    assert set(refused) == {grpc.StatusCode.UNAVAILABLE}
    g.start()
    g.settled()
    assert set(acknowledged) <= set(g.ids())


def test_listening_on_ipv6(gateway):
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6") or "00000000000000000000000000000001" not in open("/proc/net/if_inet6", encoding="ascii").read():
        pytest.skip("no IPv6 loopback here")
    g = gateway("ingest: {http: {listen: '[::1]:0'}}\n" + FILE)
    assert g.http.startswith("[::1]:")


def test_without_a_configuration_the_defaults_listen(gateway):
    """The documented ports, if nobody else has them."""
    taken = []
    for port in (8089, 8088, 9090):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                taken.append(port)
    if taken:
        pytest.skip(f"port {taken[0]} is in use on this machine")
    g = gateway(config_file=False)
    assert {k: v for k, v in g.addresses.items() if k != "pid"} == {"grpc": "127.0.0.1:8089", "http": "127.0.0.1:8088", "admin": "127.0.0.1:9090"}
    assert request(g.http, "POST", flyte.REST["task"], "{}", {"content-type": "application/json"})[0] == 200
    g.settled(1)
    assert json.loads(g.stdout())["id"]
    assert run("send", check=0).returncode == 0


SLOW_START = ("pipelines:\n  - {name: all, hooks: [slow.lua], hook_limits: {instructions: 100000000000, timeout: %s},"
              " publisher: {type: 'null'}}\n")
FOREVER = "while true do end\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_starting_is_a_clean_stop(gateway, number):
    g = gateway(SLOW_START % "300ms", files={"slow.lua": FOREVER}, started=False).spawn()
    wait_until(lambda: os.path.exists(g.path("moongate-data/lock")) or g.process.poll() is not None)
    g.signal(number)
    assert g.wait() == 0
    assert not os.path.exists(g.ready_file) and "stopped" in g.log()


def test_a_second_signal_while_starting_ends_at_once(gateway):
    g = gateway(SLOW_START % "30s", files={"slow.lua": FOREVER}, started=False).spawn()
    wait_until(lambda: os.path.exists(g.path("moongate-data/lock")) or g.process.poll() is not None)
    g.signal(signal.SIGTERM)

    def pending():
        with open(f"/proc/{g.pid}/status", encoding="ascii") as f:
            return [int(x, 16) for x in re.findall(r"^S(?:ig|hd)Pnd:\s+(\w+)", f.read(), re.M)]
    wait_until(lambda: not any(pending()))          # the two are not to become one
    g.signal(signal.SIGTERM)
    assert g.wait() == 1


@contextlib.contextmanager
def hanging(gateway, shutdown_timeout):
    """A gateway whose destination has taken an event, and the connection on which it has not answered."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        url = "http://127.0.0.1:%d/" % s.getsockname()[1]
        g = gateway(f"shutdown_timeout: {shutdown_timeout}\npipelines:\n"
                    f"  - {{name: web, publisher: {{type: http, url: '{url}', timeout: 1h}}}}\n")
        send(g, [flyte.workflow()])
        with s.accept()[0] as connection:
            assert connection.recv(4)               # so it is in flight
            yield g, connection
        g.start()


def test_a_hanging_destination_holds_a_stop_no_longer_than_it_may(gateway):
    """It takes the request and never answers: without shutdown_timeout this stop would not end."""
    with hanging(gateway, "500ms") as (g, _):
        assert g.stop() == 0
    assert g.pipeline("web")["lag"] == 1


def test_a_second_signal_ends_at_once_and_loses_nothing(gateway):
    with hanging(gateway, "1h") as (g, _):
        g.signal(signal.SIGTERM)
        wait_until(lambda: len(re.findall("msg=\"?(stopping|shutting down)", g.log())) or g.process.poll() is not None)
        g.signal(signal.SIGTERM)
        assert g.wait() == 1
    assert g.pipeline("web")["lag"] == 1


def test_who_comes_during_a_stop_is_told(gateway):
    """Until the last delivery has ended: new connections are taken, and refused with a reason."""
    with hanging(gateway, "60s") as (g, connection):
        g.signal(signal.SIGTERM)
        wait_until(lambda: g.get("/readyz")[0] == 503)
        answers = []

        def refused():
            answers.append(request(g.http, "POST", flyte.REST["task"], "{}", {"content-type": "application/json"}))
            return answers[-1][0] == 503 or g.process.poll() is not None
        wait_until(refused)
        assert "shutting down" in answers[-1][2]
        with g.channel() as channel, pytest.raises(grpc.RpcError) as error:
            flyte.send(channel, flyte.workflow(name="late"))
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE and error.value.details() == "shutting down"
        for address in g.http, g.grpc:
            status, headers, body = request(address, "POST", "/flyteidl2.workflow.EventsProxyService/Record", "x", {"content-type": "application/proto"})
            assert (status, json.loads(body)) == (503, {"code": "unavailable", "message": "shutting down"}) and headers["retry-after"]
        for method, headers in (("POST", {"content-type": "application/cloudevents+json"}), ("OPTIONS", {"webhook-request-origin": "o"})):
            status, _, body = request(g.http, method, "/v1/events", "{}", headers)
            assert status == 503 and json.loads(body)["message"] == "shutting down", method
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        while connection.recv(65536):
            pass
        assert g.wait() == 0
    p = g.pipeline("web")
    assert p["published"] == p["accepted"] - p["lag"] >= 1


def test_a_clean_stop_repeats_nothing(gateway):
    """Each stop comes while events are under way."""
    g = gateway("pipelines:\n  - {name: all, rate: 200, publisher: {type: file, path: all.jsonl}}\n")
    sent = [flyte.workflow(name=f"f{i}") for i in range(120)]
    for i in range(0, 120, 40):
        send(g, sent[i:i + 40])
        g.restart()
    g.settled(120)
    assert g.ids() == [flyte.id_of(r) for r in sent]
