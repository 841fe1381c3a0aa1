"""Clients that are slow, or stop, on purpose: each wait ends with its timeout on either listener, and costs nobody else anything.
All of them hang at once; that they are cut off is all that is waited for."""
import select
import socket
import threading

import hpack
import pytest

import flyte
import h2raw
import http1
from h2raw import DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, frame

SHORT = "listen: 127.0.0.1:0, header_timeout: 1s, body_timeout: 1s, idle_timeout: 1s, max_message_bytes: 1MiB"
CONFIG = f"""\
ingest: {{grpc: {{{SHORT}}}, http: {{{SHORT.replace('max_message_bytes', 'max_body_bytes')}}}}}
pipelines: [{{name: all, publisher: {{type: 'null'}}}}]
"""
HEAD1 = b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/cloudevents+json\r\n"
BEGUN = h2raw.PREFACE + frame(SETTINGS)


def block(*fields):
    return hpack.Encoder().encode([(":method", "POST"), (":scheme", "http"), (":path", "/flyteidl.service.AdminService/CreateTaskEvent"),
                                   (":authority", "a"), ("content-type", "application/grpc"), *fields], huffman=False)


STOPS = {
    "nothing at all": b"",
    "half a preface": h2raw.PREFACE[:10],
    "a preface alone": h2raw.PREFACE,
    "half a request line": HEAD1[:9],
    "half a head": HEAD1,
    "a head without its last line end": HEAD1 + b"Content-Length: 9\r\n\r",
    "half a body": HEAD1 + b"Content-Length: 9\r\n\r\n{",
    "half a chunk's size": HEAD1 + b"Transfer-Encoding: chunked\r\n\r\n1",
    "half a chunk": HEAD1 + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{",
    "no last chunk": HEAD1 + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "half a trailer": HEAD1 + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-T: 1\r\n",
    "an Expect that is never followed": HEAD1 + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    "a request, then nothing": b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
    "half a frame's head": BEGUN + b"\0\0\4",
    "half a block of headers": BEGUN + frame(HEADERS, END_HEADERS, 1, block())[:40],
    "headers that go on": BEGUN + frame(HEADERS, 0, 1, block()),
    "a message that never starts": BEGUN + frame(HEADERS, END_HEADERS, 1, block()),
    "half a message": BEGUN + frame(HEADERS, END_HEADERS, 1, block()) + frame(DATA, 0, 1, b"\0\0\0\0\x09ab"),
    "half a frame of DATA": BEGUN + frame(HEADERS, END_HEADERS, 1, block()) + frame(DATA, 0, 1, b"\0\0\0\0\x09ab")[:12],
    "a window that is never opened": h2raw.PREFACE + frame(SETTINGS, 0, 0, b"\0\4\0\0\0\0") + frame(HEADERS, END_HEADERS, 1, block())
    + frame(DATA, 1, 1, h2raw.message(flyte.task().SerializeToString())),
}
# A byte now and again: a head gets no more time for it.
DRIPS = {
    "a head": (HEAD1, b"X-A: b\r\n"),
    "a header without an end": (HEAD1 + b"X-A: ", b"b"),
    "a preface": (b"", h2raw.PREFACE[:10]),
    "a block of headers": (BEGUN + frame(HEADERS, END_HEADERS, 1, block() + b"\0" * 9000)[:40], b"\0"),
    "continuations": (BEGUN + frame(HEADERS, 0, 1, block()), frame(h2raw.CONTINUATION, 0, 1, b"\0\x01a\x01b")),
}


def connect(address, receives=None):
    host, port = address.rsplit(":", 1)
    s = socket.socket()
    if receives:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    s.settimeout(60)
    s.connect((host, int(port)))
    return s


def read_to_end(s):
    try:
        while s.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


def has_ended(s):
    """Without reading what there is to read."""
    poll = select.poll()
    poll.register(s, select.POLLRDHUP)
    return bool(poll.poll(0))


def works(g):
    with h2raw.Connection(g.grpc) as c, http1.Connection(g.http) as d:
        stream = c.grpc("CreateTaskEvent")
        c.data(stream, h2raw.message(flyte.task().SerializeToString()), end=True)
        d.send(http1.post(flyte.REST["workflow"], b"{}"))
        return c.answer(stream).status == 0 and d.answer()[0] == 200


@pytest.fixture(name="g", scope="module")
def start(kept):
    return kept(CONFIG)


def test_who_stops_is_cut_off(g):
    hanging = {}
    for listener in (g.grpc, g.http):
        for name, data in STOPS.items():
            hanging[listener, name] = s = connect(listener)
            s.sendall(data)
    assert works(g)
    for s in hanging.values():
        assert read_to_end(s)
        s.close()
    assert works(g)


def drip(s, data):
    """A byte at a time until it is no longer taken."""
    ended = threading.Event()
    try:
        for i in range(100000):
            s.sendall(data[i % len(data):][:1])
            if ended.wait(0.02) or has_ended(s):
                return
    except OSError:
        pass


def test_who_drips_is_cut_off(g):
    hanging, threads = [], []
    for listener in (g.grpc, g.http):
        for first, more in DRIPS.values():
            s = connect(listener)
            s.sendall(first)
            hanging.append(s)
            threads.append(threading.Thread(target=drip, args=(s, more), daemon=True))
    for t in threads:
        t.start()
    assert works(g)
    for t in threads:
        t.join(60)
        assert not t.is_alive()
    for s in hanging:
        s.close()
    assert works(g)


def fill(s, batches):
    """Sends until it is closed: long before, nothing is taken any more."""
    try:
        for data in batches:
            s.sendall(data)
    except (ConnectionResetError, BrokenPipeError):
        pass


def requests1():
    while True:
        yield b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" * 1000


def requests2():
    yield h2raw.PREFACE + frame(SETTINGS, 0, 0, b"\0\4\x7f\xff\xff\xff") + frame(h2raw.WINDOW_UPDATE, 0, 0, b"\x7f\xff\0\0")
    head = block()
    for first in range(1, 1 << 30, 200):
        yield b"".join(frame(HEADERS, END_HEADERS | END_STREAM, stream, head) for stream in range(first, first + 200, 2))


def test_who_does_not_read_is_cut_off(g):
    hanging = [(connect(listener, receives=4096), requests) for listener in (g.grpc, g.http) for requests in (requests1, requests2)]
    for s, requests in hanging:
        fill(s, requests())
    assert works(g)
    for s, _ in hanging:
        s.close()
