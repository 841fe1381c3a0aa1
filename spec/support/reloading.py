"""What the tests of reloads share: pipelines, and what a gateway says of a reload."""
import contextlib
import json
import signal
import socket
import threading

import grpc

import flyte
from gateway import request
from wait import wait_until

ALL = "pipelines:\n  - {name: all, publisher: {type: file, path: all.jsonl}}\n"
FRESH = "  - {name: fresh, publisher: {type: file, path: fresh.jsonl}}\n"
DOWN = "  - {name: down, publisher: {type: kafka, brokers: '127.0.0.1:1', topic: t}}\n"
SOON = "shutdown_timeout: 500ms\n"
COUNT = "local n = 0\nreturn function(e) n = n + 1; e.n = n end\n"


def send(g, *names):
    with g.channel() as channel:
        for name in names:
            flyte.send(channel, flyte.workflow(name=name))


def ids(*names):
    return [flyte.id_of(flyte.workflow(name=name)) for name in names]


@contextlib.contextmanager
def clients(g, n):
    """n clients that send tasks until the block ends; gives a list of ids for each, as they are sent."""
    stop, sent = threading.Event(), [[] for _ in range(n)]

    def client(number):
        with grpc.insecure_channel(g.grpc, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            while not stop.is_set():
                r = flyte.task(name=f"c{number}", node_id=f"n{len(sent[number])}")
                flyte.send(channel, r)
                sent[number].append(flyte.id_of(r))
    threads = [threading.Thread(target=client, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    try:
        yield sent
    finally:
        stop.set()
        for t in threads:
            t.join()


def reload(g, config=None):
    """What a reload over the API says."""
    if config:
        g.configure(config)
    status, _, body = request(g.admin, "POST", "/api/reload")
    return status, json.loads(body)


def counts(g, config=None):
    status, told = reload(g, config)
    assert status == 200 and told["reloaded"] is True, told
    return {k: told[k] for k in ("added", "removed", "changed", "unchanged", "failed")}


def changed_or_not(g, config=None):
    """(pipelines that are as they are wished, those that are not): a script that was saved may have been taken by itself before."""
    told = counts(g, config)
    return told["changed"] + told["unchanged"], told["failed"]


def expect(added=0, removed=0, changed=0, unchanged=0, failed=0):
    return {"added": added, "removed": removed, "changed": changed, "unchanged": unchanged, "failed": failed}


def said(g, message):
    return [x for x in g.log().splitlines() if f'msg="{message}"' in x]


def hup(g, config=None):
    """A SIGHUP, and its line when it is done."""
    before = len(said(g, "reloaded"))
    if config:
        g.configure(config)
    g.signal(signal.SIGHUP)
    wait_until(lambda: len(said(g, "reloaded")) > before, g.log)
    return said(g, "reloaded")[-1]


@contextlib.contextmanager
def silence():
    """The URL of a server that takes requests and never answers."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(64)
        yield "http://127.0.0.1:%d/" % s.getsockname()[1]
