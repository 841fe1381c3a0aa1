"""What does not arrive at once: held back, tried again, given up, stopped in between; and nothing of it lost or repeated."""
import http.server
import json
import threading
import time

import grpc
import pytest

import flyte
import kafka
from wait import wait_until

BATCH = "application/cloudevents-batch+json"


class Destination:
    """A webhook that does as it is told: answer(event) is its status, None: no answer ever."""

    def __init__(self):
        self.answer = lambda event: 200
        self.taken, self.tries = [], 0
        self.over = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                event = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.tries += 1
                status = outer.answer(event)
                if status is None:
                    outer.over.wait()
                    self.close_connection = True
                    return
                if status < 300:
                    outer.taken.append(event["id"])
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/"

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def destination():
    d = Destination()
    yield d
    d.close()


def events(*keys):
    """Of each key, in this order: `a`, `b`, `a` have ids a0, b1, a2."""
    return [{"specversion": "1.0", "id": f"{key}{i}", "source": "/s", "type": "t", "partitionkey": key} for i, key in enumerate(keys)]


def post(g, every):
    status, _, text = g.post("/v1/events", json.dumps(every), BATCH)
    assert status == 202, text


def webhook(destination, more):
    return f"pipelines:\n  - {{name: w, {more}, publisher: {{type: http, url: '{destination.url}'}}}}\n"


def by_key(ids):
    keys = {}
    for i in ids:
        keys.setdefault(i[0], []).append(i)
    return keys


def test_a_key_is_held_back_alone_until_max_in_flight(gateway, destination):
    shut = threading.Event()
    shut.set()
    destination.answer = lambda event: 503 if event["id"][0] == "a" and shut.is_set() else 200
    g = gateway(webhook(destination, "max_in_flight: 20, retry: {initial: 20ms, max: 50ms}"))
    every = events(*"abbbcabcbcbcbabcbbbb", *"bc" * 20)
    first = [e["id"] for e in every[:20] if e["id"][0] != "a"]
    post(g, every)
    wait_until(lambda: len(destination.taken) >= len(first), lambda: destination.taken)
    tries = destination.tries
    wait_until(lambda: destination.tries > tries + 3)        # the held back one is tried again, nothing else moves
    assert sorted(destination.taken) == sorted(first)
    wait_until(lambda: (p := g.pipeline("w"))["lag"] == len(every) - len(first) and not p["up"] and "503" in p["last_error"], g.pipelines)
    shut.clear()
    g.settled(len(every))
    assert by_key(destination.taken) == by_key([e["id"] for e in every])
    assert g.pipeline("w")["up"] and not g.pipeline("w")["last_error"]


def test_without_order_nothing_waits_for_its_key(gateway, destination):
    destination.answer = lambda event: 503 if event["id"] == "a0" else 200
    g = gateway(webhook(destination, "order_by: none, retry: {initial: 20ms, max: 50ms}"))
    post(g, events(*"a" * 30))
    wait_until(lambda: g.pipeline("w")["published"] == 29, g.pipelines)
    assert "a0" not in destination.taken
    destination.answer = lambda event: 200
    g.settled(30)


def test_given_up_after_the_first_failure(gateway, destination):
    destination.answer = lambda event: 429 if event["id"] == "a0" else 200
    g = gateway(webhook(destination, "retry: {initial: 10ms, max: 20ms, give_up_after: 100ms}"))
    post(g, events(*"aabb"))
    p = g.settled(4)["w"]
    assert (p["published"], p["dead_lettered"]) == (3, 1)
    assert g.metric("moongate_events_dead_lettered_total", pipeline="w", reason="gave_up") == 1
    assert by_key(destination.taken) == {"a": ["a1"], "b": ["b2", "b3"]}


def test_full_dead_letters_stop_their_pipeline_until_there_is_room(gateway, destination):
    destination.answer = lambda event: 400 if event["id"][0] == "x" else 200
    config = webhook(destination, "dead_letters: {max_bytes: %s}, retry: {initial: 10ms, max: 20ms}") + \
        "  - {name: all, publisher: {type: file, path: all.jsonl}}\n"
    g = gateway(config % 1)
    post(g, events(*"axxa"))
    wait_until(lambda: not g.pipeline("w")["up"], g.pipelines)
    p = g.pipeline("w")
    assert "dead letters are full" in p["last_error"] and "dead_letters.max_bytes" in p["last_error"]
    assert p["dead_lettered"] == 1
    post(g, events(*"aaaa"))
    assert g.settled(8, "all")["all"]["up"]                  # the other one notices nothing
    assert (g.pipeline("w")["accepted"], g.pipeline("w")["dead_lettered"]) == (8, 1)
    assert g.metric("moongate_pipeline_up", pipeline="w") == 0 and g.get("/readyz")[0] == 200
    assert g.stop() == 0
    g.configure(config % "1MiB")
    g.start()
    p = g.settled(8)["w"]
    assert (p["published"], p["dead_lettered"], p["up"]) == (6, 2, True)


def test_a_destination_that_never_answers_holds_a_stop_no_longer_than_it_may(gateway, destination):
    destination.answer = lambda event: None
    g = gateway("shutdown_timeout: 400ms\n" + webhook(destination, "retry: {initial: 10ms, max: 20ms}"))
    post(g, events(*"abab"))
    wait_until(lambda: destination.tries > 0)
    assert g.stop() == 0, g.log()
    destination.answer = lambda event: 200
    destination.over.set()
    g.start()
    g.settled(4)
    assert by_key(destination.taken) == by_key(["a0", "b1", "a2", "b3"])


def test_a_stop_does_not_wait_for_what_waits(gateway, destination):
    """With nothing under way a stop need not wait, whatever shutdown_timeout says (an hour: the test would end first)."""
    destination.answer = lambda event: 503
    g = gateway("shutdown_timeout: 1h\n" + webhook(destination, "retry: {initial: 1h, max: 1h}"))
    post(g, events(*"abab"))
    wait_until(lambda: destination.tries >= 2)
    assert g.stop() == 0, g.log()


def test_a_stop_does_not_wait_for_brokers_that_are_not_there(gateway):
    g = gateway("shutdown_timeout: 1h\npipelines:\n  - {name: k, publisher: {type: kafka, brokers: '127.0.0.1:1', topic: t}}\n")
    post(g, events(*"abab"))
    wait_until(lambda: not g.pipeline("k")["up"], g.pipelines)
    assert g.stop() == 0, g.log()


class Client(threading.Thread):
    """Sends until it is refused; what was acknowledged, in order."""

    def __init__(self, g, number, stop):
        super().__init__()
        self.g, self.number, self.stop = g, number, stop
        self.acknowledged, self.step = [], 0

    def run(self):
        while not self.stop.is_set():
            address = self.g.grpc
            with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
                while not self.stop.is_set() and self.one(channel):
                    self.step += 1
            time.sleep(0.005)

    def one(self, channel):
        request = flyte.task(name=f"e{self.number}", node_id=f"n{self.step}")
        try:
            flyte.send(channel, request, timeout=20)
        except grpc.RpcError:
            return False
        self.acknowledged.append(flyte.id_of(request))
        return True


@pytest.mark.concurrent
@pytest.mark.slow_start
def test_a_clean_stop_under_load_repeats_nothing(gateway, broker, topic):
    kafka.create(broker, topic, partitions=2)
    g = gateway("shutdown_timeout: 30s\npipelines:\n  - {name: all, publisher: {type: file, path: all.jsonl}}\n"
                f"  - {{name: k, workers: 2, publisher: {{type: kafka, brokers: ['{broker}'], topic: '{topic}'}}}}\n")
    stop = threading.Event()
    clients = [Client(g, n, stop) for n in range(6)]
    for c in clients:
        c.start()
    try:
        for restart in range(3):
            before = g.pipeline("k")["published"]
            wait_until(lambda: g.pipeline("k")["published"] > before + 200, g.pipelines)
            g.restart()
    finally:
        stop.set()
        for c in clients:
            c.join()
    count = sum(len(c.acknowledged) for c in clients)
    every = g.settled(count)
    assert every["all"]["accepted"] == every["k"]["accepted"]
    sent = [m for m in kafka.read_now(broker, topic)]
    for ids in (g.ids(), [json.loads(m.value())["id"] for m in sent]):
        assert len(ids) == every["k"]["accepted"]            # each once; an unanswered one may be sent twice by its client
        for c in clients:
            mine = [i for i in ids if i in set(c.acknowledged)]
            assert list(dict.fromkeys(mine)) == c.acknowledged
