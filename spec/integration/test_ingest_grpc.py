"""FlyteAdmin's gRPC service as FlytePropeller calls it, with flyteidl's own stubs."""
import base64
import os

import grpc
import pytest

import flyte
import h2raw
from flyteidl.admin import event_pb2
from gateway import FILE

SERVICE = "/flyteidl.service.AdminService/"


def call(channel, method, body, **options):
    """A unary call with bytes of our own."""
    return channel.unary_unary(SERVICE + method, request_serializer=lambda b: b, response_deserializer=lambda b: b)(
        body, **{"timeout": 60, **options})


def refused(channel, method, body, **options):
    with pytest.raises(grpc.RpcError) as error:
        call(channel, method, body, **options)
    return error.value


@pytest.mark.parametrize("request_", [flyte.workflow(), flyte.node(), flyte.task()], ids=["workflow", "node", "task"])
def test_each_kind_becomes_the_documented_event(gateway, request_):
    g = gateway()
    with g.channel() as channel:
        flyte.send(channel, request_)
    g.settled(1)
    event, = g.lines()
    flyte.assert_documented(event, request_)


@pytest.mark.parametrize("method,kind", [("CreateWorkflowEvent", "workflow"), ("CreateNodeEvent", "node"), ("CreateTaskEvent", "task")])
def test_an_empty_request_is_accepted(gateway, method, kind):
    g = gateway()
    with g.channel() as channel:
        assert call(channel, method, b"") == b""
    g.settled(1)
    assert g.ids() == [flyte.id_of(flyte.MESSAGES[kind]())]


def test_ids_escape_what_would_split_them(gateway):
    g = gateway()
    request = flyte.node(name="a:b", node_id="100%\n\u00e9\u0085")
    with g.channel() as channel:
        flyte.send(channel, request)
    g.settled(1)
    assert g.ids() == ["flytesnacks:development:a%3Ab:100%25%0Aé%C2%85:0:RUNNING"] == [flyte.id_of(request)]


def test_an_unknown_phase_is_its_number(gateway):
    g = gateway()
    request = flyte.workflow()
    request.event.phase = 99
    with g.channel() as channel:
        flyte.send(channel, request)
    g.settled(1)
    assert g.ids() == ["flytesnacks:development:f1:99"]


def test_a_repeat_has_the_same_id(gateway):
    g = gateway()
    with g.channel() as channel:
        for _ in range(2):
            flyte.send(channel, flyte.task(attempt=2, phase_version=3))
    g.settled(2)
    assert g.ids() == [flyte.id_of(flyte.task(attempt=2, phase_version=3))] * 2


def test_unknown_fields_are_kept(gateway):
    g = gateway()
    newer = flyte.workflow().SerializeToString() + b"\xfa\x3f\x03new"
    with g.channel() as channel:
        call(channel, "CreateWorkflowEvent", newer)
    g.settled(1)
    assert base64.b64decode(g.lines()[0]["data_base64"]) == newer


@pytest.mark.parametrize("body", [b"\x0a\x7f", b"\xff", b"\x0a\x02\x08\x80", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"],
                         ids=["longer than it is", "half a tag", "half a number", "endless length"])
def test_what_does_not_decode_is_refused_and_leaves_nothing(gateway, body):
    g = gateway()
    with g.channel() as channel:
        error = refused(channel, "CreateTaskEvent", body)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error.details()
    assert g.pipeline()["accepted"] == 0
    assert g.metric("moongate_events_rejected_total", ingest="grpc") == 1


def test_a_string_that_is_not_utf8_is_refused_with_its_place(gateway):
    g = gateway()
    body = flyte.workflow(name="abc").SerializeToString().replace(b"abc", b"a\xffc")
    with g.channel() as channel:
        error = refused(channel, "CreateWorkflowEvent", body)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "execution_id.name" in error.details() and "UTF-8" in error.details()
    assert g.pipeline()["accepted"] == 0


def test_a_message_too_large_is_told_as_propeller_expects(gateway):
    g = gateway()
    with g.channel(options=[("grpc.max_send_message_length", -1)]) as channel:
        error = refused(channel, "CreateNodeEvent", b"\0" * (4 * 1024 * 1024 + 1))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.details().startswith("message too large") and "message larger than max" in error.details()
    assert g.pipeline()["accepted"] == 0


def test_the_limit_is_configurable_and_exact(gateway):
    body = flyte.workflow(name="n" * 500).SerializeToString()
    g = gateway(f"ingest: {{grpc: {{listen: 127.0.0.1:0, max_message_bytes: {len(body)}}}}}\n" + FILE)
    with g.channel() as channel:
        call(channel, "CreateWorkflowEvent", body)
        larger = flyte.workflow(name="n" * 501).SerializeToString()
        assert refused(channel, "CreateWorkflowEvent", larger).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert g.settled(1)["all"]["accepted"] == 1


def test_gzip_is_understood(gateway):
    g = gateway()
    with g.channel(compression=grpc.Compression.Gzip) as channel:
        flyte.send(channel, flyte.task(node_id="n" * 3000))
    g.settled(1)
    flyte.assert_documented(g.lines()[0], flyte.task(node_id="n" * 3000))


def test_gzip_is_limited_by_what_it_inflates_to(gateway):
    g = gateway()
    with g.channel(compression=grpc.Compression.Gzip, options=[("grpc.max_send_message_length", -1)]) as channel:
        error = refused(channel, "CreateTaskEvent", b"\0" * (64 * 1024 * 1024))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.details().startswith("message too large")
    assert g.metric("process_resident_memory_bytes") < 300e6


def test_another_encoding_is_named_unimplemented(gateway):
    g = gateway()
    with g.channel(compression=grpc.Compression.Deflate) as channel:
        error = refused(channel, "CreateTaskEvent", b"\0" * 10000)
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    with h2raw.Connection(g.grpc) as c:                    # the client library keeps this header to itself
        stream = c.grpc("CreateTaskEvent", **{"grpc-encoding": "deflate"})
        c.data(stream, h2raw.message(b"", compressed=1), end=True)
        assert "gzip" in c.answer(stream).headers["grpc-accept-encoding"]


@pytest.mark.parametrize("path", ["/flyteidl.service.AdminService/GetExecution", "/no.such.Service/Method", "/flyteidl.service.AdminService/",
                                  "/x"])
def test_the_rest_is_unimplemented(gateway, path):
    g = gateway()
    with g.channel() as channel, pytest.raises(grpc.RpcError) as error:
        channel.unary_unary(path)(b"", timeout=60)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert error.value.details()


def test_binary_metadata_is_accepted(gateway):
    g = gateway()
    with g.channel() as channel:
        flyte.send(channel, flyte.workflow(), metadata=[("trace-bin", os.urandom(100)), ("x-other", "text")])
    g.settled(1)


TRACED = """\
pipelines:
  - name: all
    format: {extensions: [traceparent, partitionkey]}
    publisher: {type: file, path: all.jsonl}
"""


def test_traceparent_and_key_can_be_added(gateway):
    g = gateway(TRACED)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with g.channel() as channel:
        flyte.send(channel, flyte.workflow(), metadata=[("traceparent", parent)])
        flyte.send(channel, flyte.node())
    g.settled(2)
    with_one, without = g.lines()
    assert with_one["traceparent"] == parent and "traceparent" not in without
    assert with_one["partitionkey"] == without["partitionkey"] == "flytesnacks:development:f1"


def test_order_within_a_connection_is_kept(gateway):
    g = gateway()
    requests = flyte.golden("success")
    with g.channel() as channel:
        for r in requests:
            flyte.send(channel, r)
    g.settled(len(requests))
    assert g.ids() == [flyte.id_of(r) for r in requests]


@pytest.mark.concurrent
def test_many_streams_at_once_lose_nothing(gateway):
    g = gateway()
    requests = [flyte.task(name=f"f{i % 20}", node_id=f"n{i}") for i in range(600)]
    channels = [g.channel(options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(4)]
    futures = []
    for i, r in enumerate(requests):
        stub = flyte.admin_pb2_grpc.AdminServiceStub(channels[i % 4])
        futures.append(stub.CreateTaskEvent.future(r, timeout=60))
    for f in futures:
        assert isinstance(f.result(), event_pb2.TaskExecutionEventResponse)
    for c in channels:
        c.close()
    g.settled(600)
    assert sorted(g.ids()) == sorted(flyte.id_of(r) for r in requests)
    assert g.metric("moongate_events_received_total", ingest="grpc", kind="task") == 600
