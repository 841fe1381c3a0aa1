"""HTTP/2 as a hostile network sends it, on both listeners: floods are bounded and counted, heads that would mean something else
behind us are refused, and a peer with windows of one byte is served."""
import re

import pytest

import flyte
import h2raw
from gateway import BINARY
from h2raw import ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame
from seen import Seen

CONFIG = """\
ingest:
  grpc: {{listen: 127.0.0.1:0}}
  http: {{listen: 127.0.0.1:0, upstream: "http://{address}"}}
pipelines: [{{name: all, publisher: {{type: 'null'}}}}]
"""
LISTENERS = ["grpc", "http"]
IS_PLAIN = not re.search(r"build/(asan|tsan)/", BINARY)      # sanitizers keep memory of their own


@pytest.fixture(name="rig", scope="module")
def start(kept):
    with Seen() as behind:
        yield kept(CONFIG.format(address=behind.address)), behind


def works(c, listener):
    """An event is taken on this connection."""
    if listener == "grpc":
        stream = c.grpc("CreateWorkflowEvent")
        c.data(stream, h2raw.message(flyte.workflow().SerializeToString()), end=True)
        return c.answer(stream).status == 0
    stream = c.headers(flyte.REST["workflow"], {"content-type": "application/json"})
    c.data(stream, b"{}", end=True)
    return c.answer(stream).headers[":status"] == "200"


# ---- floods: bytes that are sent again and again; {stream} is open
def window(n):
    return n.to_bytes(4, "big")


def each(c, last):
    """3000 requests, each with this behind it."""
    for _ in range(3000):
        stream = c.headers("/flyteidl.service.AdminService/CreateTaskEvent", {"content-type": "application/grpc"})
        c.send(last(stream))


FLOODS = {
    "SETTINGS": lambda c, s: c.send(frame(SETTINGS) * 200000),
    "SETTINGS that change each stream's window": lambda c, s: c.send((frame(SETTINGS, 0, 0, b"\0\4\0\0\0\1") + frame(SETTINGS, 0, 0, b"\0\4\0\0\xff\xff")) * 50000),
    "answers to SETTINGS": lambda c, s: c.send(frame(SETTINGS, ACK) * 200000),
    "PING": lambda c, s: c.send(frame(PING, 0, 0, b"12345678") * 200000),
    "answers to PING": lambda c, s: c.send(frame(PING, ACK, 0, b"12345678") * 200000),
    "empty DATA": lambda c, s: c.send(frame(DATA, 0, s) * 200000),
    "DATA of padding": lambda c, s: c.send(frame(DATA, 8, s, b"\3\0\0\0") * 200000),
    "PRIORITY": lambda c, s: c.send(b"".join(frame(PRIORITY, 0, 2 * i + 1001, b"\0\0\0\0\1") for i in range(1000)) * 50),
    "a connection's window": lambda c, s: c.send(frame(WINDOW_UPDATE, 0, 0, window(1)) * 200000),
    "a stream's window": lambda c, s: c.send(frame(WINDOW_UPDATE, 0, s, window(1)) * 200000),
    "unknown frames": lambda c, s: c.send(frame(0x42, 0, 0) * 200000),
    "empty continuations": lambda c, s: c.send(frame(HEADERS, 0, s + 2) + frame(CONTINUATION, 0, s + 2) * 200000),
    "continuations": lambda c, s: c.send(frame(HEADERS, 0, s + 2) + frame(CONTINUATION, 0, s + 2, b"\0\x01a\x01b" * 200) * 2000),
    "rapid reset": lambda c, s: each(c, lambda stream: frame(RST_STREAM, 0, stream, b"\0\0\0\x08")),
    "resets that it makes us send": lambda c, s: each(c, lambda stream: frame(WINDOW_UPDATE, 0, stream, window(0x7FFFFFFF))),
    "windows of nothing": lambda c, s: each(c, lambda stream: frame(WINDOW_UPDATE, 0, stream, window(0))),
}


@pytest.mark.parametrize("listener", LISTENERS)
def test_floods_are_bounded_and_counted(rig, listener):
    g = rig[0]
    address, before = getattr(g, listener), g.metric("process_resident_memory_bytes")
    told = g.log().count("a client is sent away")
    for name, flood in FLOODS.items():
        with h2raw.Connection(address) as other:
            assert works(other, listener)
            with h2raw.Connection(address) as c:
                stream = c.headers("/nothing", {"content-type": "application/grpc"})
                try:
                    flood(c, stream)
                except OSError:
                    pass                                   # closed on us already
                assert c.closed(), name
            assert works(other, listener), name
    assert g.log().count("a client is sent away") > told
    if IS_PLAIN:
        assert g.metric("process_resident_memory_bytes") < before + 50e6


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_small_head_does_not_become_a_large_one(rig, listener):
    """4 KB in the table of HPACK, named by a byte each: a head of 16 KB would be 50 MB, a connection of them anything."""
    g = rig[0]
    before = g.metric("process_resident_memory_bytes")
    with h2raw.Connection(getattr(g, listener)) as c:
        assert works(c, listener)
        for _ in range(50):
            stream = c.headers("/x", {"content-type": "application/grpc", "x-bomb": "v" * 3900}, end=True)
            c.answer(stream)
            block = c.encoder.encode([(":method", "POST"), (":scheme", "http"), (":path", "/x"), (":authority", "gateway")], huffman=False)
            stream, c.next_stream = c.next_stream, c.next_stream + 2
            c.answers[stream] = h2raw.Answer()
            c.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, block + b"\xbe" * 12000))
            answer = c.answer(stream)
            assert answer.reset is not None or answer.headers.get(":status") in ("431", "400")
        assert works(c, listener)
    if IS_PLAIN:
        assert g.metric("process_resident_memory_bytes") < before + 20e6


@pytest.mark.parametrize("listener", LISTENERS)
def test_windows_of_one_byte_are_served(rig, listener):
    """The connection's own starts at 65535: a stream's alone is one."""
    with h2raw.Connection(getattr(rig[0], listener), settings=b"\0\4\0\0\0\1") as c:
        for _ in range(20):
            assert works(c, listener)
        stream = c.headers("/nowhere" + "x" * 3000, {"content-type": "application/grpc"}, end=True)
        answer = c.answer(stream)
        assert answer.headers[":status"] == "200" and answer.reset is None
        if listener == "http":
            assert answer.data == b"ok"                    # of who stands behind


# ---- heads that would mean something else once they are HTTP/1.1
GOOD = [(":method", "POST"), (":scheme", "http"), (":path", "/x"), (":authority", "a")]


def but(**pseudo):
    return [(name, pseudo.get(name[1:], value)) for name, value in GOOD]


HEADS = {
    "CR LF in a value": GOOD + [("x-a", "b\r\nx-c: d")],
    "a request in a value": GOOD + [("x-a", "b\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a")],
    "LF in a value": GOOD + [("x-a", "b\nx-c: d")],
    "CR in a value": GOOD + [("x-a", "b\rc")],
    "NUL in a value": GOOD + [("x-a", "b\0c")],
    "CR LF in a name": GOOD + [("x-a: b\r\nx-c", "d")],
    "a colon in a name": GOOD + [("x-a:b", "c")],
    "white space in a name": GOOD + [("x-a ", "b")],
    "upper case in a name": GOOD + [("X-a", "b")],
    "an empty name": GOOD + [("", "b")],
    "an unknown pseudo header": GOOD + [(":status", "200")],
    "a pseudo header behind others": GOOD[:3] + [("x-a", "b")] + GOOD[3:],
    "two paths": GOOD + [(":path", "/y")],
    "two methods": GOOD + [(":method", "GET")],
    "two authorities": GOOD + [(":authority", "b")],
    "two hosts": GOOD + [("host", "a"), ("host", "b")],
    "no method": GOOD[1:],
    "no path": GOOD[:2] + GOOD[3:],
    "no scheme": GOOD[:1] + GOOD[2:],
    "an empty path": but(path=""),
    "a path that is none": but(path="x"),
    "an absolute path": but(path="http://b/x"),
    "a space in the path": but(path="/x HTTP/1.1\t"),
    "CR LF in the path": but(path="/x HTTP/1.1\r\nx-a: b"),
    "a star": but(path="*"),
    "a space in the method": but(method="GET /smuggled HTTP/1.1"),
    "CR LF in the method": but(method="GET\r\n"),
    "CR LF in the authority": but(authority="a\r\nx-a: b"),
    "a space in the authority": but(authority="a b"),
    "CR LF in the scheme": but(scheme="http\r\n"),
    "transfer-encoding": GOOD + [("transfer-encoding", "chunked")],
    "connection": GOOD + [("connection", "x-a")],
    "keep-alive": GOOD + [("keep-alive", "1")],
    "upgrade": GOOD + [("upgrade", "h2c")],
    "proxy-connection": GOOD + [("proxy-connection", "close")],
    "te but trailers": GOOD + [("te", "chunked")],
    "two lengths": GOOD + [("content-length", "2"), ("content-length", "3")],
    "a length that is none": GOOD + [("content-length", "2, 2")],
    "a length with a sign": GOOD + [("content-length", "+2")],
    "a length above its body": GOOD + [("content-length", "3")],
    "a length below its body": GOOD + [("content-length", "1")],
    "a length of nothing": GOOD + [("content-length", "")],
    "a tunnel": [(":method", "CONNECT"), (":authority", "a:443")],
    "a tunnel with a path": [(":method", "CONNECT"), (":authority", "a:443"), (":path", "/x"), (":scheme", "http")],
    "a tunnel for a web socket": GOOD + [(":protocol", "websocket")],
}


@pytest.mark.parametrize("listener", LISTENERS)
def test_heads_that_mean_something_else_in_http1_go_no_further(rig, listener):
    g, behind = rig
    del behind.requests[:]
    wrong = []
    for name, fields in HEADS.items():
        with h2raw.Connection(getattr(g, listener)) as c:
            if listener == "grpc":
                fields = [(n, "/flyteidl.service.AdminService/CreateTaskEvent" if (n, v) == (":path", "/x") else v) for n, v in fields]
            stream = c.open(fields + [("content-type", "application/grpc" if listener == "grpc" else "text/plain")])
            c.data(stream, b"ab", end=True)
            answer = c.answer(stream)
            status = answer.headers.get(":status")         # 200 is a request that was read
            if not (answer.reset or c.goaway or status in ("400", "404", "405")) or behind.requests or behind.wrong:
                wrong.append((name, status, answer.status, answer.reset, list(behind.requests), behind.wrong))
                del behind.requests[:]
    assert not wrong, "\n".join(map(str, wrong))


def test_what_goes_on_as_http1_is_what_was_meant(rig):
    """The same head without anything wrong, a host that says otherwise, a body without a length, trailers."""
    g, behind = rig
    del behind.requests[:]
    with h2raw.Connection(g.http) as c:
        stream = c.open(GOOD + [("x-a", "b"), ("te", "trailers"), ("host", "b")])
        c.data(stream, b"0\r\n\r\n")
        c.data(stream, b"GET /smuggled HTTP/1.1\r\n\r\n")
        c.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, c.encoder.encode([("x-t", "1")], huffman=False)))
        assert c.answer(stream).headers[":status"] == "200"
    assert behind.requests == [("POST", "/x", "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")] and not behind.wrong
