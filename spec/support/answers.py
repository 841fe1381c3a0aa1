"""Answers of a server behind a proxy, right and wrong, and what its clients are to get of each."""
import re
import socket
import threading
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SET = b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"


@dataclass
class Case:
    name: str
    says: bytes
    status: int = 503                          # of the client; 503: it is no answer
    body: bytes = b""
    has: dict = field(default_factory=dict)    # fields that arrive; None: that does not
    method: str = "GET"
    cut: bool = False                          # it begins, and its client sees that it does not end


CASES = [
    Case("a length", OK + b"Content-Length: 3\r\nX-A: 1\r\n\r\nabc", 200, b"abc", {"x-a": "1", "content-length": "3"}),
    Case("an empty one", OK + b"Content-Length: 0\r\n\r\n", 200, has={"content-length": "0"}),
    Case("chunks", CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n", 200, b"abcde", {"x-t": None}),
    Case("until the end", OK + b"\r\nabc", 200, b"abc"),
    Case("HTTP/1.0", b"HTTP/1.0 404 x\r\nContent-Length: 3\r\n\r\nabc", 404, b"abc"),
    Case("HTTP/1.0 until the end", b"HTTP/1.0 500 x\r\n\r\nabc", 500, b"abc"),
    Case("more than it said", OK + b"Content-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n", 200, b"abc"),
    Case("a redirection", b"HTTP/1.1 302 Found\r\nLocation: /y?a=b\r\nContent-Length: 0\r\n\r\n", 302, has={"location": "/y?a=b"}),
    Case("a content coding", OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc", {"content-encoding": "gzip"}),
    Case("a part", b"HTTP/1.1 206 x\r\nContent-Range: bytes 0-2/9\r\nContent-Length: 3\r\n\r\nabc", 206, b"abc", {"content-range": "bytes 0-2/9"}),
    Case("a status nobody knows", b"HTTP/1.1 299 x\r\nContent-Length: 0\r\n\r\n", 299),
    Case("a status without a phrase", b"HTTP/1.1 418\r\nContent-Length: 0\r\n\r\n", 418),
    Case("an answer before it", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nX-Early: 1\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\na", 200, b"a",
         {"x-early": None}),
    Case("fields of the connection alone", OK + b"Connection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nTrailer: x\r\nContent-Length: 0\r\n\r\n",
         200, has={"x-hop": None, "keep-alive": None, "upgrade": None, "trailer": None}),
    Case("a blank before a colon", OK + b"X-A : 1\r\nContent-Length\t: 3\r\n\r\nabc", 200, b"abc", {"x-a": "1", "x-a ": None}),
    Case("bytes above ASCII", OK + b"X-A: \xc3\xa4\r\nContent-Length: 0\r\n\r\n", 200, has={"x-a": "\xc3\xa4"}),
    # ---- without a body
    Case("HEAD", OK + b"Content-Length: 5\r\n\r\n", 200, has={"content-length": "5"}, method="HEAD"),
    Case("HEAD of chunks", CHUNKED, 200, has={"content-length": None}, method="HEAD"),
    Case("HEAD without a length", OK + b"\r\n", 200, has={"content-length": None}, method="HEAD"),
    Case("HEAD of nothing", OK + b"Content-Length: 0\r\n\r\n", 200, has={"content-length": "0"}, method="HEAD"),
    Case("204", b"HTTP/1.1 204 No Content\r\n\r\n", 204, has={"content-length": None, "transfer-encoding": None}),
    Case("204 with a length", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", 204, has={"content-length": None}),
    Case("204 in chunks", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 204, has={"transfer-encoding": None}),
    Case("304", b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", 304, has={"etag": "\"x\"", "content-length": None}),
    Case("304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n", 304),
    # ---- no answers
    Case("nothing", b""),
    Case("no HTTP", b"SSH-2.0-x\r\n"),
    Case("a request", b"GET / HTTP/1.1\r\n\r\n"),
    Case("zeroes", bytes(100)),
    Case("half a head", OK + b"Content-Len"),
    Case("an empty line in front", b"\r\n" + OK + b"Content-Length: 0\r\n\r\n"),
    Case("HTTP/2.0", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    Case("only an answer before it", b"HTTP/1.1 100 Continue\r\n\r\n"),
    Case("another protocol", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc"),
    Case("status 0", b"HTTP/1.1 0 x\r\nContent-Length: 0\r\n\r\n"),
    Case("status 000", b"HTTP/1.1 000 x\r\nContent-Length: 0\r\n\r\n"),
    Case("status 99", b"HTTP/1.1 99 x\r\nContent-Length: 0\r\n\r\n"),
    Case("status 1000", b"HTTP/1.1 1000 x\r\nContent-Length: 0\r\n\r\n"),
    Case("status 999", b"HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n"),
    Case("status of words", b"HTTP/1.1 2xx x\r\nContent-Length: 0\r\n\r\n"),
    Case("a blank in a name", OK + b"X A: 1\r\nContent-Length: 0\r\n\r\n"),
    Case("no name", OK + b": 1\r\nContent-Length: 0\r\n\r\n"),
    Case("no colon", OK + b"abc\r\nContent-Length: 0\r\n\r\n"),
    Case("a folded field", OK + b"X-A: 1\r\n  2\r\nContent-Length: 0\r\n\r\n"),
    Case("a NUL", OK + b"X-A: 1\x002\r\nContent-Length: 0\r\n\r\n"),
    Case("a control character", OK + b"X-A: 1\x012\r\nContent-Length: 0\r\n\r\n"),
    Case("a bare CR", OK + b"X-A: 1\rX-B: 2\r\nContent-Length: 0\r\n\r\n"),
    Case("a bare LF", OK + b"X-A: 1\nContent-Length: 0\r\n\r\n"),
    Case("two lengths", OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    Case("a negative length", OK + b"Content-Length: -1\r\n\r\nabc"),
    Case("a length of words", OK + b"Content-Length: 3a\r\n\r\nabc"),
    Case("a length nobody has", OK + b"Content-Length: 99999999999999999999\r\n\r\nabc"),
    Case("a length beside chunks", OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    Case("gzip, chunked", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    Case("gzip", OK + b"Transfer-Encoding: gzip\r\n\r\nabc"),
    Case("chunks in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    Case("a head of 70,000 bytes", OK + b"X-A: " + b"a" * 70000 + b"\r\nContent-Length: 0\r\n\r\n"),
    Case("a thousand fields", OK + b"X-A: 1\r\n" * 1000 + b"Content-Length: 0\r\n\r\n"),
    # ---- half answers
    Case("half a body", OK + b"Content-Length: 9\r\n\r\nabc", 200, b"abc", cut=True),
    Case("chunks without an end", CHUNKED + b"3\r\nabc\r\n", 200, b"abc", cut=True),
    Case("a chunk that is longer", CHUNKED + b"3\r\nabc\r\n2\r\nabcd\r\n0\r\n\r\n", 200, b"abcab", cut=True),
    Case("a chunk of words", CHUNKED + b"3\r\nabc\r\nzz\r\n", 200, b"abc", cut=True),
    Case("a trailer that is none", CHUNKED + b"3\r\nabc\r\n0\r\nx y\r\n\r\n", 200, b"abc", cut=True),
]


class Speaker:
    """Says a case's bytes to a request whose target ends in its number, and then no more."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.asked = []
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)             # wakes who waits in it
        self.socket.close()

    def accept(self):
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        with client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = client.makefile("rb")
            head = b"".join(iter(stream.readline, b"\r\n"))
            length = re.search(rb"(?i)content-length: (\d+)", head)
            stream.read(int(length[1]) if length else 0)
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            self.asked.append((method, target))
            try:
                self.say(client, int(re.search(r"(\d+)$", target)[1]))
            except OSError:
                pass

    @staticmethod
    def say(client, number):
        client.sendall(CASES[number].says)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
