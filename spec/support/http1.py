"""HTTP/1.1 by hand: bytes as a test wants them, right or wrong."""
import socket


class Connection:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass                                   # refused and closed before all of it was written

    def no_more(self):
        """The end of what is sent; answers are still read."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass                                   # closed already

    def more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def answer(self, method="GET"):
        """(status, headers, body) of the next answer, to a request of this method; None when the connection is closed instead."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.more():
                return None
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        status = int(lines[0].split(" ")[1])
        if status == 100 or method == "HEAD":
            return status, headers, b""
        length = int(headers.get("content-length", 0))
        while len(self.buffer) < length:
            assert self.more(), "closed inside a body"
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return status, headers, body

    def closed(self):
        """True once the other side has closed, with nothing more said."""
        while self.more():
            pass
        return not self.buffer


def post(path, body, content_type="application/json", *headers):
    """A right request."""
    lines = [f"POST {path} HTTP/1.1", "Host: gateway", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
