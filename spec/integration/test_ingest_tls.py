"""Who may send: TLS, certificates of clients, tokens. The clients are grpcio, curl, the openssl command and Python's ssl;
the gateway of most tests is one, with TLS and tokens on both listeners and clients' certificates asked for on one."""
import base64
import json
import os
import re
import shutil
import socket
import ssl
import subprocess

import grpc
import pytest
from flyteidl.service import auth_pb2, auth_pb2_grpc
from google.protobuf import json_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

import certificates
import flyte
from gateway import FILE, run
from wait import wait_until

ALICE, BOB, CAROL = "alice-sesame-1f7c", "bob:with:colons-93ab", "carol-comes-later-55d0"
TOKENS = f"# who may send\n\nalice: {ALICE}\n  bob:{BOB}\r\n"
LISTENERS = """\
ingest:
  grpc: {{listen: 127.0.0.1:0, header_timeout: {timeout}, max_connections: 20, max_header_bytes: 2KiB,
         tls: {{cert: tls/server.pem, key: tls/server.key}}, auth: {{tokens_file: tokens}}}}
  http: {{listen: 127.0.0.1:0, header_timeout: {timeout}, max_connections: 20, max_header_bytes: 2KiB,
         tls: {{cert: tls/server.pem, key: tls/server.key, client_ca: tls/ca.pem}}, auth: {{tokens_file: tokens}}}}
"""
CONFIG = LISTENERS.format(timeout="1s") + FILE
EVENT = '{"specversion":"1.0","id":"%s","source":"/s","type":"t"}'


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return certificates.files(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def guarded(gateway, made):
    """A gateway whose clients are asked for everything, and the folder of their certificates."""
    g = gateway(CONFIG, started=False)
    g.tls = shutil.copytree(made, g.path("tls"))
    write_tokens(g, TOKENS)
    return g.start()


def write_tokens(g, text):
    """As an editor does: a new file in the old one's place."""
    with os.fdopen(os.open(g.path("tokens.new"), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline="") as f:
        f.write(text)
    os.rename(g.path("tokens.new"), g.path("tokens"))


def read(path):
    with open(path, "rb") as f:
        return f.read()


def bearer(token, header="authorization"):
    return ((header, f"Bearer {token}"),)


def secure(g, address=None, key=None, cert=None):
    credentials = grpc.ssl_channel_credentials(read(g.tls + "/ca.pem"), key and read(key), cert and read(cert))
    return grpc.secure_channel((address or g.grpc), credentials, options=[("grpc.use_local_subchannel_pool", 1)])


def code(call, *args, **options):
    """The status of a call that is refused."""
    with pytest.raises(grpc.RpcError) as error:
        call(*args, **{"timeout": 60, **options})
    return error.value.code(), error.value.details()


def curl(g, *args, path="/v1/events", body=EVENT % "c", token=ALICE, cert="client"):
    """(exit status, HTTP status, HTTP version, head, body)."""
    command = ["curl", "-sS", "-i", "--cacert", g.tls + "/ca.pem", *args, "-w", "\n%{http_code} %{http_version}", f"https://{g.http}{path}"]
    if cert:
        command += ["--cert", f"{g.tls}/{cert}.pem", "--key", f"{g.tls}/{cert}.key"]
    if token:
        command += ["-H", f"authorization: Bearer {token}"]
    if body is not None:
        command += ["-H", "content-type: application/cloudevents+json", "-d", body]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    text, _, tail = done.stdout.rpartition("\n")
    status, version = tail.split()
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    return done.returncode, int(status), version, head.lower(), body


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def client_of(record):
    """Field 4 of moongate.log.v1.Record; None where it is absent."""
    at = 0
    while at < len(record):
        tag, at = varint(record, at)
        size, at = varint(record, at) if tag & 7 != 1 else (8, at)
        if tag == 4 << 3 | 2:
            return record[at:at + size].decode()
        at += size if tag & 7 != 0 else 0
    return None


def records(g):
    """Who sent each record, as the log has it."""
    status, body = g.get("/api/log/records?raw=1")
    assert status == 200, body
    return [client_of(base64.b64decode(json.loads(line)["record"])) for line in body.splitlines()]


def tls_context(g, cert="client", alpn=None):
    context = ssl.create_default_context(cafile=g.tls + "/ca.pem")
    if cert:
        context.load_cert_chain(f"{g.tls}/{cert}.pem", f"{g.tls}/{cert}.key")
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def connect(g, address=None, **options):
    host, port = (address or g.http).rsplit(":", 1)
    return tls_context(g, **options).wrap_socket(socket.create_connection((host, int(port)), timeout=60), server_hostname="localhost")


connect_at = connect


def ask(connection, id_="k", token=ALICE):
    """A request on a connection that stays open; its status."""
    body = EVENT % id_
    connection.sendall((f"POST /v1/events HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-type: application/cloudevents+json\r\n"
                        f"content-length: {len(body)}\r\n\r\n{body}").encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = connection.recv(4096)
        assert more, answer
        answer += more
    length = int(re.search(rb"content-length: (\d+)", answer).group(1)) if b"content-length" in answer else 0
    while len(answer.partition(b"\r\n\r\n")[2]) < length:
        answer += connection.recv(4096)
    return int(answer.split()[1])


# ---- gRPC

def test_grpc_clients_show_a_token_over_tls(guarded):
    g = guarded
    with secure(g) as channel:
        flyte.send(channel, flyte.workflow("f1"), metadata=bearer(ALICE))
        flyte.send(channel, flyte.node("f1"), metadata=bearer(BOB, "flyte-authorization"))
        flyte.send(channel, flyte.task("f1"), metadata=(("authorization", "Basic x"), ("authorization", f"bearer  {BOB}")))
        for metadata in ((), bearer("alice"), bearer(ALICE + "x"), bearer(ALICE[:-1]), (("authorization", "Bearer"),), (("authorization", ALICE),), bearer(ALICE, "x-token")):
            got, details = code(flyte.send, channel, flyte.workflow("f2"), metadata=metadata)
            assert got == grpc.StatusCode.UNAUTHENTICATED and "token" in details and ALICE not in details
        assert g.metric("moongate_events_rejected_total", ingest="grpc", reason="invalid") == 7
        # What anybody may ask, and what not.
        assert health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=60).status == health_pb2.HealthCheckResponse.SERVING
        metadata_service = auth_pb2_grpc.AuthMetadataServiceStub(channel)
        assert code(metadata_service.GetOAuth2Metadata, auth_pb2.OAuth2MetadataRequest())[0] == grpc.StatusCode.UNIMPLEMENTED
        assert code(channel.unary_unary("/a.B/C", lambda b: b, lambda b: b), b"")[0] == grpc.StatusCode.UNAUTHENTICATED
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        question = reflection_pb2.ServerReflectionRequest(list_services="")
        assert code(lambda **o: list(reflection(iter([question]), **o)))[0] == grpc.StatusCode.UNAUTHENTICATED
        assert list(reflection(iter([question]), timeout=60, metadata=bearer(BOB)))
    g.settled(3)
    assert records(g) == ["alice", "bob", "bob"]


def test_a_client_without_certificate_or_tls_is_told(guarded):
    g = guarded
    # grpcio's REST cannot be judged over gRPC, so its mutual TLS is asked on the HTTP listener: the handshake is the same.
    with secure(g, g.http, g.tls + "/client.key", g.tls + "/client.pem") as channel:
        assert code(flyte.send, channel, flyte.workflow(), metadata=bearer(ALICE))[0] != grpc.StatusCode.UNAVAILABLE
    with secure(g, g.http) as channel:
        assert code(flyte.send, channel, flyte.workflow(), metadata=bearer(ALICE))[0] == grpc.StatusCode.UNAVAILABLE
    with grpc.insecure_channel(g.grpc) as channel:
        assert code(flyte.send, channel, flyte.workflow(), metadata=bearer(ALICE))[0] == grpc.StatusCode.UNAVAILABLE
    status, headers, body = g.post("/v1/events", EVENT % "p", "application/cloudevents+json")
    assert status == 400 and headers["connection"] == "close" and json.loads(body)["message"] == "this port speaks TLS only"
    for cert, why in ((None, "required"), ("guest", "unknown ca|unknown_ca|certificate")):
        with pytest.raises((ssl.SSLError, ConnectionError), match=why), connect(g, cert=cert) as c:
            c.recv(1)
    wait_until(lambda: "component=net.tls" in g.log() and "did not return a certificate" in g.log(), g.log)
    assert g.pipeline()["accepted"] == 0


# ---- HTTP

def test_curl_sends_over_both_versions(guarded):
    g = guarded
    assert curl(g, "--http1.1")[:3] == (0, 202, "1.1")
    assert curl(g, "--http2")[:3] == (0, 202, "2")
    assert curl(g, "--http2-prior-knowledge")[:3] == (0, 202, "2")
    assert curl(g, "--http1.0")[:2] == (0, 202)
    assert curl(g, "--tls-max", "1.2", "--http2", token=BOB)[:3] == (0, 202, "2")
    event = json_format.MessageToJson(flyte.workflow())
    assert curl(g, "-H", "content-type: application/json", "-d", event, path=flyte.REST["workflow"], body=None)[1] == 200
    for token in (None, "x", BOB.partition(":")[2]):
        done, status, _, head, body = curl(g, token=token)
        assert (done, status) == (0, 401) and json.loads(body)["code"] == 16 and 'www-authenticate: bearer realm="moongate"' in head
        assert curl(g, path="/no/such/path", token=token)[1] == 401
    assert curl(g, "-X", "OPTIONS", "-H", "webhook-request-origin: a", body=None, token=None)[1] == 200
    assert curl(g, path="/no/such/path")[1] == 404
    assert curl(g, cert=None)[0] != 0
    assert curl(g, cert="guest")[0] != 0
    g.settled(6)
    assert records(g) == ["alice"] * 4 + ["bob", "alice"]
    assert g.metric("moongate_events_rejected_total", ingest="http", reason="invalid") == 3


def s_client(g, *args, text=""):
    host = ["-connect", g.grpc, "-CAfile", g.tls + "/ca.pem", "-verify_return_error", "-servername", "localhost"]
    return subprocess.run(["openssl", "s_client", *host, *args], input=text, capture_output=True, text=True, timeout=60, check=False)


def test_versions_and_protocols_as_openssl_sees_them(guarded):
    g = guarded
    for version in ("-tls1_1", "-tls1"):
        done = s_client(g, version, "-cipher", "ALL:@SECLEVEL=0")
        assert done.returncode and "protocol version" in done.stderr, done.stderr
    for args, wanted in ((("-tls1_2", "-alpn", "h2"), "ALPN protocol: h2"), (("-tls1_3", "-alpn", "http/1.1,h2"), "ALPN protocol: h2"),
                         (("-alpn", "http/1.1"), "ALPN protocol: http/1.1"), ((), "No ALPN negotiated")):
        done = s_client(g, *args)
        assert done.returncode == 0 and wanted in done.stdout and "Verify return code: 0 (ok)" in done.stdout, done.stdout + done.stderr
    assert s_client(g, "-alpn", "imap").returncode
    assert s_client(g, "-tls1_2", "-cipher", "AES128-SHA").returncode                     # no forward secrecy, CBC
    assert "Secure Renegotiation IS supported" in s_client(g, "-tls1_2").stdout
    renegotiated = s_client(g, "-tls1_2", text="R\n")
    assert "RENEGOTIATING" in renegotiated.stdout + renegotiated.stderr and "no renegotiation" in renegotiated.stderr
    session = g.path("session")                                                           # tickets
    assert s_client(g, "-tls1_2", "-sess_out", session).returncode == 0
    assert "Reused, TLSv1.2" in s_client(g, "-tls1_2", "-sess_in", session).stdout


# ---- our own

def test_send_speaks_tls_and_shows_a_token(guarded):
    g = guarded
    g.write("token", BOB + "\n")
    who = ["--ca", g.tls + "/ca.pem", "--token-file", g.path("token")]
    mutual = ["--cert", g.tls + "/client.pem", "--key", g.tls + "/client.key"]
    assert "ok=3 failed=0" in run("send", "--grpc", g.grpc, *who, "--count", 3, check=0).stdout
    assert "ok=40 failed=0" in run("send", "--http", f"https://{g.http}", *who, *mutual, "--count", 40, "--concurrency", 4, check=0).stdout
    g.settled(43)
    assert records(g) == ["bob"] * 43
    for args, why in ((("--grpc", g.grpc, "--ca", g.tls + "/stranger.pem"), "not trusted"),
                      (("--grpc", g.grpc, "--tls"), "not trusted"),
                      (("--grpc", g.grpc), "."),
                      (("--http", f"https://{g.http}", *who), "certificate required|handshake failure|broken pipe|reset"),
                      (("--grpc", g.grpc, "--ca", g.tls + "/ca.pem"), "grpc-status 16"),
                      (("--http", f"https://{g.http}", *mutual, "--ca", g.tls + "/ca.pem"), "HTTP status 401"),
                      (("--grpc", g.grpc, "--ca", g.path("none")), "ca .*none: No such file"),
                      (("--grpc", g.grpc, "--token-file", g.path("none")), "token-file: .*none: No such file")):
        done = run("send", *args, "--count", 1, check=1)
        assert re.search(why, done.stderr, re.I) and BOB not in done.stdout + done.stderr, done.stderr
    for args in (("--http", f"http://{g.http}", "--ca", "x"), ("--cert", "x"), ("--http", "ftp://x")):
        run("send", *args, check=2)
    assert g.pipeline()["accepted"] == 43


# ---- what changes on the disk

def peer_of(g):
    with connect(g, g.grpc, cert=None) as c:
        return c.getpeercert()["subject"][0][0][1]


def test_new_certificates_and_tokens_are_taken_and_bad_ones_are_not(guarded):
    g = guarded
    with connect(g) as kept, secure(g) as channel:
        assert ask(kept, "k1") == 202
        flyte.send(channel, flyte.workflow("f1"), metadata=bearer(ALICE))
        assert peer_of(g) == "server"
        # The certificate before its key: half of a change is none, and a new connection still works.
        certificates.certificate(g.tls, "next")
        os.replace(g.tls + "/next.pem", g.tls + "/server.pem")
        wait_until(lambda: "not the key of" in g.log(), g.log)
        assert peer_of(g) == "server"
        os.replace(g.tls + "/next.key", g.tls + "/server.key")
        wait_until(lambda: peer_of(g) == "next", g.log)
        write_tokens(g, f"carol:{CAROL}\nbob:{BOB}\n")
        wait_until(lambda: ask(kept, "k2", CAROL) == 202, g.log)
        assert ask(kept, "k3") == 401
        assert code(flyte.send, channel, flyte.workflow("f2"), metadata=bearer(ALICE))[0] == grpc.StatusCode.UNAUTHENTICATED
        write_tokens(g, f"carol:{CAROL}\n{ALICE}\n")
        wait_until(lambda: re.search(r"level=error component=ingest.http msg=.*tokens:2: .*no colon", g.log()), g.log)
        assert ask(kept, "k4", BOB) == 202
        os.unlink(g.path("tokens"))
        wait_until(lambda: "No such file" in g.log(), g.log)
        assert ask(kept, "k5", CAROL) == 202
        flyte.send(channel, flyte.workflow("f3"), metadata=bearer(BOB))
    g.settled(6)
    assert g.log().count("new certificate taken") == 2 and g.log().count("new tokens taken") == 2      # of each listener


MUTUAL = """\
ingest:
  grpc: {listen: 127.0.0.1:0, tls: {cert: tls/server.pem, key: tls/server.key, client_ca: tls/clients.pem}}
  http: {listen: 127.0.0.1:0, tls: {cert: tls/server.pem, key: tls/server.key, client_ca: tls/clients.pem}}
"""


def test_mutual_tls_on_both_and_another_authority_of_clients(gateway, made):
    """Who is there stays; who comes anew shows a certificate of the new one, also with the ticket of a session that was let in."""
    g = gateway(MUTUAL + FILE, started=False)
    g.tls = shutil.copytree(made, g.path("tls"))
    shutil.copy(g.tls + "/ca.pem", g.tls + "/clients.pem")
    g.start()
    ours, theirs = [(f"{g.tls}/{who}.key", f"{g.tls}/{who}.pem") for who in ("client", "guest")]
    shown = ["-cert", ours[1], "-key", ours[0]]
    session = g.path("session")
    with secure(g, None, *ours) as channel, connect(g) as kept:
        flyte.send(channel, flyte.workflow("f1"))
        assert ask(kept, "k1") == 202
        for wrong in ((), theirs):
            with secure(g, None, *wrong) as other:
                assert code(flyte.send, other, flyte.workflow("f2"))[0] == grpc.StatusCode.UNAVAILABLE
        assert s_client(g, "-tls1_2", *shown, "-sess_out", session).returncode == 0
        assert "Reused" in s_client(g, "-tls1_2", *shown, "-sess_in", session).stdout
        shutil.copy(g.tls + "/stranger.pem", g.tls + "/clients.new")
        os.replace(g.tls + "/clients.new", g.tls + "/clients.pem")
        wait_until(lambda: g.log().count("new certificate taken") == 2, g.log)
        flyte.send(channel, flyte.workflow("f3"))
        assert ask(kept, "k2") == 202
        with secure(g, None, *ours) as other:
            assert code(flyte.send, other, flyte.workflow("f4"))[0] == grpc.StatusCode.UNAVAILABLE
        for resumed in ((), ("-sess_in", session)):
            done = s_client(g, "-tls1_2", *shown, *resumed)
            assert "Reused" not in done.stdout and "unknown ca" in done.stderr, done.stdout + done.stderr
        with secure(g, None, *theirs) as other:
            flyte.send(other, flyte.workflow("f5"))
        assert curl(g, cert="client")[0] != 0 and curl(g, cert="guest", token=None)[:2] == (0, 202)
    g.settled(6)
    assert records(g) == [None] * 6                       # a certificate lets in, it names nobody


# ---- limits

@pytest.mark.parametrize("listener", ["grpc", "http"])
def test_limits_hold_under_tls(guarded, listener):
    g = guarded
    address = getattr(g, listener)
    host, port = address.rsplit(":", 1)

    def connect(g):
        return connect_at(g, address)
    # A handshake that stalls, before and after its first byte, and a head that does.
    stalled = [socket.create_connection((host, int(port)), timeout=60) for _ in range(2)]
    stalled[1].sendall(b"\x16\x03\x01\x02\x00\x01\x00")
    with connect(g) as c:
        c.sendall(b"POST /v1/ev")
        assert c.recv(1) == b""
    for s in stalled:
        assert s.recv(1) == b""
        s.close()
    with connect(g) as c:
        c.sendall(b"POST /v1/events HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 3000 + b"\r\n\r\n")
        assert c.recv(100).startswith(b"HTTP/1.1 431 ")
    # Beyond max_connections one is closed, and there is room again when they have gone.
    many = [socket.create_connection((host, int(port)), timeout=60) for _ in range(20)]
    with pytest.raises((ssl.SSLError, OSError)), connect(g) as c:
        c.recv(1)
    for s in many:
        s.close()

    def works():
        try:
            with connect(g) as c:
                return ask(c) == (202 if listener == "http" else 415)    # it is no gRPC
        except OSError:
            return False
    wait_until(works, g.log)


# ---- check

def test_check_reads_the_files(tmp_path, made):
    tls = shutil.copytree(made, str(tmp_path / "tls"))
    (tmp_path / "c.yaml").write_text("ingest:\n  grpc:\n    tls: {cert: tls/server.pem, key: tls/client.key}\n    auth:\n      tokens_file: tokens\n"
                                     "  http:\n    tls: {cert: tls/none.pem, key: tls/server.key}\n    auth: {tokens_file: none}\n")
    (tmp_path / "tokens").write_text("# x\nalice:a\nbob : a\n")
    out = run("check", "-c", tmp_path / "c.yaml", check=1).stdout
    assert re.search(r"c.yaml:3:38: error: ingest.grpc.tls.key: \S*client.key: not the key of \S*server.pem", out)
    assert re.search(r"tokens:3:1: error: the same token as in line 2", out)
    assert re.search(r"c.yaml:7:17: error: ingest.http.tls.cert: \S*none.pem: No such file", out)
    assert re.search(r"c.yaml:8:\d+: error: ingest.http.auth.tokens_file: \S*none: No such file", out)
    (tmp_path / "c.yaml").write_text("ingest: {grpc: {tls: {cert: tls/server.pem, key: tls/server.key, client_ca: tls/ca.pem}, auth: {tokens_file: tokens}}}\n")
    (tmp_path / "tokens").write_text("alice:a\n")
    os.chmod(tmp_path / "tokens", 0o644)
    out = run("check", "-c", tmp_path / "c.yaml", check=0).stdout
    assert re.search(r"warning: ingest.grpc.auth.tokens_file: \S*tokens: every user of this machine can read it", out)
    os.chmod(tmp_path / "tokens", 0o600)
    assert "warning" not in run("check", "-c", tmp_path / "c.yaml", check=0).stdout
    os.truncate(tls + "/ca.pem", 0)
    assert re.search(r"c.yaml:1:77: error: ingest.grpc.tls.client_ca: \S*ca.pem: no certificate", run("check", "-c", tmp_path / "c.yaml", check=1).stdout)
