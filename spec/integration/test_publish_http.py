"""The HTTP publisher against real servers: what is sent, what each answer means, and who is let in."""
import base64
import json
import re
import threading
import time
from email.utils import formatdate

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.formats.json import JSONFormat
from standardwebhooks import Webhook as Verifier

import flyte
from gateway import free_port, run
from wait import wait_until
from webhook import HANG, OK, Http2, Raw, Webhook, certificates, server_tls

RETRY = "retry: {initial: 10ms, max: 50ms}"
SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of a good secret").decode()


@pytest.fixture
def webhook():
    """webhook(answer) starts a server; all are gone when the test ends."""
    running = []

    def start(*args, kind=Webhook, **options):
        running.append(kind(*args, **options))
        return running[-1]
    yield start
    for server in running:
        server.close()


@pytest.fixture(scope="module")
def pems(tmp_path_factory):
    return certificates(tmp_path_factory.mktemp("pems"))


def config(url, publisher="", pipeline=RETRY):
    return f"pipelines:\n  - {{name: w, {pipeline}, publisher: {{type: http, url: '{url}', {publisher}}}}}\n"


def send(g, requests):
    with g.channel() as channel:
        for r in requests:
            flyte.send(channel, r)


def runs(n, name="f"):
    return [flyte.workflow(name=f"{name}{i}") for i in range(n)]


def is_down(g, why):
    """Waits until the pipeline is down and says so; nothing is lost meanwhile."""
    def down():
        p = g.pipeline("w")
        return not p["up"] and p["lag"] and re.search(why, p["last_error"] or "") and p
    return wait_until(down, lambda: f"{g.pipelines()}\n{g.log()[-2000:]}")


# ---- what is sent

def sdk(request):
    return from_http_event(HTTPMessage(request.headers, request.body), JSONFormat())


def assert_is(event, request):
    want = flyte.documented(request)
    got = event.get_attributes()
    assert {k: got[k] for k in ("id", "source", "type", "subject")} == {k: want[k] for k in ("id", "source", "type", "subject")}
    data = event.get_data()
    assert (data.encode() if isinstance(data, str) else data) == request.SerializeToString()


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_the_cloudevents_sdk_reads_them(gateway, webhook, mode):
    server = webhook()
    g = gateway(config(server.url, "headers: {X-Team: ml}", f"format: {{mode: {mode}}}, set: {{note: 'a \"ü\" %'}}"))
    requests = [flyte.workflow(), flyte.node(), flyte.task()]
    send(g, requests)
    g.settled(3)
    assert len(server.requests) == 3
    for got, want in zip(server.requests, requests):
        assert_is(sdk(got), want)
        assert (got.method, got.path, got.headers["x-team"]) == ("POST", "/hook", "ml")
        assert got.headers["user-agent"].startswith("moongate/") and "expect" not in got.headers
        assert got.headers["content-type"].startswith("application/" + ("cloudevents+json" if mode == "structured" else "protobuf"))
    if mode == "binary":
        assert server.requests[0].headers["ce-note"] == "a%20%22%C3%BC%22%20%25"
        assert "ce-datacontenttype" not in server.requests[0].headers
    assert sdk(server.requests[0]).get_attributes()["note"] == 'a "ü" %'


def test_binary_without_data_or_type_says_nothing_of_either(gateway, webhook):
    server = webhook()
    g = gateway(config(server.url, "method: PUT", "format: {mode: binary}"))
    g.post("/v1/events", '{"specversion":"1.0","id":"1","source":"/s","type":"t"}', "application/cloudevents+json")
    g.settled(1)
    got, = server.requests
    assert (got.method, got.body, got.headers["content-length"]) == ("PUT", b"", "0")
    assert "content-type" not in got.headers and got.headers["ce-id"] == "1"


def test_with_more_than_one_event_every_request_is_a_batch(gateway, webhook):
    """The first request is answered when all events are in: the others go together, behind it."""
    first_in, all_in = threading.Event(), threading.Event()
    server = webhook(lambda r: first_in.set() or (all_in.wait() and OK))
    g = gateway(config(server.url, "batch: {events: 50}"))
    requests = [flyte.node(name="one", node_id=f"n{i}") for i in range(40)]
    send(g, requests[:1])
    first_in.wait()
    send(g, requests[1:])
    all_in.set()
    g.settled(40)
    assert {r.headers["content-type"] for r in server.requests} == {"application/cloudevents-batch+json"}
    assert all(isinstance(r.event, list) for r in server.requests)
    assert len(server.requests[0].ids) == 1 and len(server.requests) < 40
    assert server.taken == [flyte.id_of(r) for r in requests]
    for got, want in zip([e for r in server.requests for e in r.events], requests):
        assert_is(JSONFormat().read(None, json.dumps(got)), want)


@pytest.mark.parametrize("batch", [1, 10])
def test_protobuf_is_read_by_another_gateway(gateway, batch):
    to = gateway(name="to")
    g = gateway(config(f"http://{to.http}/v1/events", f"batch: {{events: {batch}}}", "format: {encoding: protobuf}"))
    requests = flyte.golden("success")
    send(g, requests)
    g.settled(len(requests))
    to.settled(len(requests))
    assert to.ids() == [flyte.id_of(r) for r in requests]
    for got, want in zip(to.lines(), requests):
        flyte.assert_documented(got, want)


def test_one_connection_serves_a_key(gateway, webhook):
    server = webhook()
    g = gateway(config(server.url))
    send(g, [flyte.node(node_id=f"n{i}") for i in range(20)])
    g.settled(20)
    assert len(server.requests) == 20 and len({r.peer for r in server.requests}) == 1


def test_many_requests_are_under_way_at_once(gateway, webhook):
    """A server that answers the first once the sixteenth has come."""
    server = webhook(lambda r: HANG)
    g = gateway(config(server.url))
    send(g, runs(20))
    wait_until(lambda: len(server.requests) == 16)
    server.answer = lambda r: OK
    server.released.set()
    g.settled(20)
    assert sorted(server.taken) == sorted(flyte.id_of(r) for r in runs(20))


def test_http2_where_it_is_offered(gateway, webhook, pems):
    server = webhook(pems, kind=Http2)
    g = gateway(config(server.url, f"tls: {{ca: {pems}/ca.pem}}, sign: {{secret: {SECRET}}}"))
    send(g, runs(30))
    g.settled(30)
    assert {r.version for r in server.requests} == {"2"} and len({r.peer for r in server.requests}) == 1
    assert {i for r in server.requests for i in r.ids} == {flyte.id_of(r) for r in runs(30)}
    Verifier(SECRET).verify(server.requests[-1].body, server.requests[-1].headers)


def test_http1_where_tls_offers_nothing_else(gateway, webhook, pems):
    server = webhook(pems, alpn=["http/1.1"], kind=Http2)
    g = gateway(config(server.url, f"tls: {{ca: {pems}/ca.pem}}"))
    send(g, runs(5))
    g.settled(5)
    assert {r.version for r in server.requests} == {"1.1"}


def test_the_environments_proxy(gateway, webhook):
    proxy = webhook()
    g = gateway(config("http://nowhere.invalid/hook"), env={"http_proxy": f"http://127.0.0.1:{proxy.port}", "no_proxy": ""})
    send(g, runs(1))
    g.settled(1)
    assert [r.path for r in proxy.requests] == ["http://nowhere.invalid/hook"]


# ---- what is answered

DELIVERED = [200, 201, 202, 204, 226]
REJECTED = [400, 415, 422]
TOO_LARGE = [413]
AGAIN = [300, 301, 302, 303, 304, 307, 308, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 414, 421, 423, 425, 428, 429, 431, 451, 500,
         501, 502, 503, 504, 507, 511, 599]


def status_of(request):
    return int(re.search(r"s(\d\d\d)", request.ids[0]).group(1))


def test_what_each_status_means(gateway, webhook):
    """The run's name says which status its event gets, the first time."""
    seen = {}

    def answer(request):
        status = status_of(request)
        seen[status] = seen.get(status, 0) + 1
        return (status, {}, b"" if status in (204, 304) else b"said so") if seen[status] == 1 else OK
    server = webhook(answer)
    g = gateway(config(server.url))
    every = DELIVERED + REJECTED + TOO_LARGE + AGAIN
    send(g, [flyte.workflow(name=f"s{status}") for status in every])
    g.settled(len(every))
    assert seen == {**{s: 1 for s in DELIVERED + REJECTED + TOO_LARGE}, **{s: 2 for s in AGAIN}}
    assert g.metric("moongate_publish_retries_total", pipeline="w") == len(AGAIN)
    assert g.metric("moongate_events_published_total", pipeline="w") == len(DELIVERED + AGAIN)
    assert g.metric("moongate_events_dead_lettered_total", pipeline="w", reason="rejected") == len(REJECTED)
    assert g.metric("moongate_events_dead_lettered_total", pipeline="w", reason="too_large") == len(TOO_LARGE)


def test_a_batch_that_is_refused_costs_only_the_guilty(gateway, webhook):
    def answer(request):
        names = " ".join(request.ids)
        return (422, {}, b"bad") if "bad" in names else (413, {}, b"") if len(request.ids) > 8 or "big" in names else OK
    server = webhook(answer)
    g = gateway(config(server.url, "batch: {events: 100, wait: 200ms}"))
    requests = [flyte.workflow(name=name) for name in [*(f"f{i}" for i in range(20)), "bad1", "f20", "big", "bad2", *(f"f{i}" for i in range(21, 30))]]
    send(g, requests)
    g.settled(len(requests))
    assert sorted(server.taken) == sorted(flyte.id_of(r) for r in runs(30))
    assert g.metric("moongate_events_dead_lettered_total", pipeline="w", reason="rejected") == 2
    assert g.metric("moongate_events_dead_lettered_total", pipeline="w", reason="too_large") == 1


def test_a_dead_letter_says_what_the_destination_said_and_is_replayed(gateway, webhook):
    server = webhook(lambda r: (422, {}, b'{"why": "no such team"}'))
    g = gateway(config(server.url))
    send(g, runs(2))
    g.settled(2)
    letters = [json.loads(line) for line in run("dead", "list", "--json", "-c", g.config_file, check=0).stdout.splitlines()]
    assert {d["event_id"] for d in letters} == {flyte.id_of(r) for r in runs(2)} and len(letters) == 2
    assert {(d["reason"], d["error"]) for d in letters} == {("rejected", 'HTTP 422: {"why": "no such team"}')}
    server.answer = lambda r: OK
    run("dead", "replay", "-c", g.config_file, check=0)
    assert sorted(server.taken) == sorted(flyte.id_of(r) for r in runs(2))


@pytest.mark.parametrize("batch", [1, 7])
def test_order_of_a_key_whatever_is_refused(gateway, webhook, batch):
    count = [0]

    def answer(request):
        count[0] += 1
        return (503, {}, b"busy") if count[0] % 3 == 0 else OK
    server = webhook(answer)
    g = gateway(config(server.url, f"batch: {{events: {batch}}}"))
    requests = [flyte.node(name=f"f{key}", node_id=f"n{i}") for i in range(12) for key in range(6)]
    send(g, requests)
    g.settled(len(requests))
    for key in range(6):
        want = [flyte.id_of(r) for r in requests if r.event.id.execution_id.name == f"f{key}"]
        assert [i for i in server.taken if i in want] == want
    refused = sum(len(r.ids) for r in server.requests if r.status == 503)
    assert refused and g.metric("moongate_publish_retries_total", pipeline="w") == refused
    assert len(server.taken) == len(set(server.taken)) == len(requests)


@pytest.mark.parametrize("status,how", [(429, lambda: "1"), (503, lambda: formatdate(time.time() + 2, usegmt=True))], ids=["seconds", "a date"])
def test_retry_after_wins(gateway, webhook, status, how):
    """A date has whole seconds: two from now on is more than one."""
    server = webhook()
    server.answer = lambda r: (status, {"Retry-After": how()}, b"") if not server.requests else OK
    g = gateway(config(server.url))
    send(g, runs(1))
    g.settled(1)
    first, second = server.requests
    assert second.at - first.at > 0.9


def test_redirects_are_not_followed(gateway, webhook):
    server = webhook(lambda r: (308, {"Location": "/elsewhere"}, b""))
    g = gateway(config(server.url))
    send(g, runs(1))
    is_down(g, "HTTP 308 to /elsewhere")
    assert {r.path for r in server.requests} == {"/hook"}
    server.answer = lambda r: OK
    g.settled(1)


def test_the_answer_is_told(gateway, webhook):
    server = webhook(lambda r: (500, {}, b"\r\n<h1>out of\x00 cheese</h1>\xff" + b"x" * 5000))
    g = gateway(config(server.url))
    send(g, runs(1))
    state = is_down(g, "HTTP 500: <h1>out of cheese</h1>")
    assert len(state["last_error"]) < 400
    assert g.metric("moongate_pipeline_up", pipeline="w") == 0


def test_a_hanging_server_is_timed_out(gateway, webhook):
    server = webhook()
    server.answer = lambda r: HANG if len(server.requests) < 3 else OK
    g = gateway(config(server.url, "timeout: 200ms"))
    send(g, [flyte.node(node_id=f"n{i}") for i in range(3)])
    g.settled(3)
    assert list(dict.fromkeys(server.taken)) == [flyte.id_of(flyte.node(node_id=f"n{i}")) for i in range(3)]
    assert g.metric("moongate_publish_retries_total", pipeline="w") >= 3


@pytest.mark.parametrize("batch", [1, 10])
def test_a_hanging_server_does_not_hold_the_stop(gateway, webhook, batch):
    server = webhook(lambda r: HANG)
    g = gateway("shutdown_timeout: 500ms\n" + config(server.url, f"timeout: 1h, batch: {{events: {batch}}}"))
    send(g, runs(5))
    wait_until(lambda: server.requests)
    assert g.stop() == 0
    server.answer = lambda r: OK
    server.released.set()
    g.start()
    g.settled(5)
    assert sorted(server.taken) == sorted(flyte.id_of(r) for r in runs(5))


def test_a_server_that_is_gone_and_comes_back(gateway, webhook):
    server = webhook(port=free_port())
    g = gateway(config(server.url))
    send(g, runs(1, "a"))
    g.settled(1)
    server.close()
    send(g, runs(3, "b"))
    is_down(g, "Connection refused|Connection reset|Couldn't connect")
    again = webhook(port=server.port)
    g.settled(4)
    assert sorted(again.taken) == sorted(flyte.id_of(r) for r in runs(3, "b"))
    assert g.pipeline("w")["up"]


GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
HOSTILE = {
    "nothing": b"", "no HTTP": b"\x00\x01\x02" * 500, "SSH": b"SSH-2.0-OpenSSH_9.2\r\n", "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "only a continue": b"HTTP/1.1 100 Continue\r\n\r\n", "no status": b"HTTP/1.1 \r\n\r\n", "an endless head": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200000,
    "half an unhappy body": b"HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\nhalf",
}


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_answer_is_tried_again(gateway, webhook, said):
    server = webhook(said, GOOD, kind=Raw)
    g = gateway(config(server.url))
    send(g, runs(1))
    g.settled(1)
    assert server.asked == 2
    assert (g.pipeline("w")["published"], g.metric("moongate_publish_retries_total", pipeline="w")) == (1, 1)


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf", b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (3 << 20),
                                  b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD, b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + GOOD,
                                  b"HTTP/1.0 200\r\n\r\n"], ids=["half a body", "a long body", "a continue", "hints", "HTTP/1.0"])
def test_a_whole_head_is_an_answer(gateway, webhook, said):
    server = webhook(said, b"", kind=Raw)
    g = gateway(config(server.url))
    send(g, runs(1))
    g.settled(1)
    assert (server.asked, g.pipeline("w")["published"]) == (1, 1)


def big(size):
    return json.dumps({"specversion": "1.0", "id": "big", "source": "/s", "type": "t", "data": "x" * size})


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_an_event_of_megabytes(gateway, webhook, pems, version):
    server = webhook(pems, kind=Http2) if version == "2" else webhook()
    g = gateway(config(server.url, f"tls: {{ca: {pems}/ca.pem}}"))
    g.post("/v1/events", big(3 << 20), "application/cloudevents+json")
    g.settled(1)
    got, = server.requests
    assert (got.version, got.event["data"]) == (version, "x" * (3 << 20))


def test_a_refusal_in_the_middle_of_a_body_is_heard(gateway, webhook):
    server = webhook(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", kind=Raw, early=True)
    g = gateway(config(server.url))
    g.post("/v1/events", big(3 << 20), "application/cloudevents+json")
    g.settled(1)
    assert (server.asked, g.metric("moongate_events_dead_lettered_total", reason="too_large")) == (1, 1)


@pytest.mark.parametrize("mode,limit,size", [("structured", "max_message_bytes: 10KB", 10000), ("binary", "", 70000)])
def test_too_large_is_known_before_sending(gateway, webhook, mode, limit, size):
    """Over max_message_bytes, or attributes that no server takes as headers."""
    server = webhook()
    g = gateway(config(server.url, limit, f"format: {{mode: {mode}}}"))
    event = {"specversion": "1.0", "id": "big", "source": "/s", "type": "t", "note": "x" * size}
    g.post("/v1/events", json.dumps(event), "application/cloudevents+json")
    g.settled(1)
    assert not server.requests and g.metric("moongate_events_dead_lettered_total", reason="too_large") == 1


# ---- who is let in

def test_a_bearer_token_from_a_file(gateway, webhook):
    server = webhook()
    g = gateway(config(server.url, "bearer_token_file: token"), files={"token": "s3cret\n"})
    send(g, runs(1))
    g.settled(1)
    assert server.requests[0].headers["authorization"] == "Bearer s3cret" and "s3cret" not in g.log()


class Tokens:
    """A token endpoint, and the API that wants its latest token."""

    def __init__(self, webhook, in_body=False, life=3600):
        self.number, self.in_body, self.life, self.asked = 0, in_body, life, []
        self.endpoint, self.api = webhook(self.give), webhook(self.want)
        self.oauth = f"oauth: {{token_url: '{self.endpoint.url}', client_id: 'me/you', client_secret: 'p w:ü', scope: 'a b'}}"

    def give(self, request):
        form, basic = request.form, request.headers.get("authorization")
        self.asked.append(form)
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        assert (form["grant_type"], form["scope"]) == ("client_credentials", "a b")
        if self.in_body:
            ok = (form.get("client_id"), form.get("client_secret")) == ("me/you", "p w:ü")
        else:
            ok = basic == "Basic " + base64.b64encode(b"me%2Fyou:p%20w%3A%C3%BC").decode()
        if not ok:
            return 401, {}, b'{"error":"invalid_client"}'
        self.number += 1
        return 200, {"Content-Type": "application/json"}, json.dumps(
            {"access_token": f"token-{self.number}", "token_type": "Bearer", "expires_in": self.life}).encode()

    def want(self, request):
        return OK if request.headers.get("authorization") == f"Bearer token-{self.number}" else (401, {}, b"who?")


@pytest.mark.parametrize("in_body", [False, True], ids=["in the header", "in the body"])
def test_oauth_fetches_a_token_and_keeps_it(gateway, webhook, in_body):
    tokens = Tokens(webhook, in_body)
    g = gateway(config(tokens.api.url, tokens.oauth))
    send(g, runs(20))
    g.settled(20)
    assert (tokens.number, len(tokens.asked)) == (1, 2 if in_body else 1)
    assert {r.status for r in tokens.api.requests} == {200}
    assert "token-1" not in g.log() and "p w" not in g.log()


def test_oauth_renews_before_the_end(gateway, webhook):
    """A token of two seconds is renewed after one, beside the requests: none of them fails."""
    tokens = Tokens(webhook, life=2)
    g = gateway(config(tokens.api.url, tokens.oauth))
    tokens.api.answer = lambda r: OK
    n = [0]

    def third():
        n[0] += 1
        send(g, [flyte.node(node_id=f"n{n[0]}")])
        return tokens.number >= 3
    wait_until(third)
    g.settled(n[0])
    assert g.metric("moongate_publish_retries_total", pipeline="w") == 0


def test_oauth_throws_a_refused_token_away(gateway, webhook):
    tokens = Tokens(webhook)
    g = gateway(config(tokens.api.url, tokens.oauth))
    send(g, runs(1))
    g.settled(1)
    tokens.number += 1  # somebody revoked token-1; the next one given is token-3
    send(g, runs(5, "b"))
    g.settled(6)
    assert tokens.number == 3
    assert g.metric("moongate_publish_retries_total", pipeline="w") == 0


@pytest.mark.parametrize("answer,why", [
    ((401, {}, b'{"error":"invalid_client"}'), 'oauth: HTTP 401: {"error":"invalid_client"}'), ((302, {"Location": "/x"}, b""), "oauth: HTTP 302 to /x"),
    ((200, {}, b'{"access_token":"' + b"x" * 70000 + b'"}'), "oauth: JSON: line 1"),
], ids=["refused", "a redirect", "a huge token"])
def test_without_a_token_nothing_is_sent(gateway, webhook, answer, why):
    tokens, sent = Tokens(webhook), threading.Event()
    tokens.endpoint.answer = lambda r: sent.wait() and answer
    g = gateway(config(tokens.api.url, tokens.oauth))
    send(g, runs(3))
    sent.set()
    is_down(g, re.escape(why))
    assert not tokens.api.requests
    tokens.endpoint.answer = tokens.give
    g.settled(3)
    assert len(tokens.api.requests) == 3


@pytest.mark.parametrize("more", ["format: {mode: binary}, set: {note: x}", "format: {data: json}"], ids=["binary", "structured"])
def test_another_implementation_verifies_the_signature(gateway, webhook, more):
    server = webhook(lambda r: (503, {}, b"") if len(server.requests) == 0 else OK)
    g = gateway(config(server.url, f"sign: {{scheme: standard-webhooks, secret: {SECRET}}}", f"{RETRY}, {more}"))
    for i in range(3):
        g.post("/v1/events", json.dumps({"specversion": "1.0", "id": f"i {i} ü", "source": "/s", "type": "t", "data": {"n": i}}),
               "application/cloudevents+json")
    g.settled(3)
    assert len(server.requests) == 4
    for r in server.requests:
        Verifier(SECRET).verify(r.body, r.headers)
        with pytest.raises(Exception, match="No matching"):
            Verifier(SECRET).verify(r.body + b" ", r.headers)
    assert sorted({r.headers["webhook-id"] for r in server.requests}) == [f"i%20{i}%20%C3%BC" for i in range(3)]


def test_a_batch_is_signed_as_a_whole(gateway, webhook):
    server = webhook()
    g = gateway(config(server.url, f"batch: {{events: 10, wait: 100ms}}, sign: {{secret_file: secret}}"), files={"secret": SECRET + "\n"})
    send(g, runs(8))
    g.settled(8)
    for r in server.requests:
        Verifier(SECRET).verify(r.body, r.headers)
        assert r.headers["webhook-id"] == r.ids[0] if len(r.ids) == 1 else r.headers["webhook-id"].startswith("batch_")


def consent(**headers):
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    return lambda r: (200, {"Allow": "POST", **headers}, b"") if r.method == "OPTIONS" else OK


@pytest.mark.parametrize("allowed,own", [("*", ""), ("gw.example", "headers: {WebHook-Request-Origin: gw.example}")], ids=["anyone", "us"])
def test_the_handshake_comes_first(gateway, webhook, allowed, own):
    server = webhook(consent(WebHook_Allowed_Origin=allowed))
    g = gateway(config(server.url, f"handshake: true, bearer_token: t, {own}"))
    send(g, runs(5))
    g.settled(5)
    first, *rest = server.requests
    assert (first.method, first.path, len(rest)) == ("OPTIONS", "/hook", 5)
    assert {r.method for r in rest} == {"POST"}
    assert len({r.headers["webhook-request-origin"] for r in server.requests}) == 1
    assert not own or first.headers["webhook-request-origin"] == "gw.example"


@pytest.mark.parametrize("answer,why", [
    ((405, {}, b""), "handshake: HTTP 405"), ((200, {"WebHook-Allowed-Origin": "other.example"}, b""), "is another"),
], ids=["refused", "another"])
def test_without_consent_nothing_is_sent(gateway, webhook, answer, why):
    sent = threading.Event()
    server = webhook(lambda r: sent.wait() and answer)
    g = gateway(config(server.url, "handshake: true"))
    send(g, runs(3))
    sent.set()
    is_down(g, why)
    assert not server.posts
    server.answer = consent(WebHook_Allowed_Origin="*")
    g.settled(3)


def test_a_token_that_is_refused_in_the_handshake_is_thrown_away(gateway, webhook):
    tokens = Tokens(webhook)
    allow = consent(WebHook_Allowed_Origin="*")
    tokens.api.answer = lambda r: allow(r) if tokens.number > 1 and tokens.want(r) is OK else (401, {}, b"who?")
    g = gateway(config(tokens.api.url, f"handshake: true, {tokens.oauth}"))
    send(g, runs(3))
    g.settled(3)
    assert tokens.number == 2 and len(tokens.api.posts) == 3


@pytest.mark.parametrize("workers", [1, 4])
def test_an_allowed_rate_is_kept(gateway, webhook, workers):
    """Six hundred a minute, of all workers: the tenth is not sooner than nine tenths of a second after the first."""
    server = webhook(consent(WebHook_Allowed_Origin="*", WebHook_Allowed_Rate="600"))
    g = gateway(config(server.url, "handshake: true").replace("name: w,", f"name: w, workers: {workers},"))
    send(g, runs(10))
    g.settled(10)
    assert server.posts[9].at - server.posts[0].at > 0.8


# ---- TLS

def test_own_authority_and_a_client_certificate(gateway, webhook, pems):
    server = webhook(tls=server_tls(pems, "ca.pem"))
    g = gateway(config(server.url, f"tls: {{ca: {pems}/ca.pem, cert: {pems}/c.pem, key: {pems}/c.key}}"))
    send(g, runs(3))
    g.settled(3)
    assert len(server.requests) == 3


def test_requests_do_not_wait_for_the_first_answer_over_tls(gateway, webhook, pems):
    server = webhook(lambda r: HANG, tls=server_tls(pems))
    g = gateway(config(server.url, f"tls: {{ca: {pems}/ca.pem}}"))
    send(g, runs(8))
    wait_until(lambda: len(server.requests) == 8)


@pytest.mark.parametrize("server,tls,why", [
    ({}, "", "certificate"), ({}, "tls: {{ca: {d}/other.pem}}", "certificate"), ({"name": "e"}, "tls: {{ca: {d}/ca.pem}}", "subject name"),
    ({"client_ca": "ca.pem"}, "tls: {{ca: {d}/ca.pem}}", "certificate required|alert|SSL|reset|eof"),
], ids=["the system's authorities", "another authority", "another host's certificate", "no client certificate"])
def test_kept_out_keeps_the_events_and_says_why(gateway, webhook, pems, server, tls, why):
    server = webhook(tls=server_tls(pems, **server))
    g = gateway(config(server.url, tls.format(d=pems)))
    send(g, runs(1))
    is_down(g, why)
    assert not server.requests and g.pipeline("w")["dead_lettered"] == 0


def test_verify_false_takes_any_certificate(gateway, webhook, pems):
    server = webhook(tls=server_tls(pems))
    g = gateway(config(server.url, "tls: {verify: false}"))
    send(g, runs(1))
    g.settled(1)


def test_http_told_to_https_says_so(gateway, webhook):
    server = webhook()
    g = gateway(config(server.url.replace("http:", "https:")))
    send(g, runs(1))
    is_down(g, "SSL|TLS")


# ---- check

@pytest.mark.parametrize("publisher,level,what", [
    ("url: 'ftp://x/'", "error", "url: not an http:// or https:// URL"),
    ("url: 'example.com/hook'", "error", "url: not a URL"),
    ("url: 'http://a:b@example.com/'", "error", "url: a name and password"),
    ("url: 'http://h:99999/'", "error", "url: not a URL: a bad port"),
    ("url: 'http://h/#x'", "error", "url: a #fragment"),
    ("url: 'http://h/', method: GET", "error", "method"),
    ("url: 'http://h/', headers: {'a b': c}", "error", "headers: a b: not the name of a header"),
    ("url: 'http://h/', headers: {x: \"a\\r\\nb: c\"}", "error", "headers: x: its value has a control character"),
    ("url: 'http://h/', headers: {Content-Type: x}", "error", "headers: Content-Type: the event's form says it"),
    ("url: 'http://h/', headers: {ce-id: x}", "error", "headers: ce-id: it is an attribute"),
    ("url: 'http://h/', bearer_token: t, headers: {Authorization: x}", "error", "headers: Authorization: said twice"),
    ("url: 'http://h/', bearer_token: t, oauth: {token_url: 'http://t/', client_id: a, client_secret: b}", "error", "oauth: there is bearer_token"),
    ("url: 'http://h/', oauth: {token_url: t, client_id: a, client_secret: b}", "error", "token_url: not a URL"),
    ("url: 'http://h/', oauth: {client_id: a}", "error", "token_url is required"),
    ("url: 'http://h/', sign: {secret: 'whsec_?'}", "error", "sign.secret: not whsec_ and base64"),
    ("url: 'http://h/', sign: {secret: whsec_AAAA}", "warning", "sign.secret: 3 bytes; the standard wants 24 to 64"),
    ("url: 'http://h/', sign: {scheme: rsa, secret: whsec_AAAA}", "error", "scheme"),
    ("url: 'https://h/', tls: {ca: no.pem}", "error", "tls.ca: .*no.pem: No such file"),
    ("url: 'https://h/', tls: {cert: m.yaml}", "error", "tls: cert and key go together"),
    ("url: 'http://h/', timeout: 0s", "error", "timeout"),
    ("method: POST", "error", "url is required"),
    ("url: 'http://h/', batch: {events: 5}, headers: {X-A: ''}", None, ""),
])
def test_check_knows(tmp_path, publisher, level, what):
    (tmp_path / "m.yaml").write_text(f"pipelines:\n  - {{name: a, publisher: {{type: http, {publisher}}}}}\n")
    done = run("check", "-c", tmp_path / "m.yaml", check=int(level == "error"))
    if level is None:
        assert done.stdout == ""
    else:
        assert re.search(rf"m\.yaml:2:\d\d+: {level}: .*{what}", done.stdout), done.stdout
    assert "whsec_" not in done.stdout.replace("not whsec_ and base64", "")


def test_check_binary_has_no_batches_and_two_pipelines_one_url(tmp_path):
    (tmp_path / "m.yaml").write_text("pipelines:\n  - {name: a, format: {mode: binary}, publisher: {type: http, url: 'http://h/', batch: {events: 2}}}\n"
                                     "  - {name: b, publisher: {type: http, url: 'http://h/'}}\n")
    done = run("check", "-c", tmp_path / "m.yaml", check=1)
    assert re.search(r"m\.yaml:2:\d+: error: .*binary", done.stdout) and re.search(r"m\.yaml:3:\d+: warning: .*pipeline a", done.stdout), done.stdout
