"""CloudEvents over HTTP, rule by rule of the specification: what is taken in each mode and format, on each version of HTTP, and what
is refused, with which status and which words. One gateway serves a whole table."""
import base64
import contextlib
import gzip
import json
import random
import socket
import subprocess
import zlib

import pytest
from google.protobuf import any_pb2, wrappers_pb2

import certificates
import cloudevents_proto as proto
import h2raw
import percent
import uris
from gateway import request
from webhook import Webhook

PATH = "/v1/events"
JSON, PROTOBUF = "application/cloudevents+json", "application/cloudevents+protobuf"
JSONS, PROTOBUFS = "application/cloudevents-batch+json", "application/cloudevents-batch+protobuf"
EVENT = {"specversion": "1.0", "id": "1", "source": "/spec", "type": "com.example.spec"}
HEAD = {f"ce-{name}": value for name, value in EVENT.items()}


def send(g, body, content_type, headers=None, method="POST", path=PATH):
    """(status, headers, body)"""
    return request(g.http, method, path, body, {**({"content-type": content_type} if content_type else {}), **(headers or {})})


def refusal(answer, status, *words):
    got, _, text = answer
    assert got == status, (got, text, words)
    error = json.loads(text)
    assert set(error) == {"code", "message"} and isinstance(error["code"], int)
    for word in words:
        assert word in error["message"], (word, error)
    return error["message"]


# ---- what is no CloudEvent 1.0

# (an attribute, a value that it cannot have, what is said of it); as text in JSON, protobuf and headers alike.
WRONG = [
    ("id", "", "id: empty"), ("source", "", "source: empty"), ("type", "", "type: empty"), ("subject", "", "subject: empty"),
    ("time", "", "time: empty"), ("dataschema", "", "dataschema: empty"),
    ("source", "a b", "source: not a URI-reference"), ("source", "http://[::1", "source: not a URI-reference"),
    ("source", "10.0.0.1:80", "source: not a URI-reference"), ("source", "/%zz", "source: not a URI-reference"),
    ("dataschema", "<s>", "dataschema: not a URI-reference"),
    ("specversion", "0.3", "specversion: not"), ("specversion", "1.1", "specversion: not"), ("specversion", "1", "specversion: not"),
    ("specversion", "", "specversion: "),
    ("time", "yesterday", "time: not an RFC 3339"), ("time", "2026-04-07", "time: not"), ("time", "2026-04-07T06:30:01", "time: not"),
    ("time", "2026-04-31T06:30:01Z", "time: not"), ("time", "2026-04-07T24:00:00Z", "time: not"), ("time", "2026-02-29T00:00:00Z", "time: not"),
    ("time", "2026-04-07T06:30:01+0100", "time: not"), ("time", "2026-04-07T06:30:01.Z", "time: not"), ("time", "1775543401", "time: not"),
    ("id", "a\u0007", "id: has a control character"), ("type", "a\u007f", "type: has a control character"),
    ("subject", "a\u0085", "subject: has a control character"), ("team", "\ufdd0", "team: has a Unicode noncharacter"),
    ("team", "\U0001ffff", "team: has a Unicode noncharacter"), ("team", "a\nb", "team: has a control character"),
    ("a_b", "x", "a_b: not an attribute name"), ("a.b", "x", "a.b: not an attribute name"), ("é", "x", ": not an attribute name"),
]
NAMES = [("Team", "x", "Team: not an attribute name"), ("", "x", ": not an attribute name")]     # headers have no case, and a name


def in_json(name, value):
    return JSON, json.dumps({**EVENT, name: value}), {}


def in_protobuf(name, value):
    if name in ("id", "source", "type", "specversion"):
        return PROTOBUF, proto.event(**{"spec_version" if name == "specversion" else name: value}).SerializeToString(), {}
    return PROTOBUF, proto.event(attributes={name: ("ce_string", value)}).SerializeToString(), {}


def in_headers(name, value):
    return None, b"", {**HEAD, f"ce-{name}": percent.encoded(value, lambda c: c.isascii() and c.isalnum() or c in "/:.+-")}


def cannot_be_a_header(name):
    return not name.isascii()


def test_what_is_no_cloudevent_is_refused_in_every_form(gateway):
    g = gateway()
    count = 0
    for name, value, why in WRONG + NAMES:
        for form in (in_json, in_protobuf, in_headers):
            if form is in_headers and (cannot_be_a_header(name) or (name, value, why) in NAMES):
                continue
            content_type, body, headers = form(name, value)
            # protobuf has no way to say that a field is there and empty
            words = why.replace(": empty", ": ") if form is in_protobuf else why
            refusal(send(g, body, content_type, headers), 400, words)
            count += 1
    for name in EVENT:                                                       # and each that must be there, left out
        rest = {k: v for k, v in EVENT.items() if k != name}
        refusal(send(g, json.dumps(rest), JSON), 400, f"{name}: missing")
        refusal(send(g, json.dumps({**EVENT, name: None}), JSON), 400, f"{name}: ")
        refusal(send(g, b"", None, {k: v for k, v in HEAD.items() if k != "ce-" + name}), 400, f"{name}: missing")
        refusal(send(g, proto.event(**{"spec_version" if name == "specversion" else name: ""}).SerializeToString(), PROTOBUF), 400, f"{name}: missing")
        count += 4
    assert g.pipeline()["accepted"] == 0
    assert g.metric("moongate_events_rejected_total", ingest="http", reason="invalid") == count


def test_a_source_is_what_rfc_3986_calls_a_uri_reference(gateway):
    g = gateway()
    r = random.Random(3986)
    sources = [uris.made(r) for _ in range(400)]
    for source in sources:
        status, _, text = send(g, json.dumps({**EVENT, "source": source}), JSON)
        assert status == (202 if uris.is_one(source) else 400), (source, text)
    assert 40 < sum(map(uris.is_one, sources)) < 360


def test_what_json_alone_can_say_wrong_is_refused(gateway):
    g = gateway()
    event = json.dumps(EVENT)
    for more, why in [
        ({"id": 1}, "id: not a string"), ({"source": True}, "source: not a string"), ({"type": ["t"]}, "type: "), ({"specversion": 1.0}, "specversion: not"),
        ({"time": 1775543401}, "time: not a string"), ({"subject": {}}, "subject: "), ({"datacontenttype": 1}, "datacontenttype: not a string"),
        ({"datacontenttype": "json", "data": "x"}, "datacontenttype: not a media type"), ({"datacontenttype": ""}, "datacontenttype: empty"),
        ({"level": 2147483648}, "level: neither"), ({"level": -2147483649}, "level: neither"), ({"level": 1.0}, "level: neither"),
        ({"level": 1e3}, "level: neither"), ({"team": {"a": 1}}, "team: neither"), ({"team": []}, "team: neither"),
        ({"data": 1, "data_base64": "AA=="}, "data: given beside data_base64"), ({"data_base64": "a"}, "data_base64: not a base64"),
        ({"data_base64": "AA="}, "data_base64: not a base64"), ({"data_base64": 1}, "data_base64: not a base64"),
        ({"data_base64": "AA==\n"}, "data_base64: not a base64"), ({"data_base64": "A A="}, "data_base64: not a base64"),
        ({"datacontenttype": "text/plain", "data": {}}, "data: not a string"), ({"datacontenttype": "text/plain", "data": 1}, "data: not a string"),
    ]:
        refusal(send(g, json.dumps({**EVENT, **more}), JSON), 400, why)
    for text, why in [
        (event[:-1] + ',"id":"2"}', "id: given twice"), (event[:-1] + ',"x":1,"x":1}', "x: given twice"), (event[:-1] + ',"x":null,"x":1}', "x: given twice"),
        (event[:-1] + ',"data":1,"data":1}', "data: given twice"), (event[:-1] + ',"specversion":"1.0"}', "specversion: given twice"),
        (event[:-1] + ',"\\u0069d":"2"}', "id: given twice"), (event[:-1], "JSON: line 1"), (event + "{}", "JSON: line 1"), ("", "JSON: "),
        (event[:-1] + ",}", "JSON: line 1"), ("[" + event + "]", "not a JSON object"), ('"e"', "not a JSON object"), ("\ufeff" + event, "JSON: line 1"),
        (event[:-1] + ',"team":"\\ud800"}', "team: not UTF-8"), (event[:-1] + ',"data":{"a":01}}', "JSON: line 1"),
        (event[:-1] + ',"data":NaN}', "JSON: line 1"), (event.replace('"', "'"), "JSON: line 1"),
    ]:
        refusal(send(g, text.encode(), JSON), 400, why)
    refusal(send(g, event.encode().replace(b"/spec", b"/\xff"), JSON), 400, "UTF-8")
    assert g.pipeline()["accepted"] == 0


def test_what_headers_alone_can_say_wrong_is_refused(gateway):
    g = gateway()
    raw = b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n%s\r\n{}"
    given = "".join(f"{k}: {v}\r\n" for k, v in HEAD.items()).encode()
    for more, why in [
        (b"ce-datacontenttype: application/json\r\n", "ce-datacontenttype: not in binary mode"), (b"ce-id: 2\r\n", "id: given twice"),
        (b"CE-ID: 1\r\n", "id: given twice"), (b"ce-specversion: 1.0\r\n", "specversion: given twice"), (b"ce-data: x\r\n", "data: not an attribute name"),
        (b"ce-data_base64: AA==\r\n", "data_base64: not an attribute name"), (b"ce-: x\r\n", ": not an attribute name"),
        (b"ce-team: %C0%80\r\n", "team: not UTF-8"), (b"ce-team: %e4\r\n", "team: not UTF-8"), (b"ce-team: \xff\r\n", "team: not UTF-8"),
        (b"ce-team: %ED%A0%80\r\n", "team: not UTF-8"), (b"ce-team: %00\r\n", "team: has a control character"),
        (b'ce-subject: ""\r\n', "subject: empty"), (b"content-type: a/b\r\ncontent-type: a/b\r\n", "content-type: given twice"),
        (b"content-type: json\r\n", "datacontenttype: not a media type"), (b"content-type: application/json\r\nce-x: 1\r\nce-X: 1\r\n", "x: given twice"),
    ]:
        assert b" 400 " in exchange(g, raw % (given + more), why), more
    assert g.pipeline()["accepted"] == 0


def exchange(g, data, why):
    """What is answered to bytes, to the end of the connection; the status line."""
    host, port = g.http.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=60) as s:
        s.sendall(data)
        answer = b"".join(iter(lambda: s.recv(65536), b""))
    assert why.encode() in answer, (why, answer)
    return answer.partition(b"\r\n")[0]


# ---- what is one

def test_an_event_is_the_same_in_every_form(gateway):
    """Each attribute and the data come out as they went in, whichever form they came in; unknown members of protobuf are passed over."""
    g = gateway()
    texts = {"subject": 'Euro € "%41" \\', "time": "2026-04-07T08:30:01.25+02:00", "dataschema": "#", "team": "", "z9": "%", "x" * 30: " a  b "}
    data = b'{"a": [1.50, "\xc3\xa9"]}'
    wanted = []
    for content_type, body in ((None, None), ("application/json", data), ("text/plain", "é\n".encode()), ("application/octet-stream", b"\0\xff"),
                               ("application/vnd.x+json; charset=utf-8", b"1"), ("image/png; a=\"b;c\"", b"\x89PNG"), ("text/plain; charset=latin1", b"\xe9")):
        want = {**EVENT, **texts, **({"datacontenttype": content_type} if content_type else {})}
        headers = {"ce-" + k: v for k, v in EVENT.items()} | {"ce-" + k: percent.header(v, "%{:02x}") for k, v in texts.items()}
        attributes = {k: ("ce_string", v) for k, v in texts.items()}
        if content_type:
            attributes["datacontenttype"] = ("ce_string", content_type)
        is_text = content_type in ("application/json", "text/plain", "application/vnd.x+json; charset=utf-8")
        fields = {} if body is None else {"text_data": body.decode()} if is_text else {"binary_data": body}
        message = proto.event(**fields, attributes=attributes).SerializeToString() + b"\x48\x01\x52\x01x"
        structured = {**want, **({} if body is None else {"data_base64": base64.b64encode(body).decode()} if not is_text
                                 else {"data": body.decode() if content_type == "text/plain" else json.loads(body)})}
        for form in ((content_type, body or b"", headers), (PROTOBUF, message, {}), (JSON, json.dumps(structured), {"ce-id": "not looked at"}),
                     (JSONS + "; charset=utf-8", json.dumps([structured]), {}), (PROTOBUFS, proto.batch([proto.read(message)]).SerializeToString(), {})):
            status, _, text = send(g, form[1], form[0], form[2])
            assert (status, text) == (202, ""), (form, text)
            wanted.append((form, proto.plain(structured)))
    g.settled(len(wanted))
    for (form, want), got in zip(wanted, g.lines(), strict=True):
        assert proto.plain(got) == want, form
    with open(g.path("all.jsonl"), "rb") as f:
        assert f.read().count(data) >= 2                                    # as binary and as protobuf, to the byte


def test_headers_are_decoded_once_after_their_quotes(gateway):
    """HTTP binding, 3.1.3.2: what is encoded without need is taken, raw UTF-8 too; a % that begins no code stays."""
    g = gateway()
    said = {"a": (b"%41%2f", "A/"), "b": (b"%2541", "%41"), "c": (b'"q \\" \\\\ %22"', 'q " \\ "'), "d": (b"%zz%4", "%zz%4"), "e": ("é€".encode(), "é€"),
            "f": (b"%f0%9f%98%80%F0%9F%98%80", "😀😀"), "g": (b"a b", "a b"), "h": (b'"', '"'), "i": (b"", ""), "j": (b"a, b", "a, b"), "k": (b"%", "%")}
    head = "".join(f"{k}: {v}\r\n" for k, v in HEAD.items()).encode() + b"".join(b"Ce-%s: %s\r\n" % (k.encode(), v) for k, (v, _) in said.items())
    assert b" 202 " in exchange(g, b"POST /v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n" + head + b"\r\n", "")
    g.settled(1)
    assert g.lines() == [{**EVENT, **{k: v for k, (_, v) in said.items()}}]


def test_the_seven_types_of_protobuf_in_and_out(gateway):
    """To JSON as their canonical strings (booleans and integers as such), to protobuf as the same types; data as it was, an Any whole."""
    with contextlib.closing(Webhook()) as server:
        g = gateway("pipelines:\n  - {name: all, publisher: {type: file, path: all.jsonl}}\n"
                    f"  - {{name: proto, format: {{encoding: protobuf}}, publisher: {{type: http, url: '{server.url}'}}}}\n")
        any_ = any_pb2.Any()
        any_.Pack(wrappers_pb2.StringValue(value="é"))
        attributes = {"flag": ("ce_boolean", True), "off": ("ce_boolean", False), "low": ("ce_integer", -2**31), "high": ("ce_integer", 2**31 - 1),
                      "zero": ("ce_integer", 0), "text": ("ce_string", 'é "%'), "none": ("ce_string", ""), "raw": ("ce_bytes", b"\0\xff\xfe"),
                      "empty": ("ce_bytes", b""), "uri": ("ce_uri", "https://x/y#z"), "ref": ("ce_uri_ref", "../y"),
                      "at": ("ce_timestamp", "2026-04-07T06:30:01.000000001Z"), "year1": ("ce_timestamp", "0001-01-01T00:00:00Z"),
                      "year9999": ("ce_timestamp", "9999-12-31T23:59:59.999999999Z"), "epoch": ("ce_timestamp", "1970-01-01T00:00:00Z"),
                      "time": ("ce_timestamp", "1969-12-31T23:59:59.500Z"), "subject": ("ce_string", "s"), "dataschema": ("ce_uri", "https://x/s")}
        events = [proto.event(id="binary", attributes=attributes, binary_data=b"\xff"), proto.event(id="text", attributes=attributes, text_data="plain"),
                  proto.event(id="any", attributes=attributes, proto_data=any_), proto.event(id="nothing", attributes=attributes),
                  proto.event(id="json", attributes={"datacontenttype": ("ce_string", "application/json")}, text_data='{"a": 1.0}')]
        assert send(g, events[0].SerializeToString(), PROTOBUF)[0] == 202
        assert send(g, proto.batch(events[1:]).SerializeToString(), PROTOBUFS)[0] == 202
        g.settled(len(events))
        canonical = {"flag": True, "off": False, "low": -2**31, "high": 2**31 - 1, "zero": 0, "text": 'é "%', "none": "", "raw": "AP/+", "empty": "",
                     "uri": "https://x/y#z", "ref": "../y", "at": "2026-04-07T06:30:01.000000001Z", "year1": "0001-01-01T00:00:00Z",
                     "year9999": "9999-12-31T23:59:59.999999999Z", "epoch": "1970-01-01T00:00:00Z", "time": "1969-12-31T23:59:59.500Z", "subject": "s",
                     "dataschema": "https://x/s"}
        data = {"binary": {"data_base64": "/w=="}, "text": {"data": "plain"}, "any": {"data_base64": base64.b64encode(any_.value).decode(), "datacontenttype": "application/protobuf"}, "nothing": {},
                "json": {"data": {"a": 1.0}, "datacontenttype": "application/json"}}
        for line in g.lines():
            more = data.pop(line["id"])
            assert {k: v for k, v in line.items() if k not in EVENT} == {**(canonical if line["id"] != "json" else {}), **more}
        assert not data
        assert sorted((proto.read(r.body) for r in server.requests), key=lambda e: e.id) == sorted(events, key=lambda e: e.id)
        assert {r.headers["content-type"].split(";")[0] for r in server.requests} == {PROTOBUF}


def test_what_protobuf_alone_can_say_wrong_is_refused(gateway):
    g = gateway()
    good = proto.event().SerializeToString()

    def entry(name, value):
        inside = b"\x0a" + bytes([len(name)]) + name + (b"" if value is None else b"\x12" + bytes([len(value)]) + value)
        return b"\x2a" + bytes([len(inside)]) + inside
    for more, why in [
        (entry(b"a", None), "a: has no value"), (entry(b"a", b""), "a: has no value"), (entry(b"a", b"\x40\x01"), "a: has no value"),
        (entry(b"a", b"\x1a\x01\xff"), "a: not UTF-8"), (entry(b"a", b"\x3a\x0b\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "a: "),
        (entry(b"a", b"\x08\x01") * 2, "a: given twice"), (entry(b"id", b"\x1a\x01x"), "id: given twice"), (entry(b"type", b"\x1a\x01x"), "type: given twice"),
        (entry(b"specversion", b"\x1a\x031.0"), "specversion: "), (entry(b"time", b"\x1a\x01x"), "time: not an RFC 3339"),
        (entry(b"subject", b"\x10\x01"), "subject: not a string"), (entry(b"dataschema", b"\x22\x01x"), "dataschema: not a string"),
        (entry(b"a", b"\x2a\x03a b"), "a: not a URI-reference"), (entry(b"a", b"\x32\x02a^"), "a: not a URI-reference"),
        (entry(b"datacontenttype", b"\x1a\x04json"), "datacontenttype: not a media type"), (entry(b"data", b"\x08\x01"), "data: not an attribute name"),
        (b"\x32\x01x\x3a\x01x", "data: given twice"), (b"\x3a\x01\xff", "data: not UTF-8"), (b"\x32\x05x", "malformed protobuf at byte"),
        (b"\x0b", "malformed"), (b"\xff" * 11, "malformed"), (b"\x30\x01", "malformed"), (b"\x00\x00", "malformed"),
        (entry(b"datacontenttype", b"\x1a\x10application/json") + b"\x3a\x01{", "data: JSON: line 1"),
        (b"\x42\x02\x0a\x7f", "data: not a google.protobuf.Any"), (b"\x42\x03\x0a\x01\xff", "data: the type URL is not UTF-8"),
    ]:
        refusal(send(g, good + more, PROTOBUF), 400, why)
    refusal(send(g, b"", PROTOBUF), 400, "specversion: missing")
    refusal(send(g, json.dumps(EVENT), PROTOBUF), 400)
    refusal(send(g, proto.batch([proto.event()]).SerializeToString(), PROTOBUF), 400)
    refusal(send(g, good, PROTOBUFS), 400, "events[0]")
    assert g.pipeline()["accepted"] == 0


# ---- batches

def test_a_batch_is_whole_or_not_at_all_and_names_the_bad_one(gateway):
    g = gateway()
    ok = [{**EVENT, "id": str(i)} for i in range(50)]
    for at in (0, 1, 49):
        for bad, why in (({**EVENT, "time": "x"}, ".time: not an RFC 3339"), ({}, ".specversion: missing"), ({**EVENT, "id": ""}, ".id: empty"), (1, ": not a JSON object"),
                         ({**EVENT, "source": "a b"}, ".source: not a URI"), ({**EVENT, "data": 1, "data_base64": "AA=="}, ".data: given beside")):
            refusal(send(g, json.dumps(ok[:at] + [bad] + ok[at + 1:]), JSONS), 400, f"events[{at}]{why}")
        refusal(send(g, json.dumps(ok[:at] + [EVENT])[:-2] + "]", JSONS), 400, f"events[{at}]: JSON: line 1")
        events = [proto.event(id=str(i)) for i in range(50)]
        for bad, why in ((proto.event(id=""), ".id: "), (proto.event(attributes={"time": ("ce_string", "x")}), ".time: not"),
                         (proto.event(spec_version="0.3"), ".specversion: not"), (proto.event(source="a b"), ".source: not a URI")):
            refusal(send(g, proto.batch(events[:at] + [bad] + events[at + 1:]).SerializeToString(), PROTOBUFS), 400, f"events[{at}]{why}")
        whole = proto.batch(events[:at + 1]).SerializeToString()
        refusal(send(g, whole[:-1], PROTOBUFS), 400, f"events[{at}]: protobuf that is malformed or cut short")
        refusal(send(g, proto.batch(events[:at]).SerializeToString() + b"\x08\x01", PROTOBUFS), 400, f"events[{at}]: protobuf that")
    for text, why in (("{}", "a JSON array"), (json.dumps(ok)[:-1], "JSON: "), (json.dumps(ok) + "x", "JSON: "), (json.dumps(ok)[:-1] + ",]", ""), ("", "JSON: ")):
        refusal(send(g, text, JSONS), 400, why)
    assert g.pipeline()["accepted"] == 0
    for empty, content_type in (("[]", JSONS), (" [ ] ", JSONS), (b"", PROTOBUFS), (b"\x12\x01x", PROTOBUFS)):
        assert send(g, empty, content_type)[0] == 202
    assert send(g, json.dumps(ok), JSONS)[0] == 202
    assert send(g, proto.batch(events).SerializeToString(), PROTOBUFS)[0] == 202
    g.settled(100)
    assert g.ids() == [str(i) for i in range(50)] * 2


# ---- statuses

def test_methods_and_media_types_that_are_not_taken(gateway):
    g = gateway()
    for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "post"):
        for path in (PATH, PATH + "?a=b", "/api/v1/events/tasks"):
            status, headers, text = send(g, b"", None, method=method, path=path)
            assert (status, headers["allow"]) == (405, "POST"), (method, path)
            assert text == "" if method == "HEAD" else json.loads(text)["message"]
    with h2raw.Connection(g.http) as c:
        for method in ("GET", "PUT", "HEAD", "OPTIONS"):
            answer = c.answer(c.headers(PATH, {}, end=True, method=method))
            assert (answer.headers[":status"], answer.headers["allow"]) == ("405", "POST")
    for content_type in ("application/cloudevents", "application/cloudevents+xml", "application/cloudevents+avro", "application/cloudevents-batch",
                         "application/cloudevents-batch+avro", "application/cloudevents+json2", "APPLICATION/CloudEvents+XML; a=b",
                         JSON + "; charset=utf-16", JSON + '; charset="latin1"', JSONS + ";charset=iso-8859-1", PROTOBUF + "; charset=ascii-7"):
        refusal(send(g, json.dumps(EVENT), content_type, HEAD), 415, "content-type: ")
    for encoding in ("br", "deflate", "compress", "gzip, gzip", "gzip;q=1", "zstd"):
        refusal(send(g, json.dumps(EVENT), JSON, {"content-encoding": encoding}), 415, "content-encoding: ")
    given = b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n" + "".join(f"{k}: {v}\r\n" for k, v in HEAD.items()).encode()
    for twice in (b"content-encoding: identity\r\ncontent-encoding: gzip", b"content-encoding: gzip\r\ncontent-encoding: identity"):
        assert b" 415 " in exchange(g, given + twice + b"\r\n\r\n{}", "content-encoding: ")
    for twice in (JSON.encode() + b"\r\ncontent-type: text/plain", b"text/plain\r\ncontent-type: " + JSON.encode()):
        assert b" 400 " in exchange(g, given + b"content-type: " + twice + b"\r\n\r\n{}", "content-type: given twice")
    refusal(send(g, json.dumps(EVENT), JSON, path="/v1/events/"), 404)
    refusal(send(g, json.dumps(EVENT), "application/json"), 400, "specversion: missing (no ce-specversion header): the content type of a structured event is ")
    message = refusal(send(g, json.dumps(EVENT), "application/json", {"ce-id": "1"}), 400, "specversion: missing (no ce-specversion header)")
    assert "structured" not in message
    assert g.pipeline()["accepted"] == 0
    for content_type in ("Application/CloudEvents+JSON", JSON + ";charset=\"utf-8\"", JSON + " ; Charset=UTF-8", JSON + "; profile=x",
                         JSON + '; profile="charset=x"; charset=utf8'):
        assert send(g, json.dumps(EVENT), content_type, {"content-encoding": "identity"})[0] == 202
    g.settled(5)


LIMITED = "ingest: {http: {listen: 127.0.0.1:0, max_body_bytes: 64KiB}}\npipelines:\n  - {name: all, publisher: {type: file, path: all.jsonl}}\n"


def filled(size, **more):
    """A structured event of so many bytes."""
    empty = json.dumps({**EVENT, **more, "data": ""})
    return json.dumps({**EVENT, **more, "data": "x" * (size - len(empty))})


def test_what_is_too_large_is_413_however_it_comes(gateway):
    """By its length, in chunks, over HTTP/2, and by what it inflates to; the limit itself is taken, in every form."""
    g = gateway(LIMITED)
    most = 64 * 1024
    packed = gzip.compress(filled(most + 1).encode())
    bomb = gzip.compress(b" " * (8 << 20), 9) * 8                             # 64 MiB
    assert len(packed) < 1024 and most // 2 < len(bomb) <= most
    for body, headers in ((filled(most + 1), {}), ("x" * (2 << 20), {}), (packed, {"content-encoding": "gzip"}), (bomb, {"content-encoding": "gzip"}),
                          (bomb * 2, {"content-encoding": "gzip"}), (gzip.compress(filled(most // 2).encode()) * 3, {"content-encoding": "gzip"})):
        for content_type in (JSON, JSONS, PROTOBUF, PROTOBUFS, None):
            refusal(send(g, body, content_type, {**headers, **({} if content_type else HEAD)}), 413, "message too large: ")
    chunk = b"%x\r\n%s\r\n" % (most // 2, b" " * (most // 2))
    head = b"POST /v1/events HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-type: " + JSON.encode() + b"\r\n\r\n"
    assert b" 413 " in exchange(g, head + chunk * 3 + b"0\r\n\r\n", "message too large: ")
    with h2raw.Connection(g.http) as c:
        stream = c.headers(PATH, {"content-type": JSON})
        c.data(stream, filled(most + 1).encode()[:16000])
        for _ in range(4):
            c.data(stream, b" " * 16000)
        assert c.answer(stream).headers[":status"] == "413"
    answer = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "-H", f"content-type: {JSON}", "--data-binary", "@-", "-w", " %{http_code}",
                             f"http://{g.http}{PATH}"], input=b" " * (5 << 20), capture_output=True, timeout=60)
    assert b"message too large: " in answer.stdout and answer.stdout.endswith(b" 413"), answer        # no reset that hides it
    assert g.pipeline()["accepted"] == 0
    assert send(g, filled(most), JSON)[0] == 202
    assert send(g, gzip.compress(filled(most).encode()), JSON, {"content-encoding": "gzip"})[0] == 202
    assert send(g, b"\0" * most, "application/octet-stream", HEAD)[0] == 202
    g.settled(3)


def test_gzip_in_every_form_and_what_is_none(gateway):
    g = gateway()
    events = json.dumps([{**EVENT, "id": "batch"}])
    forms = [(JSON, json.dumps({**EVENT, "id": "json"}), {}), (JSONS, events, {}), (PROTOBUF, proto.event(id="protobuf").SerializeToString(), {}),
             (PROTOBUFS, proto.batch([proto.event(id="protobufs")]).SerializeToString(), {}), ("text/plain", "x", {**HEAD, "ce-id": "binary"})]
    sent = []
    for content_type, body, headers in forms:
        body = body if isinstance(body, bytes) else body.encode()
        half = len(body) // 2
        z = zlib.compressobj(9, zlib.DEFLATED, 31)
        for packed in (gzip.compress(body), gzip.compress(body, 0), gzip.compress(body[:half]) + gzip.compress(body[half:]), z.compress(body) + z.flush(),
                       gzip.compress(b"") + gzip.compress(body)):
            for name in ("gzip", "GZip", "x-gzip"):
                assert send(g, packed, content_type, {**headers, "content-encoding": name})[0] == 202
            sent += [headers.get("ce-id") or content_type] * 3
        packed = gzip.compress(body)
        for wrong in (body, packed[:-1], packed[:10], packed[:-8] + b"\0" * 8, packed + b"x", zlib.compress(body), b"", packed[:-1] + b"\xff"):
            refusal(send(g, wrong, content_type, {**headers, "content-encoding": "gzip"}), 400, "gzip: ")
    g.settled(len(sent))
    assert [e["id"] for e in g.lines()] == [i for i in ("json", "batch", "protobuf", "protobufs", "binary") for _ in range(15)]
    assert g.lines()[-1]["data"] == "x"
    refusal(send(g, gzip.compress(json.dumps([EVENT, {}]).encode()), JSONS, {"content-encoding": "gzip"}), 400, "events[1].specversion: missing")


# ---- curl, over every version of HTTP

SECURE = "ingest: {http: {listen: 127.0.0.1:0, tls: {cert: tls/server.pem, key: tls/server.key}}}\npipelines:\n  - {name: all, publisher: {type: file, path: all.jsonl}}\n"


def curl(url, *args):
    """(HTTP status, HTTP version)"""
    done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", *args, url], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 0, (args, done.stderr)
    return tuple(done.stdout.split())


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_curl_sends_every_form_over_every_version(gateway, tmp_path, tls):
    g = gateway(SECURE if tls else "pipelines:\n  - {name: all, publisher: {type: file, path: all.jsonl}}\n", started=False)
    files = {"json": json.dumps({**EVENT, "id": "json"}).encode(), "jsons": json.dumps([{**EVENT, "id": "jsons"}]).encode(),
             "protobuf": proto.event(id="protobuf").SerializeToString(), "protobufs": proto.batch([proto.event(id="protobufs")]).SerializeToString(), "data": b"x"}
    for name, body in files.items():
        (tmp_path / name).write_bytes(body)
    if tls:
        certificates.authority(g.path("tls"))
        certificates.certificate(g.path("tls"), "server")
    url = ("https://" if tls else "http://") + g.start().http + PATH
    common = ["--cacert", g.path("tls/ca.pem")] if tls else []
    ids = []
    for option, version in (("--http1.1", "1.1"), ("--http2" if tls else "--http2-prior-knowledge", "2")):
        for name, content_type in (("json", JSON), ("jsons", JSONS), ("protobuf", PROTOBUF), ("protobufs", PROTOBUFS)):
            assert curl(url, *common, option, "-H", f"content-type: {content_type}", "--data-binary", f"@{tmp_path / name}") == ("202", version)
            ids.append(name)
        head = [x for k, v in {**HEAD, "ce-id": "binary"}.items() for x in ("-H", f"{k}: {v}")]
        assert curl(url, *common, option, *head, "-H", "content-type: text/plain", "--data-binary", f"@{tmp_path / 'data'}") == ("202", version)
        ids.append("binary")
        chunked = ["-H", "transfer-encoding: chunked"] if version == "1.1" else []
        assert curl(url, *common, option, *chunked, "-H", f"content-type: {JSON}", "-T", str(tmp_path / "json"), "-X", "POST") == ("202", version)
        ids.append("json")
        assert curl(url, *common, option, "-X", "OPTIONS", "-H", "webhook-request-origin: o") == ("200", version)
        assert curl(url, *common, option) == ("405", version)
        assert curl(url, *common, option, "-d", "{}") == ("400", version)
    g.settled(len(ids))
    assert g.ids() == ids
