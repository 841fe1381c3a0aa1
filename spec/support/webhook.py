"""Destinations of the HTTP publisher: a recording server whose answers a test decides, one that speaks HTTP/2, and one that
says raw bytes. All listen on 127.0.0.1, on a port the kernel chooses."""
import asyncio
import contextlib
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time
from urllib.parse import parse_qs

from hypercorn.asyncio import serve
from hypercorn.config import Config

OK = (200, {}, b"")
HANG = None


class Request:
    def __init__(self, method, path, headers, body, peer=None, version="1.1"):
        self.method, self.path, self.headers, self.body, self.peer, self.version = method, path, headers, body, peer, version
        self.at = time.monotonic()
        self.status = None

    @property
    def event(self):
        return json.loads(self.body)

    @property
    def events(self):
        """Of a batch or of one structured event."""
        every = self.event
        return every if isinstance(every, list) else [every]

    @property
    def ids(self):
        return [e["id"] for e in self.events]

    @property
    def form(self):
        return {k: v[0] for k, v in parse_qs(self.body.decode()).items()}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self):
        mine = self.server.webhook
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body, self.client_address[1])
        answer = mine.take(request)
        if answer is HANG:
            mine.released.wait()
            self.close_connection = True
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_PATCH = do_OPTIONS = do_GET = handle_any

    def log_message(self, *args):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """Clients that go away or that TLS refuses are part of the tests."""

    def get_request(self):
        connection, address = super().get_request()
        if self.webhook.tls:
            # The handshake happens on the connection's own thread.
            connection = self.webhook.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self.open.append(connection)
        return connection, address


class Webhook:
    """answer(request) gives (status, headers, body), or HANG: nothing until close."""

    def __init__(self, answer=None, tls=None, port=0):
        self.answer, self.tls = answer or (lambda request: OK), tls
        self.requests, self.lock, self.released = [], threading.Lock(), threading.Event()
        self.server = Quiet(("127.0.0.1", port), Handler, bind_and_activate=True)
        self.server.webhook, self.server.open = self, []
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def take(self, request):
        with self.lock:
            answer = self.answer(request)
            request.status = answer[0] if answer else None
            self.requests.append(request)
            return answer

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/hook"

    @property
    def posts(self):
        return [r for r in self.requests if r.method != "OPTIONS"]

    @property
    def taken(self):
        """Ids of the events that were answered with 2xx, in order."""
        return [i for r in self.posts if r.status and 200 <= r.status < 300 for i in r.ids]

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        for connection in self.server.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Http2:
    """Hypercorn: HTTP/2 over TLS by ALPN, else HTTP/1.1."""

    def __init__(self, folder, alpn=("h2", "http/1.1")):
        self.requests = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.config = Config()
        self.config.bind = [f"fd://{self.socket.detach()}"]
        self.config.certfile, self.config.keyfile = str(folder / "s.pem"), str(folder / "s.key")
        self.config.alpn_protocols = list(alpn)
        self.config.errorlog = None
        self.config.graceful_timeout = 0
        self.loop, self.stopping = asyncio.new_event_loop(), None
        self.ready = threading.Event()
        threading.Thread(target=self.run, daemon=True).start()
        self.ready.wait()

    def run(self):
        async def main():
            self.stopping = asyncio.Event()
            self.ready.set()
            await serve(self.app, self.config, shutdown_trigger=self.stopping.wait)
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(main())

    async def app(self, scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                said = (await receive())["type"]
                await send({"type": said + ".complete"})
                if said == "lifespan.shutdown":
                    return
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        self.requests.append(Request(scope["method"], scope["path"], headers, body, scope["client"][1], scope["http_version"]))
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    @property
    def url(self):
        return f"https://localhost:{self.port}/hook"

    def close(self):
        self.loop.call_soon_threadsafe(self.stopping.set)


class Raw:
    """Says these bytes to the first request of each connection and closes; the next piece to the next connection. early: once
    it has the head, and reads the body only so that the client gets the answer (RFC 9112, 9.6)."""

    def __init__(self, *pieces, early=False):
        self.pieces, self.asked, self.early = list(pieces), 0, early
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                with contextlib.suppress(OSError):
                    self.read(connection, self.early)
                piece = self.pieces[min(self.asked, len(self.pieces) - 1)]
                self.asked += 1                           # before the answer: whoever has that may look
                connection.sendall(piece)
                if self.early:
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass

    @staticmethod
    def read(connection, head_only):
        got = b""
        while b"\r\n\r\n" not in got:
            got += connection.recv(65536)
        if head_only:
            return
        head, _, body = got.partition(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        while len(body) < length:
            body += connection.recv(65536)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def server_tls(folder, client_ca=None, name="s"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    if client_ca:
        context.load_verify_locations(folder / client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def certificates(folder):
    """ca.pem; a server's (s.pem s.key), one of another host's (e), a client's (c); other.pem is an authority that signed none of them."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for name in ("ca", "other"):
        openssl("req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "30", "-subj", f"/CN=test-{name}")
    for name, host in (("s", "DNS:localhost,IP:127.0.0.1"), ("c", "DNS:client"), ("e", "DNS:elsewhere.example")):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}", "-addext", f"subjectAltName={host}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy",
                "-days", "30", "-out", f"{name}.pem")
    return folder
