"""CloudEvents over HTTP: binary, structured, batch. Rule by rule: test_cloudevents_rules.py."""
import json

import h2raw
from gateway import FILE, request

PATH = "/v1/events"
ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
EVENT = {"specversion": "1.0", "id": "1", "source": "/spec", "type": "com.example.spec"}


def event(**more):
    return json.dumps({**EVENT, **more})


def taken(g, body, content_type=ONE, headers=None, count=1):
    """The events as they came out."""
    status, _, text = g.post(PATH, body, content_type, headers)
    assert status == 202, text
    g.settled(count)
    return g.lines()


def refused(g, body, content_type=ONE, headers=None, status=400):
    got, _, text = g.post(PATH, body, content_type, headers)
    assert got == status, text
    error = json.loads(text)
    assert error["message"] and "code" in error
    assert g.pipeline()["accepted"] == 0
    return error["message"]


def test_structured(gateway):
    out, = taken(gateway(), event(subject="s", time="2026-04-07T06:30:01.5Z", team="ml", level=3, ok=True, data={"a": [1, None, "x"]}))
    assert out == {**EVENT, "subject": "s", "time": "2026-04-07T06:30:01.5Z", "team": "ml", "level": 3, "ok": True,
                   "data": {"a": [1, None, "x"]}, **({"datacontenttype": "application/json"} if "datacontenttype" in out else {})}


def test_json_data_is_kept_byte_for_byte(gateway):
    data = '{"b":1.50,"a":12345678901234567890123,"e":"\\u00e9\\/","d":{"x":[ ]},"b":2}'
    g = gateway()
    taken(g, event()[:-1] + ',"data":' + data + "}")
    with open(g.path("all.jsonl"), encoding="utf-8") as f:
        assert data in f.read()


def test_a_line_stays_a_line(gateway):
    """A line feed between JSON tokens becomes a space; inside a string there can be none."""
    g = gateway()
    taken(g, event()[:-1] + ',"data":{"a":\r\n\t[1,\n2]}}')
    with open(g.path("all.jsonl"), "rb") as f:
        text = f.read()
    assert text.count(b"\n") == 1 and b"\r" not in text
    assert json.loads(text)["data"] == {"a": [1, 2]}


def test_a_null_attribute_is_absent(gateway):
    assert "team" not in taken(gateway(), event(team=None))[0]


def binary(**more):
    return {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/spec", "ce-type": "com.example.spec", **more}


def test_binary(gateway):
    out, = taken(gateway(), '{"a": 1}', "application/json", binary(**{"ce-team": "ml", "ce-time": "2026-04-07T06:30:01Z"}))
    assert out == {**EVENT, "team": "ml", "time": "2026-04-07T06:30:01Z", "datacontenttype": "application/json", "data": {"a": 1}}


def test_binary_without_data(gateway):
    g = gateway()
    status, _, text = request(g.http, "POST", PATH, None, {**binary(), "content-length": "0"})
    assert status == 202, text
    g.settled(1)
    assert g.lines() == [EVENT]


def test_a_batch(gateway):
    out = taken(gateway(), json.dumps([{**EVENT, "id": str(i)} for i in range(100)]), BATCH, count=100)
    assert [e["id"] for e in out] == [str(i) for i in range(100)]


def test_an_empty_batch_is_fine(gateway):
    g = gateway()
    assert g.post(PATH, "[]", BATCH)[0] == 202
    assert g.pipeline()["accepted"] == 0


def test_json_that_nests_too_deep_is_refused(gateway):
    assert "deep" in refused(gateway(), event()[:-1] + ',"data":' + "[" * 101 + "]" * 101 + "}")


def test_a_member_twice_inside_data_is_not_looked_at(gateway):
    taken(gateway(), event()[:-1] + ',"data":{"a":1,"a":2}}')


def test_over_http2_too(gateway):
    g = gateway()
    with h2raw.Connection(g.http) as c:
        for i in range(3):
            stream = c.headers(PATH, {"content-type": ONE})
            c.data(stream, event(id=str(i)).encode(), end=True)
            assert c.answer(stream).headers[":status"] == "202"
    g.settled(3)
    assert g.ids() == ["0", "1", "2"]


def test_the_key_is_partitionkey_or_source_and_subject(gateway):
    g = gateway("pipelines:\n  - {name: all, format: {extensions: [partitionkey]}, publisher: {type: file, path: all.jsonl}}\n")
    g.post(PATH, json.dumps([{**EVENT, "partitionkey": "k"}, {**EVENT, "subject": "s"}]), BATCH)
    g.settled(2)
    keyed, other = g.lines()
    assert keyed["partitionkey"] == "k"
    assert "/spec" in other["partitionkey"] and "s" in other["partitionkey"]


def test_the_callers_trace_is_kept_beside_the_events(gateway):
    """The request's header for each of its events, but an event's own attribute stays."""
    g = gateway("pipelines:\n  - {name: all, format: {extensions: [traceparent]}, publisher: {type: file, path: all.jsonl}}\n")
    callers, own = (f"00-{c * 32}-{c * 16}-01" for c in "ab")
    for body, content_type, headers in ((event(), ONE, {}), (event(traceparent=own), ONE, {}), (json.dumps([EVENT, EVENT]), BATCH, {}), ("", None, binary()),
                                        ("", None, binary(**{"ce-traceparent": own}))):
        assert request(g.http, "POST", PATH, body, {**headers, "traceparent": callers, **({"content-type": content_type} if content_type else {})})[0] == 202
    g.settled(6)
    assert [e["traceparent"] for e in g.lines()] == [callers, own, callers, callers, callers, own]


def test_a_batch_counts_each_event(gateway):
    g = gateway(FILE)
    taken(g, json.dumps([{**EVENT, "id": str(i)} for i in range(7)]), BATCH, count=7)
    assert g.pipeline()["accepted"] == 7
    assert g.metric("moongate_events_received_total", ingest="http", kind="other") == 7


# ---- the handshake of a webhook

def ask(g, path=PATH, **headers):
    return request(g.http, "OPTIONS", path, headers={f"WebHook-Request-{k}": v for k, v in headers.items()})


def test_the_handshake_of_a_webhook(gateway):
    g = gateway()
    for more in ({}, {"Rate": "120"}, {"Callback": f"http://{g.http}/never", "Rate": "1"}):
        status, headers, body = ask(g, PATH + "?a=b", Origin="events.example.org", **more)
        assert (status, body) == (200, "")
        assert headers["webhook-allowed-origin"] == "events.example.org" and headers["webhook-allowed-rate"] == "*"
        assert headers["allow"] == "POST"
    for wrong, status in (({}, 405), ({"Rate": "1"}, 405), ({"Origin": ""}, 400), ({"Origin": "x" * 256}, 400),
                          ({"Origin": "o", "Rate": "0"}, 400), ({"Origin": "o", "Rate": "many"}, 400), ({"Origin": "o", "Rate": ""}, 400)):
        got, headers, body = ask(g, **wrong)
        assert got == status and json.loads(body)["message"], wrong
        assert not [name for name in headers if name.startswith("webhook-")]
        assert status != 405 or headers["allow"] == "POST"
    assert ask(g, "/api/v1/events/tasks", Origin="o")[0] == 405 and ask(g, "/v1/event", Origin="o")[0] == 404
    taken(g, event())


def test_a_gateway_that_asks_another_may_come(gateway):
    g = gateway(name="there")
    sender = gateway("pipelines:\n  - {name: all, publisher: {type: http, handshake: true, url: 'http://%s%s'}}\n" % (g.http, PATH), name="here")
    assert sender.post(PATH, event(), ONE)[0] == 202
    sender.settled(1)
    g.settled(1)
    assert g.lines()[0]["id"] == "1"
