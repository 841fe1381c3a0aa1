"""FlyteAdmin's REST paths for events."""
import gzip
import json

import pytest
from google.protobuf import json_format

import flyte
import h2raw
from gateway import FILE, request

KINDS = [flyte.workflow(error="no"), flyte.node(), flyte.task(attempt=1, error="no")]
EACH_KIND = pytest.mark.parametrize("request_", KINDS, ids=["workflow", "node", "task"])


def path_of(request_):
    return flyte.REST[flyte.kind_of(request_)]


def refused(g, status, answer):
    """Every error body is {"code", "message"}, and nothing is kept."""
    got, headers, body = answer
    assert got == status, body
    error = json.loads(body)
    assert set(error) >= {"code", "message"} and error["message"], body
    assert headers["content-type"].startswith("application/json")
    assert g.pipeline()["accepted"] == 0
    return error["message"]


@EACH_KIND
@pytest.mark.parametrize("original", [True, False], ids=["proto names", "camelCase"])
def test_json_in_both_spellings(gateway, request_, original):
    g = gateway()
    text = json_format.MessageToJson(request_, preserving_proto_field_name=original)
    status, headers, body = g.post(path_of(request_), text)
    assert (status, body) == (200, "{}") and headers["content-type"].startswith("application/json")
    g.settled(1)
    flyte.assert_documented(g.lines()[0], request_, same_bytes=False)


@EACH_KIND
@pytest.mark.parametrize("content_type", ["application/octet-stream", "application/x-protobuf"])
def test_protobuf_bytes(gateway, request_, content_type):
    g = gateway()
    status, _, _ = g.post(path_of(request_), request_.SerializeToString(), content_type)
    assert status == 200
    g.settled(1)
    flyte.assert_documented(g.lines()[0], request_)


def test_a_parameter_of_the_content_type_is_fine(gateway):
    g = gateway()
    assert g.post(flyte.REST["workflow"], json_format.MessageToJson(flyte.workflow()), "application/json; charset=utf-8")[0] == 200


def test_over_http2_too(gateway):
    g = gateway()
    with h2raw.Connection(g.http) as c:
        stream = c.headers(flyte.REST["task"], {"content-type": "application/x-protobuf"})
        c.data(stream, flyte.task().SerializeToString(), end=True)
        answer = c.answer(stream)
    assert answer.headers[":status"] == "200" and answer.data == b"{}"
    g.settled(1)


@pytest.mark.parametrize("text,why", [
    ('{"event": {"projct": 1}}', "projct"),
    ('{"event": {"phase": "RUNING"}}', "RUNING"),
    ('{"event": {"zzzzzzzz": 1}}', "event: no such field in WorkflowExecutionEvent: zzzzzzzz"),
    ('{"event": {"phase": "ZZZZZZZZ"}}', "event.phase: no Phase: ZZZZZZZZ"),
    ('{"event": {"executionId": 7}}', "execution"),
    ('{"event": {"occurredAt": "yesterday"}}', "occurred"),
    ('{"event": ', ""),
    ('{"event": {}} x', ""),
    ("[]", ""),
    ("", ""),
    ('{"event": {"executionId": {"name": "\\ud800"}}}', ""),
    ('{"requestId": "a", "request_id": "b"}', ""),
], ids=["unknown field", "unknown enum value", "a field like none", "a value like none", "wrong type", "no time", "cut short", "more than one value", "no object", "nothing",
        "half a surrogate pair", "a field twice"])
def test_json_that_is_not_the_request_is_refused(gateway, text, why):
    g = gateway()
    message = refused(g, 400, g.post(flyte.REST["workflow"], text))
    assert why in message


def test_bytes_that_are_not_utf8_are_refused(gateway):
    g = gateway()
    refused(g, 400, g.post(flyte.REST["workflow"], b'{"requestId": "\xff"}'))


def test_json_that_nests_too_deep_is_refused(gateway):
    g = gateway()
    refused(g, 400, g.post(flyte.REST["task"], '{"event":{"customInfo":{"a":' + "[" * 200000 + "]" * 200000 + "}}}"))


def test_protobuf_that_does_not_decode_is_refused(gateway):
    g = gateway()
    refused(g, 400, g.post(flyte.REST["task"], b"\x0a\x7f", "application/octet-stream"))


def test_another_content_type_is_415(gateway):
    g = gateway()
    refused(g, 415, g.post(flyte.REST["task"], b"event: 1", "application/yaml"))


def test_another_path_is_404_and_another_method_405(gateway):
    g = gateway()
    refused(g, 404, g.post("/api/v1/events/workflow", "{}"))
    status, headers, body = request(g.http, "GET", flyte.REST["task"])
    assert status == 405 and "POST" in headers["allow"], body


def test_a_body_too_large_is_413(gateway):
    g = gateway("ingest: {http: {listen: 127.0.0.1:0, max_body_bytes: 1KiB}, grpc: {listen: 127.0.0.1:0}}\n" + FILE)
    message = refused(g, 413, g.post(flyte.REST["task"], "{" + " " * 1024 + "}"))
    assert message.startswith("message too large")
    assert g.post(flyte.REST["task"], "{" + " " * 1022 + "}")[0] == 200


def test_gzip_is_understood_within_the_limit(gateway):
    g = gateway("ingest: {http: {listen: 127.0.0.1:0, max_body_bytes: 64KiB}}\n" + FILE)
    assert g.post(flyte.REST["task"], gzip.compress(b"{" + b" " * 65534 + b"}"), headers={"content-encoding": "gzip"})[0] == 200
    g.settled(1)
    status, _, body = g.post(flyte.REST["task"], gzip.compress(b"{" + b" " * 65535 + b"}"), headers={"content-encoding": "gzip"})
    assert status == 413, body


def test_another_encoding_is_415(gateway):
    g = gateway()
    refused(g, 415, g.post(flyte.REST["task"], b"{}", headers={"content-encoding": "br"}))


def test_broken_gzip_is_400(gateway):
    g = gateway()
    refused(g, 400, g.post(flyte.REST["task"], gzip.compress(b"{}" * 100)[:-9], headers={"content-encoding": "gzip"}))


def test_traceparent_is_kept(gateway):
    g = gateway("pipelines:\n  - {name: all, format: {extensions: [traceparent]}, publisher: {type: file, path: all.jsonl}}\n")
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    g.post(flyte.REST["workflow"], "{}", headers={"traceparent": parent})
    g.settled(1)
    assert g.lines()[0]["traceparent"] == parent
