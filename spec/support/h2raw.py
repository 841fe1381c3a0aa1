"""HTTP/2 by hand: frames as a test wants them, right or wrong. Answers are read to the end of a stream."""
import socket
import struct

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def message(body, compressed=0, length=None):
    """A gRPC message with its five-byte prefix."""
    return bytes([compressed]) + struct.pack(">I", len(body) if length is None else length) + body


class Answer:
    def __init__(self):
        self.headers, self.data, self.reset, self.ended = {}, b"", None, False

    @property
    def status(self):
        """The gRPC status, or None."""
        return int(self.headers["grpc-status"]) if "grpc-status" in self.headers else None


class Connection:
    def __init__(self, address, settings=b"", timeout=60):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.answers, self.buffer, self.next_stream, self.goaway = {}, b"", 1, None
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def headers(self, path, fields=None, end=False, authority="gateway", method="POST"):
        """Opens a stream; its number."""
        return self.open([(":method", method), (":scheme", "http"), (":path", path), (":authority", authority), *(fields or {}).items()], end)

    def open(self, fields, end=False):
        """The same with every field as it is to be."""
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        block = self.encoder.encode(fields, huffman=False)
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block))
        self.answers[stream] = Answer()
        return stream

    def grpc(self, method, service="flyteidl.service.AdminService", **more):
        return self.headers(f"/{service}/{method}", {"content-type": "application/grpc", "te": "trailers", **more})

    def data(self, stream, body=b"", end=False):
        self.send(frame(DATA, END_STREAM if end else 0, stream, body))

    def answer(self, stream):
        """Reads until the stream has ended or was reset, or the connection is closed."""
        while not self.answers[stream].ended and self.step():
            pass
        return self.answers[stream]

    def closed(self):
        """Reads until the other side closes."""
        while self.step():
            pass
        return True

    def step(self):
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return False
            self.buffer += more
        length = int.from_bytes(self.buffer[:3], "big")
        kind, flags = self.buffer[3], self.buffer[4]
        stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
        payload, self.buffer = self.buffer[9:9 + length], self.buffer[9 + length:]
        self.on_frame(kind, flags, stream, payload)
        return True

    def on_frame(self, kind, flags, stream, payload):
        answer = self.answers.setdefault(stream, Answer())
        if kind == HEADERS:
            assert flags & END_HEADERS, "a header block in several frames"
            answer.headers.update(self.decoder.decode(payload))
            answer.ended |= bool(flags & END_STREAM)
        elif kind == DATA:
            answer.data += payload
            answer.ended |= bool(flags & END_STREAM)
            if payload:
                self.send(b"".join(frame(WINDOW_UPDATE, 0, s, struct.pack(">I", len(payload))) for s in (0, stream)))
        elif kind == RST_STREAM:
            answer.reset, answer.ended = int.from_bytes(payload, "big"), True
        elif kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
