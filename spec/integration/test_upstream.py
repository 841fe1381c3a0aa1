"""In front of FlyteAdmin: flyteidl's clients on one side, a FlyteAdmin of flyteidl's stubs on the other. What a client
gets through the gateway is held against what it gets without."""
import concurrent.futures
import http.client
import http.server
import json
import os
import queue
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import grpc
import pytest
from flyteidl.service import auth_pb2, auth_pb2_grpc
from google.protobuf import json_format

import certificates
import flyte
import flyteadmin
import h2raw
import upstream as up
from gateway import BINARY, FILE, free_port, request, run
from wait import wait_until

FRONT = "ingest: {{grpc: {{listen: 127.0.0.1:0, upstream: '{}'{}}}}}\n"
OTHER = up.OTHER
METADATA = (("x-a", "1"), ("x-a", "2"), ("x-b-bin", b"\0\xff,\1"), ("authorization", "Bearer tok"))
IS_PLAIN = not re.search(r"build/(asan|tsan)/", BINARY)      # sanitizers keep memory that was freed
CODES = [c for c in grpc.StatusCode]


def front(gateway, address, more="", **options):
    return gateway(FRONT.format(address, more) + FILE, **options)


def channel_to(address):
    return grpc.insecure_channel(address, options=up.LIMITS)


def call(channel, kind, *args, path=None, **options):
    make = {"Unary": channel.unary_unary, "Server": channel.unary_stream, "Client": channel.stream_unary,
            "Both": channel.stream_stream}[kind]
    return make(path or OTHER + kind, up.raw, up.raw)(*args, **{"timeout": 60, **options})


def outcome(channel, kind, request, metadata, path=None):
    """All that a client sees of a unary call."""
    method = channel.unary_unary(path or OTHER + kind, up.raw, up.raw)
    try:
        body, c = method.with_call(request, timeout=60, metadata=metadata)
    except grpc.RpcError as e:
        body, c = None, e
    pairs = [[(m.key, m.value) for m in part or ()] for part in (c.initial_metadata(), c.trailing_metadata())]
    return body, c.code(), c.details(), *pairs


@pytest.fixture
def admin():
    stand_in = up.Upstream()
    with up.served(stand_in) as address:
        stand_in.address = address
        yield stand_in


def test_every_answer_is_the_clients_unchanged_and_an_event_is_kept_when_it_was_taken(gateway, admin):
    g = front(gateway, "dns:///" + admin.address)
    kept = 0
    with channel_to(g.grpc) as through, channel_to(admin.address) as direct:
        for i, code in enumerate(CODES):
            said = METADATA + (("x-code", code.name),)
            request = flyte.task(name=f"run{i}").SerializeToString()
            for path, body in ((OTHER + "Unary", b"abc"), ("/flyteidl.service.AdminService/CreateTaskEvent", request)):
                del admin.metadata[:]
                assert outcome(through, "Unary", body, said, path) == outcome(direct, "Unary", body, said, path)
                theirs, ours = [sorted((k, v) for k, v in m if k != "user-agent") for m in admin.metadata]
                assert theirs == ours
            kept += code in (grpc.StatusCode.OK, grpc.StatusCode.ALREADY_EXISTS)
    g.settled(kept)
    assert g.ids() == [flyte.id_of(flyte.task(name=f"run{i}")) for i, c in enumerate(CODES) if c.name in ("OK", "ALREADY_EXISTS")]
    assert g.metric("moongate_events_rejected_total", reason="upstream") == len(CODES) - 2


def test_the_four_kinds_pass_in_both_directions(gateway, admin):
    g = front(gateway, admin.address)
    with channel_to(g.grpc) as channel:
        big = bytes(range(256)) * 12288                            # 3 MB
        assert call(channel, "Unary", big) == big[::-1]
        assert [len(m) for m in call(channel, "Server", b"3 3000000")] == [3000000] * 3
        assert call(channel, "Client", iter([big] * 3)) == str(3 * len(big)).encode()
        turns = queue.Queue()
        answers = call(channel, "Both", iter(turns.get, None))
        for word in (b"one", b"", big):                            # each is answered before the next is said
            turns.put(word)
            assert next(answers) == word[::-1]
        turns.put(None)
        assert list(answers) == [] and answers.code() == grpc.StatusCode.OK
        many = [call(channel, "Server", b"200 5000") for _ in range(20)]
        assert [sum(map(len, m)) for m in many] == [1000000] * 20
        for request in (flyte.workflow(), flyte.node(), flyte.task()):
            flyte.send(channel, request)
        flyte.send(channel, flyte.task(name="zipped", error="x" * 3000000), compression=grpc.Compression.Gzip)
        g.settled(4)
        assert [admin.events[i] for i in range(3)] == [flyte.workflow(), flyte.node(), flyte.task()]


def test_health_and_reflection_stay_ours(gateway, admin):
    from grpc_health.v1 import health_pb2, health_pb2_grpc         # pylint: disable=import-outside-toplevel
    g = front(gateway, admin.address)
    with channel_to(g.grpc) as channel:
        assert health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest()).status == 1
        assert outcome(channel, "Unary", b"", (), "/flyteidl.service.Nothing/None")[1] == grpc.StatusCode.UNIMPLEMENTED
    assert len(admin.metadata) == 0


def test_deadlines_and_cancellation_reach_the_other_side(gateway, admin):
    g = front(gateway, admin.address)
    with channel_to(g.grpc) as channel:
        admin.gate = threading.Event()
        for path, body in ((OTHER + "Unary", b""), ("/flyteidl.service.AdminService/CreateTaskEvent", flyte.task().SerializeToString())):
            admin.ended.clear()
            with pytest.raises(grpc.RpcError) as error:
                call(channel, "Unary", body, path=path, timeout=0.3)
            assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            assert admin.remaining[-1] < 1 and admin.ended.wait(30)
        admin.ended.clear()
        waiting = call(channel, "Both", iter(queue.Queue().get, None))
        wait_until(lambda: len(admin.metadata) == 3)
        waiting.cancel()
        assert admin.ended.wait(30)
        admin.gate.set()                                           # the event that was too late is kept: FlyteAdmin took it
        for code in ("ABORTED", "DATA_LOSS"):
            answers = call(channel, "Server", b"1 1", metadata=(("x-code", code),))
            with pytest.raises(grpc.RpcError):
                list(answers)
            assert answers.code().name == code


def test_a_token_that_we_check_is_not_forwarded_and_who_asks_for_one_needs_none(gateway, admin, web):
    config = ("ingest: {{grpc: {{listen: 127.0.0.1:0, upstream: '{}', auth: {{tokens_file: tokens}}}}, "
              "http: {{listen: 127.0.0.1:0, upstream: 'http://{}', auth: {{tokens_file: tokens}}}}}}\n").format(admin.address, web.address)
    g = gateway(config + FILE, files={"tokens": "propeller:sesame\n"})
    token, event = (("authorization", "Bearer sesame"), ("x-a", "1")), "/flyteidl.service.AdminService/CreateTaskEvent"
    with channel_to(g.grpc) as channel:
        for path in (event, OTHER + "Unary"):
            assert outcome(channel, "Unary", b"", (("authorization", "Bearer other"),), path)[1] == grpc.StatusCode.UNAUTHENTICATED
            assert not admin.metadata
            assert outcome(channel, "Unary", b"", token, path)[1] == grpc.StatusCode.OK
            said = dict(admin.metadata.pop())
            assert said["x-a"] == "1" and "authorization" not in said
        ask = "/flyteidl.service.AuthMetadataService/GetPublicClientConfig"
        with channel_to(admin.address) as direct:
            answer = outcome(channel, "Unary", b"", (), ask)
            assert answer == outcome(direct, "Unary", b"", (), ask) and b"flyte-authorization" in answer[0]
            assert outcome(channel, "Unary", b"x" * 4096, (), ask)[1] == outcome(direct, "Unary", b"x" * 4096, (), ask)[1]
        assert outcome(channel, "Unary", b"x" * 4097, (), ask)[1:3] == (
            grpc.StatusCode.RESOURCE_EXHAUSTED, "message too large: more than a call that needs no token may have")
        for path in ("../flyteidl.service.AdminService/CreateTaskEvent", "%2e%2e/x", "GetOAuth2Metadata/../../x", "Other"):
            admin.metadata.clear()
            assert outcome(channel, "Unary", b"", (), "/flyteidl.service.AuthMetadataService/" + path)[1] == grpc.StatusCode.UNAUTHENTICATED
            assert not admin.metadata
    assert request(g.http, "GET", "/x")[0] == 401 and not web.asked
    assert request(g.http, "GET", "/x", None, dict(token))[0] == 200 and request(g.http, "GET", "/config/v1/flyte_client")[0] == 200
    assert all("authorization" not in {k.lower() for k, _ in said} for _, _, said, _ in web.asked) and len(web.asked) == 2


def test_who_has_no_token_takes_no_room_of_others(gateway, admin, web):
    """By a few bytes that say that many will come, where anybody may come in."""
    config = ("ingest: {{max_pending_bytes: 1MiB, grpc: {{listen: 127.0.0.1:0, upstream: '{}', auth: {{tokens_file: tokens}}}}, "
              "http: {{listen: 127.0.0.1:0, upstream: 'http://{}', auth: {{tokens_file: tokens}}}}}}\n").format(admin.address, web.address)
    g = gateway(config + FILE, files={"tokens": "propeller:sesame\n"})
    with h2raw.Connection(g.grpc) as stranger, socket.create_connection(g.http.split(":"), timeout=60) as s, channel_to(g.grpc) as channel:
        for method in ("Check", "Watch"):
            stream = stranger.grpc(method, "grpc.health.v1.Health")
            stranger.data(stream, h2raw.message(b"", length=1000000))
            assert stranger.answer(stream).status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        s.sendall(b"POST /config/v1/flyte_client HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{")
        assert s.recv(12) == b"HTTP/1.1 413" and not web.asked
        event = flyte.task(name="r" * 200000).SerializeToString()
        assert outcome(channel, "Unary", event, (("authorization", "Bearer sesame"),), "/flyteidl.service.AdminService/CreateTaskEvent")[1] == grpc.StatusCode.OK
        assert request(g.http, "GET", "/config/v1/flyte_client", "{}")[0] == 200


def test_flyteidls_client_gets_its_token_through_us_and_sends_its_three_kinds(gateway, admin):
    g = gateway(f"ingest: {{grpc: {{listen: 127.0.0.1:0, upstream: '{admin.address}', auth: {{tokens_file: tokens}}}}}}\n" + FILE,
                files={"tokens": "propeller: t1\n"})
    every = [(flyte.workflow, flyte.node, flyte.task)[i % 3](name=f"r{i}") for i in range(300)]
    with flyteadmin.token_endpoint(admin) as forms, channel_to(g.grpc) as channel:
        with pytest.raises(grpc.RpcError) as error:
            flyte.send(channel, every[0])
        assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
        auth = auth_pb2_grpc.AuthMetadataServiceStub(channel)
        url = auth.GetOAuth2Metadata(auth_pb2.OAuth2MetadataRequest(), timeout=60).token_endpoint
        header = auth.GetPublicClientConfig(auth_pb2.PublicClientAuthConfigRequest(), timeout=60).authorization_metadata_key
        _, _, said = request(urllib.parse.urlsplit(url).netloc, "POST", "/token", "grant_type=client_credentials")
        token = ((header, "Bearer " + json.loads(said)["access_token"]),)
        for r in every:
            flyte.send(channel, r, metadata=token)
    assert len(forms) == 1 and admin.events == every and not any(header in dict(said) for said in admin.metadata)
    g.settled(300)
    for r, event in zip(every, g.lines()):
        flyte.assert_documented(event, r)


def memory(g):
    return g.metric("process_resident_memory_bytes") if IS_PLAIN else 0


def quiet(counter):
    """The counter when it has stood still for a while: nothing pushes it on any more."""
    seen = [counter(), time.monotonic()]

    def still():
        now = counter()
        if now != seen[0]:
            seen[:] = [now, time.monotonic()]
        return time.monotonic() - seen[1] > 0.3
    wait_until(still)
    return seen[0]


def test_who_does_not_read_is_not_sent_to_and_memory_stays(gateway, admin):
    g = front(gateway, admin.address)
    with channel_to(g.grpc) as channel:
        call(channel, "Unary", b"")
        before = memory(g)
        slow = call(channel, "Server", b"800 100000")              # 80 MB to a client that takes one
        next(slow)
        admin.gate = threading.Event()                             # 80 MB to a server that takes one
        sent = []

        def messages():
            for i in range(800):
                sent.append(i)
                yield b"x" * 100000
        upward = channel.stream_unary(OTHER + "Client", up.raw, up.raw).future(messages(), timeout=60)
        produced, given = quiet(lambda: admin.produced), quiet(lambda: len(sent))
        assert produced < 300 and given < 300, (produced, given)
        assert memory(g) - before < 24e6
        admin.gate.set()
        assert upward.result() == b"80000000"
        assert sum(map(len, slow)) == 799 * 100000
        assert memory(g) - before < 24e6


def test_an_upstream_that_is_not_there_is_told_at_once_and_found_when_it_comes(gateway):
    port = free_port()
    g = front(gateway, f"localhost:{port}")
    with channel_to(g.grpc) as channel:
        for path, body in ((OTHER + "Unary", b""), ("/flyteidl.service.AdminService/CreateTaskEvent", flyte.task().SerializeToString())):
            _, code, details, _, _ = outcome(channel, "Unary", body, (), path)
            assert code == grpc.StatusCode.UNAVAILABLE and "refused" in details
        with up.served(up.Upstream(), port=port):
            flyte.send(channel, flyte.task())
        _, code, _, _, _ = outcome(channel, "Unary", b"", ())
        assert code == grpc.StatusCode.UNAVAILABLE
    g.settled(1)


def test_nothing_is_forwarded_that_we_would_not_keep(gateway, admin):
    g = front(gateway, admin.address, ", max_message_bytes: 64KiB")
    with channel_to(g.grpc) as channel:
        for body, options, code, said in ((b"\xff\xff", {}, "INVALID_ARGUMENT", "TaskExecutionEventRequest"), (b"x" * 70000, {}, "RESOURCE_EXHAUSTED", "message too large"),
                                          (b"\0" * 1000000, {"compression": grpc.Compression.Gzip}, "RESOURCE_EXHAUSTED", "message too large"),
                                          (b"\0" * 100, {"compression": grpc.Compression.Deflate}, "UNIMPLEMENTED", "grpc-encoding")):
            with pytest.raises(grpc.RpcError) as error:
                call(channel, "Unary", body, path="/flyteidl.service.AdminService/CreateTaskEvent", **options)
            assert error.value.code().name == code and said in error.value.details(), error.value
        assert call(channel, "Unary", b"x" * 70000, compression=grpc.Compression.Deflate) == b"x" * 70000      # what is not ours has no such bounds
    assert len(admin.metadata) == 1 and not admin.events and g.pipeline()["accepted"] == 0


def test_nothing_is_forwarded_that_there_is_no_room_for(gateway, admin):
    config = ("ingest: {{grpc: {{listen: 127.0.0.1:0, upstream: '{}'}}}}\nlog: {{segment_bytes: 1MiB, max_bytes: 4MiB}}\n"
              "pipelines: [{{name: all, publisher: {{type: http, url: 'http://127.0.0.1:1'}}}}]\n").format(admin.address)
    g = gateway(config)
    with channel_to(g.grpc) as channel:
        for i in range(100):
            request = flyte.task(name=f"r{i}", error="x" * 200000).SerializeToString()
            _, code, _, _, _ = outcome(channel, "Unary", request, (), "/flyteidl.service.AdminService/CreateTaskEvent")
            if code != grpc.StatusCode.OK:
                break
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and len(admin.events) == i > 5
        assert outcome(channel, "Unary", b"abc", ())[0] == b"cba"     # what needs no room goes on


def test_a_stop_waits_for_flyteadmin(gateway, admin):
    g, path = gateway("shutdown_timeout: 60s\n" + FRONT.format(admin.address, "") + FILE), "/flyteidl.service.AdminService/CreateTaskEvent"
    admin.gate, turns = threading.Event(), queue.Queue()
    with channel_to(g.grpc) as channel:
        event = channel.unary_unary(path, up.raw, up.raw).future(flyte.task().SerializeToString(), timeout=60)
        other = channel.unary_unary(OTHER + "Unary", up.raw, up.raw).future(b"abc", timeout=60)
        both = call(channel, "Both", iter(turns.get, None))
        turns.put(b"one")
        wait_until(lambda: len(admin.metadata) == 3)
        g.signal(signal.SIGTERM)
        with grpc.insecure_channel(g.grpc, options=(("grpc.use_local_subchannel_pool", 1),)) as another:
            wait_until(lambda: outcome(another, "Unary", b"", (), "/grpc.health.v1.Health/Check")[0] == b"\x08\x02")      # NOT_SERVING: it has begun
            for method in (path, OTHER + "Unary"):
                wait_until(lambda m=method: outcome(another, "Unary", b"", (), m)[1:3] == (grpc.StatusCode.UNAVAILABLE, "shutting down"))
        assert not event.done() and not other.done()
        admin.gate.set()
        assert event.result() == b"" and other.result() == b"cba" and next(both) == b"eno"
        turns.put(None)
        assert list(both) == [] and both.code() == grpc.StatusCode.OK
    assert g.wait() == 0
    g.start()
    g.settled()
    assert flyte.id_of(flyte.task()) in g.ids()


def test_a_stop_does_not_wait_for_ever_and_what_was_not_answered_is_not_kept(gateway, admin):
    g, admin.gate = gateway("shutdown_timeout: 300ms\n" + FRONT.format(admin.address, "") + FILE), threading.Event()
    with channel_to(g.grpc) as channel:
        waiting = [channel.unary_unary(path, up.raw, up.raw).future(b"", timeout=60) for path in ("/flyteidl.service.AdminService/CreateTaskEvent", OTHER + "Unary")]
        wait_until(lambda: len(admin.metadata) == 2)
        g.signal(signal.SIGTERM)
        assert [w.exception().code() for w in waiting] == [grpc.StatusCode.UNAVAILABLE] * 2
        assert [w.details() for w in waiting] == ["shutting down"] * 2
    assert g.wait() == 0
    g.start()
    assert g.pipeline()["accepted"] == 0


def test_over_tls(gateway, tmp_path):
    import datetime                                                # pylint: disable=import-outside-toplevel
    from cryptography import x509                                  # pylint: disable=import-outside-toplevel
    from cryptography.hazmat.primitives import hashes, serialization   # pylint: disable=import-outside-toplevel
    from cryptography.hazmat.primitives.asymmetric import ec       # pylint: disable=import-outside-toplevel
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "admin")])
    now = datetime.datetime.now(datetime.timezone.utc)
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False).sign(key, hashes.SHA256()))
    pem = cert.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "admin.pem").write_bytes(pem)
    stand_in = up.Upstream()
    with up.served(stand_in, grpc.ssl_server_credentials([(secret, pem)])) as address:
        port = address.rsplit(":", 1)[1]
        g = front(gateway, f"localhost:{port}", f", upstream_tls: {{ca: {tmp_path}/admin.pem}}")
        with channel_to(g.grpc) as channel:
            flyte.send(channel, flyte.task())
            assert call(channel, "Unary", b"x" * 3000000) == b"x" * 3000000
        other = front(gateway, f"localhost:{port}", ", upstream_tls: {}", name="other")
        with channel_to(other.grpc) as channel:
            _, code, details, _, _ = outcome(channel, "Unary", b"", ())
            assert code == grpc.StatusCode.UNAVAILABLE and "certificate" in details


def test_the_address_is_checked(tmp_path):
    def said(text):
        (tmp_path / "c.yaml").write_text(text)
        return run("check", "-c", tmp_path / "c.yaml", check=None).stdout
    addresses = ("flyteadmin", "http://flyteadmin:81", "flyteadmin:", "a:b:81", "[::1:81", "host:port", "flyteadmin:0", "flyteadmin:65536", "flyteadmin:99999",
                 ":81", "[]:81", "a b:81")
    urls = ("http://", "http://:notaport", "http://:80", "http://a:", "http://a:0/", "http://a:65536", "http://a:b@c", "https://", "https://:443", "ftp://a",
            "flyteadmin:80", "https:/a")
    for address, url in zip(addresses, urls):
        found = said(f"ingest:\n  grpc: {{upstream: '{address}'}}\n  http: {{upstream: '{url}'}}\n")
        assert f'c.yaml:2:20: error: ingest.grpc.upstream: expected HOST:PORT as flyteadmin:81, not "{address}"' in found
        assert f'c.yaml:3:20: error: ingest.http.upstream: expected a URL as http://flyteadmin:80, not "{url}"' in found
    for listen, address, ours in (("0.0.0.0:8089", "localhost:8089", 1), ("[::]:8089", "127.0.0.1:8089", 1), ("localhost:8089", "[::1]:8089", 1), ("127.0.0.1:8089", "LOCALHOST:8089", 1),
                                  ("127.0.0.1:8089", "0.0.0.0:8089", 1), ("10.0.0.1:8089", "10.0.0.1:8089", 1), ("0.0.0.0:8089", "127.0.0.1:8090", 0),
                                  ("127.0.0.2:8089", "127.0.0.1:8089", 0), ("0.0.0.0:8089", "flyteadmin:8089", 0), ("10.0.0.1:8089", "127.0.0.1:8089", 0)):
        found = said(f"ingest: {{grpc: {{listen: '{listen}', upstream: '{address}'}}, http: {{listen: '{listen}', upstream: 'http://{address}/x'}}}}\n")
        assert ("grpc.upstream: it is what ingest.grpc" in found, "http.upstream: it is what ingest.http" in found) == (ours, ours), (listen, address, found)
    for over_grpc, over_http, problem, other in (
            ("upstream_tls: {}", "upstream_tls: {}", "grpc.upstream_tls: there is no upstream", "http.upstream_tls: upstream is not https://"),
            ("upstream: 'dns:///127.0.0.1:8089'", "upstream: 'http://127.0.0.1:8088/'", "grpc.upstream: it is what ingest.grpc listens on",
             "http.upstream: it is what ingest.http listens on"),
            ("upstream: 'a:81', upstream_tls: {ca: none.pem}", "upstream: 'https://127.0.0.1:8088', upstream_tls: {ca: none.pem}", "grpc.upstream_tls.ca: ",
             "http.upstream: it is what ingest.http listens on"),
            ("upstream: 'a:81'", "upstream: 'https://a', upstream_tls: {ca: none.pem}", "", "http.upstream_tls.ca: "),
            ("upstream: 'a:81'", "upstream: 'http://a', upstream_tls: {}", "", "http.upstream_tls: upstream is not https://")):
        found = said(f"ingest: {{grpc: {{{over_grpc}}}, http: {{{over_http}}}}}\n")
        assert problem in found and other in found, found


# ---- an upstream that answers nonsense

SETTINGS = b"\0\0\0\4\0\0\0\0\0"


def frame(kind, flags, payload, stream=1):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


HEAD = frame(1, 4, b"\x88" + literal(b"content-type", b"application/grpc"))
OK = frame(1, 5, literal(b"grpc-status", b"0"))
NONSENSE = {
    "no HTTP/2": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "nothing": b"",
    "a cut head": SETTINGS + HEAD[:20],
    "no trailers": SETTINGS + HEAD + frame(0, 1, b"\0\0\0\0\0"),
    "half a message": SETTINGS + HEAD + frame(0, 0, b"\0\0\0\0\5ab") + OK,
    "half a prefix": SETTINGS + HEAD + frame(0, 0, b"\0\0\0") + OK,
    "a reset in the middle": SETTINGS + HEAD + frame(0, 0, b"\0\0\0\0\5ab") + frame(3, 0, b"\0\0\0\2"),
    "a reset at once": SETTINGS + frame(3, 0, b"\0\0\0\1"),
    "a break in the middle": SETTINGS + HEAD + frame(0, 0, b"\0\0\0\0\5ab"),
    "headers that are none": SETTINGS + frame(1, 5, b"\xff\xff\xff"),
    "data without a head": SETTINGS + frame(0, 0, b"abc"),
    "an unknown stream": SETTINGS + frame(0, 0, b"abc", 7),
    "HTML": SETTINGS + frame(1, 4, b"\x88" + literal(b"content-type", b"text/html")) + frame(0, 1, b"<html>"),
    "HTTP 500": SETTINGS + frame(1, 5, b"\x8e"),
    "a status that is none": SETTINGS + frame(1, 5, b"\x88" + literal(b"content-type", b"application/grpc") + literal(b"grpc-status", b"OK")),
}


class Babbler:
    """Says the same bytes on every connection, once it was asked something."""

    def __init__(self):
        self.socket, self.says = socket.create_server(("127.0.0.1", 0)), b""
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    @staticmethod
    def wait_for_request(stream):
        stream.read(24)
        while (head := stream.read(9)) and head[3] != 1:
            stream.read(int.from_bytes(head[:3], "big"))

    def serve(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection:
            self.wait_for_request(connection.makefile("rb"))
            connection.sendall(self.says)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass


def test_an_upstream_that_answers_nonsense_costs_one_call(gateway):
    babbler = Babbler()
    g = front(gateway, babbler.address)
    with channel_to(g.grpc) as channel:
        for what, babbler.says in NONSENSE.items():
            for path, body in ((OTHER + "Unary", b""), ("/flyteidl.service.AdminService/CreateTaskEvent", flyte.task().SerializeToString())):
                _, code, details, _, _ = outcome(channel, "Unary", body, (), path)
                assert code == grpc.StatusCode.UNAVAILABLE and "upstream" in details, (what, path, code, details)
        health = channel.unary_unary("/grpc.health.v1.Health/Check", up.raw, up.raw)
        assert health(b"", timeout=60) == b"\x08\x01"
    babbler.socket.close()
    assert g.pipeline()["accepted"] == 0


class Mute(Babbler):
    """Takes everything and says nothing."""

    def __init__(self):
        self.connections = []
        super().__init__()

    def talk(self, connection):
        self.connections.append(connection)
        while connection.recv(65536):
            pass

    def leave(self):
        self.socket.shutdown(socket.SHUT_RDWR)                     # a mere close leaves the accept that waits
        self.socket.close()
        for connection in self.connections:
            connection.shutdown(socket.SHUT_RDWR)


def test_so_many_calls_wait_for_flyteadmin_and_no_more(gateway):
    """Each takes memory, however small it is. Who need not say who it is has a room of its own."""
    mute, refused = Mute(), grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    g = gateway(f"ingest: {{max_pending_bytes: 1MiB, grpc: {{listen: 127.0.0.1:0, upstream: '{mute.address}', auth: {{tokens_file: tokens}}}}}}\n" + FILE,
                files={"tokens": "propeller:sesame\n"})
    token = {"authorization": "Bearer sesame"}
    with h2raw.Connection(g.grpc) as c:
        def send(n, method, service="flyteidl.service.AdminService", fields=token):
            streams = [c.grpc(method, service, **fields) for _ in range(n)]
            for stream in streams:
                c.data(stream, h2raw.message(b""), end=True)
            return streams

        def are_refused(streams, status=refused):
            return all(c.answer(s).status == status for s in streams)
        waiting = send(40, "CreateTaskEvent") + send(24, "GetExecution")
        beyond = send(4, "CreateTaskEvent") + send(4, "GetExecution")
        strangers = send(16, "GetOAuth2Metadata", "flyteidl.service.AuthMetadataService", {})
        beyond += send(4, "GetOAuth2Metadata", "flyteidl.service.AuthMetadataService", {})
        assert are_refused(beyond) and "too many calls wait" in c.answers[beyond[0]].headers["grpc-message"]
        assert g.metric("moongate_events_rejected_total", ingest="grpc", reason="pending") == 4
        for stream in waiting[-10:]:                               # who leaves makes room for another
            c.send(h2raw.frame(h2raw.RST_STREAM, 0, stream, b"\0\0\0\x08"))
        waiting[-10:] = send(10, "GetExecution")
        assert are_refused(send(1, "GetExecution"))
        assert not any(c.answers[s].ended for s in waiting + strangers)
        mute.leave()
        assert are_refused(waiting + strangers, grpc.StatusCode.UNAVAILABLE.value[0])
        for _ in range(2):                                         # and nothing of the room is lost
            assert are_refused(send(40, "CreateTaskEvent") + send(24, "GetExecution"), grpc.StatusCode.UNAVAILABLE.value[0])
    assert g.pipeline()["accepted"] == 0


# ---- what FlyteAdmin has not looked at goes there once more

GOODBYE, AWAY, REFUSED = frame(7, 0, bytes(8), 0), frame(7, 0, b"\0\0\0\1" + bytes(4), 0), frame(3, 0, b"\0\0\0\7")
FINE = HEAD + frame(0, 0, bytes(5)) + OK + AWAY            # whoever comes next needs a connection of its own
AGAIN = {                                                  # what successive connections say; whether the client is told OK
    "away before it": ([GOODBYE, FINE], True),
    "refused": ([REFUSED, FINE], True),
    "refused, then away": ([REFUSED, GOODBYE, FINE], False),
    "refused twice": ([REFUSED, REFUSED + AWAY, FINE], False),
    "away after it": ([AWAY, FINE], False),
    "reset otherwise": ([frame(3, 0, b"\0\0\0\x08") + AWAY, FINE], False),
    "refused after the head": ([HEAD + REFUSED + AWAY, FINE], False),
}


class Script(Babbler):
    """Says one thing on each connection, when a request has come whole, and keeps it open unless it has gone away."""
    says, bodies = (), ()

    def talk(self, connection):
        with connection:
            stream, body = connection.makefile("rb"), b""
            stream.read(24)
            while (head := stream.read(9)) and not (head[3] < 2 and head[4] & 1):
                payload = stream.read(int.from_bytes(head[:3], "big"))
                body += payload if head[3] == 0 else b""
            if not head:
                return
            self.bodies.append(body + stream.read(int.from_bytes(head[:3], "big")))
            says = self.says[len(self.bodies) - 1]
            connection.sendall(SETTINGS + says)
            if says not in (GOODBYE, AWAY):
                while connection.recv(65536):
                    pass


def test_what_was_not_looked_at_goes_once_more_on_a_new_connection(gateway):
    script = Script()
    g, kept = front(gateway, script.address), []
    with channel_to(g.grpc) as channel:
        for i, (what, (says, taken)) in enumerate(AGAIN.items()):
            event = flyte.task(name=f"r{i}")
            for path, kind, messages in (("/flyteidl.service.AdminService/CreateTaskEvent", "Unary", [event.SerializeToString()]),
                                         (OTHER + "Unary", "Unary", [b"abc"]), (OTHER + "Client", "Client", [b"one", b"", b"x" * 30000])):
                script.says, script.bodies = says, []
                try:
                    call(channel, kind, messages[0] if kind == "Unary" else iter(messages), path=path)
                    code = grpc.StatusCode.OK
                except grpc.RpcError as e:
                    code = e.code()
                assert code == (grpc.StatusCode.OK if taken else grpc.StatusCode.UNAVAILABLE), (what, path)
                whole = b"".join(len(m).to_bytes(5, "big") + m for m in messages)
                asked = 1 + (says[0] in (GOODBYE, REFUSED))
                assert script.bodies == [whole] * asked, (what, path)
            kept += [flyte.id_of(event)] * taken
    script.socket.close()
    g.settled(len(kept))
    assert g.ids() == kept


# ---- over HTTP

class Web(http.server.BaseHTTPRequestHandler):
    """Says what it was asked, or what the path says."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, *headers):
        self.send_response(status)
        for name, value in (("content-length", str(len(body))), ("keep-alive", "timeout=5"), ("x-mine", "a"), ("x-mine", "b"), *headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def any(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked.append((self.command, self.path, self.headers.items(), body))
        if "/api/v1/events/" in self.path:
            self.answer(int(self.headers.get("x-status", 200)), b'{"from": "admin"}', ("content-type", "application/json"))
        elif self.path == "/long":
            self.send_response(200)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for _ in range(800):
                self.server.produced += 1
                self.wfile.write(b"186a0\r\n" + b"x" * 100000 + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("content-length", "100")
            self.end_headers()
            self.wfile.write(b"half")
            self.close_connection = True
        else:
            self.answer(int(self.headers.get("x-status", 200)), body[::-1])
    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = any


@pytest.fixture
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.asked, server.produced, server.daemon_threads = [], 0, True
    server.address = "127.0.0.1:%d" % server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def web_front(gateway, address, prefix=""):
    return gateway(f"ingest: {{http: {{listen: 127.0.0.1:0, upstream: 'http://{address}{prefix}'}}}}\n" + FILE)


def test_http_passes_what_is_not_ours_and_keeps_events_that_were_taken(gateway, web):
    g = web_front(gateway, web.address, "/below/")
    for method, body in (("GET", None), ("POST", b"abc"), ("PUT", b"x" * 3000000), ("DELETE", None), ("PATCH", b""), ("OPTIONS", None)):
        status, headers, answer = request(g.http, method, "/api/v1/projects?a=b%20c", body,
                                          {"x-status": "404", "x-a": "1", "connection": "x-hop", "x-hop": "1"})
        assert (status, answer.encode()) == (404, (body or b"")[::-1]) and headers["x-mine"] == "b" and "keep-alive" not in headers
        command, path, said, got = web.asked[-1]
        said = {k.lower(): v for k, v in said}
        assert (command, path, got) == (method, "/below/api/v1/projects?a=b%20c", body or b"") and said["x-a"] == "1"
        assert said["host"] == g.http and "x-hop" not in said and "connection" not in said
    status, headers, answer = request(g.http, "HEAD", "/x")
    assert (status, answer, headers["content-length"]) == (200, "", "0")
    web.asked.clear()
    for i, status in enumerate((200, 409, 400, 401, 500, 503)):
        body = json.dumps({"event": {"execution_id": {"name": f"r{i}"}}})
        assert g.post(flyte.REST["workflow"], body, headers={"x-status": str(status)})[::2] == (status, '{"from": "admin"}')
    assert g.post(flyte.REST["task"], "{nonsense")[0] == 400 and g.post("/v1/events", "")[0] == 400
    g.settled(2)
    assert g.ids() == ["::r0:UNDEFINED", "::r1:UNDEFINED"] and len(web.asked) == 6
    assert request(g.http, "GET", "/v1/events")[0] == 405 and g.post("/v1/push/sns", "{}")[0] == 404 and len(web.asked) == 6


def test_http_fields_that_come_in_pieces_arrive_whole(gateway, web):
    g = web_front(gateway, web.address)
    subprocess.run(["curl", "-sf", "--http2-prior-knowledge", f"http://{g.http}/x", *(f"-Hcookie: {c}=1" for c in "abc")], check=True, capture_output=True)
    said = [(k.lower(), v) for k, v in web.asked[-1][2]]
    assert [v for k, v in said if k == "cookie"] == ["a=1; b=1; c=1"]
    with socket.create_connection(g.http.split(":")) as s:
        s.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\nConnection: x-two\r\nConnection: close,\tx-one ,,\r\n\r\n")
        assert s.recv(12) == b"HTTP/1.1 200"
    said = {k.lower() for k, _ in web.asked[-1][2]}
    assert "x-three" in said and not said & {"x-one", "x-two", "connection"}


def test_a_head_of_many_fields_is_read_once(gateway, web):
    """Of half a million fields and names in `connection` each beside each other would take many minutes."""
    g = gateway(f"ingest: {{http: {{listen: 127.0.0.1:0, max_header_bytes: 8MiB, upstream: 'http://{web.address}'}}}}\n" + FILE)
    head = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: " + b",".join(b"x%d" % i for i in range(250000)) + b"\r\n"
    with socket.create_connection(g.http.split(":"), timeout=60) as s:
        s.sendall(head + b"".join(b"x%d:\r\n" % i for i in range(249990)) + b"a: 1\r\n\r\n")
        assert s.recv(12) == b"HTTP/1.1 200"
    assert [k for k, _ in web.asked[-1][2]] == ["host", "a"]


def test_http_over_tls_and_its_authorities_may_change(gateway, web, tmp_path):
    certificates.files(tmp_path / "tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls/server.pem", tmp_path / "tls/server.key")
    web.socket = context.wrap_socket(web.socket, server_side=True)
    trust = tmp_path / "trust.pem"
    trust.write_bytes((tmp_path / "tls/stranger.pem").read_bytes())
    port = web.address.rsplit(":", 1)[1]
    g = gateway(f"ingest: {{http: {{listen: 127.0.0.1:0, upstream: 'https://localhost:{port}', upstream_tls: {{ca: '{trust}'}}}}}}\n" + FILE)
    status, _, body = request(g.http, "GET", "/x")
    assert status == 503 and "certificate" in json.loads(body)["message"] and not web.asked
    assert g.post(flyte.REST["task"], "{}")[0] == 503
    (tmp_path / "new.pem").write_bytes((tmp_path / "tls/ca.pem").read_bytes())
    os.rename(tmp_path / "new.pem", trust)
    wait_until(lambda: request(g.http, "GET", "/x")[0] == 200)
    big = bytes(range(256)) * 12288
    assert request(g.http, "PUT", "/y", big)[0] == 200 and web.asked[-1][3] == big
    assert g.post(flyte.REST["task"], "{}")[0] == 200
    trust.write_text("nonsense")                                   # what will not do changes nothing
    with socket.create_connection(g.http.split(":")) as s:
        s.sendall(b"GET /long HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        with s.makefile("rb") as f:
            assert sum(map(len, iter(lambda: f.read(1 << 20), b""))) > 80000000
    wait_until(lambda: "upstream_tls.ca has changed and is not taken" in (request(g.http, "GET", "/x") and g.log()))
    assert request(g.http, "GET", "/x")[0] == 200
    g.settled(1)


# ---- all of it at once

@pytest.mark.concurrent
def test_many_clients_of_several_threads_while_flyteadmin_is_restarted(gateway, web):
    clients, rounds, port, admin = 6, 9, free_port(), up.Upstream()
    admin.keeps = True
    listen = "listen: 127.0.0.1:0, auth: {tokens_file: tokens}"
    g = gateway(f"ingest: {{threads: 3, grpc: {{{listen}, upstream: 'localhost:{port}'}}, "
                f"http: {{{listen}, upstream: 'http://localhost:{web.address.rsplit(':', 1)[1]}'}}}}\n" + FILE, files={"tokens": "a:one\n"})
    token, told, sent = (("authorization", "Bearer one"),), [], []

    def is_taken(channel, event):
        told.append(outcome(channel, "Unary", event.SerializeToString(), token, "/flyteidl.service.AdminService/CreateTaskEvent")[1].name)
        return told[-1] in ("OK", "ALREADY_EXISTS")

    def client(c):
        with grpc.insecure_channel(g.grpc, options=(*up.LIMITS, ("grpc.use_local_subchannel_pool", 1))) as channel:
            for i in range(rounds):
                over_grpc, over_http, other = flyte.task(name=f"g{c}n{i}"), flyte.task(name=f"h{c}n{i}"), f"{c} {i}".encode() * 5000
                wait_until(lambda event=over_grpc: is_taken(channel, event))
                wait_until(lambda body=other: outcome(channel, "Unary", body, token)[0] == body[::-1])
                assert g.post(flyte.REST["task"], json_format.MessageToJson(over_http), headers=dict(token))[0] == 200
                assert request(g.http, "PUT", "/x", other, dict(token))[0] == 200
                sent.extend(map(flyte.id_of, (over_grpc, over_http)))

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(client, c) for c in range(clients)]
        for third in (1, 2):
            with up.served(admin, port=port):
                wait_until(lambda n=third: len(sent) >= 2 * n * clients * rounds // 3)
            told.clear()
            wait_until(lambda: "UNAVAILABLE" in told)              # there is nobody now
            g.replace("tokens", f"a:one\nb:two{third}\n")
        with up.served(admin, port=port):
            for r in running:
                r.result(120)
    g.settled()
    assert set(g.ids()) == set(sent) and len(sent) == 2 * clients * rounds


def test_http_reads_as_its_client_does_and_tells_of_a_break(gateway, web):
    g = web_front(gateway, web.address)
    request(g.http, "GET", "/")
    before = memory(g)
    slow = socket.create_connection(g.http.split(":"))
    slow.sendall(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
    assert slow.recv(10) == b"HTTP/1.1 2"
    produced = quiet(lambda: web.produced)
    assert produced < 300 and memory(g) - before < 24e6
    assert request(g.http, "GET", "/")[0] == 200                   # others go on
    with slow.makefile("rb") as f:
        while f.readline().strip():
            pass
        total = 0
        while size := int(f.readline(), 16):
            total += len(f.read(size + 2)) - 2
    assert total == 80000000
    slow.close()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        request(g.http, "GET", "/cut")
    web.shutdown()
    web.server_close()
    status, _, body = request(g.http, "GET", "/")
    assert status == 503 and "refused" in json.loads(body)["message"]
    assert g.post(flyte.REST["task"], "{}")[0] == 503
    assert g.pipeline()["accepted"] == 0


def test_http_nonsense_costs_one_request(gateway):
    babbler = Babbler()
    babbler.wait_for_request = lambda stream: [line for line in iter(stream.readline, b"\r\n")]
    g = web_front(gateway, babbler.address)
    for babbler.says in (b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", b"HTTP/1.1 200 OK\r\nx", b"\0" * 100,
                         b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"):
        for method, path, body in (("GET", "/a", None), ("POST", flyte.REST["task"], "{}")):
            try:
                status = request(g.http, method, path, body, {"content-type": "application/json"})[0]
            except (http.client.IncompleteRead, ConnectionError):
                status = "cut" if method == "GET" else None
            assert status in (503, "cut"), babbler.says
    babbler.socket.close()
    assert request(g.http, "POST", "/v1/events", "")[0] == 400
    assert g.pipeline()["accepted"] == 0
