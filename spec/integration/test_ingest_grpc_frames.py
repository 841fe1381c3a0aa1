"""gRPC below what a client library would send."""
import pytest

import flyte
import h2raw
from gateway import FILE

OK, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED = 0, 3, 8, 12


def still_works(connection):
    stream = connection.grpc("CreateWorkflowEvent")
    connection.data(stream, h2raw.message(flyte.workflow(name="after").SerializeToString()), end=True)
    return connection.answer(stream).status == OK


def test_one_byte_a_frame(gateway):
    g = gateway()
    with h2raw.Connection(g.grpc) as c:
        stream = c.grpc("CreateTaskEvent")
        for byte in h2raw.message(flyte.task().SerializeToString()):
            c.data(stream, bytes([byte]))
        c.data(stream, end=True)
        answer = c.answer(stream)
    assert answer.status == OK and answer.data == h2raw.message(b"")
    g.settled(1)
    flyte.assert_documented(g.lines()[0], flyte.task())


def test_one_byte_a_write(gateway):
    """The same bytes in as many pieces as the network can make."""
    g = gateway()
    with h2raw.Connection(g.grpc) as c:
        send, c.send = c.send, lambda data: [c.socket.sendall(bytes([b])) for b in data]
        stream = c.grpc("CreateTaskEvent")
        c.data(stream, h2raw.message(flyte.task().SerializeToString()), end=True)
        c.send = send
        assert c.answer(stream).status == OK
    g.settled(1)


@pytest.mark.parametrize("body", [b"", b"\0\0\0", h2raw.message(b"abc", length=10), h2raw.message(b"") + b"\0"],
                         ids=["nothing", "half a prefix", "half a message", "more than one message"])
def test_a_message_cut_short_is_refused(gateway, body):
    g = gateway()
    with h2raw.Connection(g.grpc) as c:
        stream = c.grpc("CreateTaskEvent")
        c.data(stream, body, end=True)
        answer = c.answer(stream)
        assert answer.status not in (None, OK) and answer.headers.get("grpc-message")
        assert still_works(c)
    assert g.settled(1)["all"]["accepted"] == 1


def test_four_gib_are_refused_before_any_of_it_is_read(gateway):
    g = gateway()
    with h2raw.Connection(g.grpc) as c:
        stream = c.grpc("CreateTaskEvent")
        c.data(stream, h2raw.message(b"", length=0xFFFFFFFF))        # the stream stays open: only the prefix can be the reason
        answer = c.answer(stream)
        assert answer.status == RESOURCE_EXHAUSTED
        assert answer.headers["grpc-message"].startswith("message too large (message larger than max): ")
        assert still_works(c)


@pytest.mark.parametrize("compressed", [1, 2, 255])
def test_a_compressed_flag_without_an_encoding_is_refused(gateway, compressed):
    g = gateway()
    with h2raw.Connection(g.grpc) as c:
        stream = c.grpc("CreateTaskEvent")
        c.data(stream, h2raw.message(b"abc", compressed=compressed), end=True)
        assert c.answer(stream).status not in (None, OK)
        assert still_works(c)


def test_broken_gzip_is_refused(gateway):
    g = gateway()
    with h2raw.Connection(g.grpc) as c:
        stream = c.grpc("CreateTaskEvent", **{"grpc-encoding": "gzip"})
        c.data(stream, h2raw.message(b"\x1f\x8b\x08 no gzip", compressed=1), end=True)
        assert c.answer(stream).status == INVALID_ARGUMENT
        assert still_works(c)


def test_a_reset_stream_disturbs_nobody(gateway):
    g = gateway()
    with h2raw.Connection(g.grpc) as c:
        for _ in range(50):
            stream = c.grpc("CreateTaskEvent")
            c.data(stream, b"\0\0\0")
            c.send(h2raw.frame(h2raw.RST_STREAM, 0, stream, b"\0\0\0\x08"))
        assert still_works(c)
    assert g.settled(1)["all"]["accepted"] == 1


def test_another_content_type_is_no_grpc(gateway):
    g = gateway()
    with h2raw.Connection(g.grpc) as c:
        stream = c.headers("/flyteidl.service.AdminService/CreateTaskEvent", {"content-type": "text/plain"})
        c.data(stream, b"x", end=True)
        answer = c.answer(stream)
        assert answer.headers.get(":status") != "200" or answer.status not in (None, OK)
    assert g.pipeline()["accepted"] == 0


def test_the_answer_is_what_grpc_go_reads(gateway):
    g = gateway()
    with h2raw.Connection(g.grpc) as c:
        stream = c.grpc("CreateTaskEvent", **{"user-agent": "grpc-go/1.80.0", "grpc-accept-encoding": "gzip", "grpc-timeout": "14999980u"})
        c.data(stream, h2raw.message(flyte.task().SerializeToString()), end=True)
        answer = c.answer(stream)
        c.send(h2raw.frame(h2raw.PING, 0, 0, b"12345678"))
        assert c.step()
    assert answer.headers[":status"] == "200"
    assert answer.headers["content-type"].startswith("application/grpc")
    assert (answer.data, answer.status) == (b"\0\0\0\0\0", OK)


@pytest.mark.parametrize("garbage", [b"GET / HTTP/9\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\0" * 100,
                                     h2raw.PREFACE + b"\xff" * 200, h2raw.PREFACE + h2raw.frame(h2raw.HEADERS, 4, 1, b"\xff" * 50)],
                         ids=["no such version", "a TLS hello", "no frames", "no header block"])
def test_garbage_closes_its_own_connection_only(gateway, garbage):
    g = gateway()
    with h2raw.Connection(g.grpc) as other, h2raw.Connection(g.grpc) as c:
        assert still_works(other)
        c.send(garbage)
        c.closed()
        assert still_works(other)


def test_too_many_header_bytes_are_refused(gateway):
    g = gateway("ingest: {grpc: {listen: 127.0.0.1:0, max_header_bytes: 4KiB}}\n" + FILE)
    with h2raw.Connection(g.grpc) as other:
        with h2raw.Connection(g.grpc) as c:
            stream = c.grpc("CreateTaskEvent", **{f"x-{i}": "v" * 500 for i in range(16)})
            c.data(stream, h2raw.message(b""), end=True)
            answer = c.answer(stream)
            assert answer.status != OK
        assert still_works(other)
    assert g.settled(1)["all"]["accepted"] == 1
