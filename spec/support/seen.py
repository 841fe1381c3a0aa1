"""An HTTP/1.1 server that writes down each request as a strict parser of others (h11) reads it, and answers 200 (and 404 to CONNECT):
what stands behind a proxy that is tested."""
import socket
import threading

import h11


class Seen:
    """requests: [(method, target, body)]; wrong: what h11 refused to read."""

    def __init__(self):
        self.requests, self.wrong, self.open = [], [], set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in (self.listener, *self.open):
            try:
                s.shutdown(socket.SHUT_RDWR)               # wakes who waits in it
            except OSError:
                pass
            s.close()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open.add(client)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            self.converse(client)
        except OSError:
            pass
        client.close()
        self.open.discard(client)

    def converse(self, client):
        peer = h11.Connection(h11.SERVER)
        request, body = None, b""
        while True:
            try:
                event = peer.next_event()
            except h11.RemoteProtocolError as e:
                self.wrong.append(str(e))
                return
            if event is h11.NEED_DATA:
                peer.receive_data(client.recv(65536))
            elif isinstance(event, h11.Request):
                request, body = event, b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.requests.append((request.method.decode(), request.target.decode("latin-1"), body.decode("latin-1")))
                client.sendall(peer.send(h11.Response(status_code=404 if request.method == b"CONNECT" else 200, headers=[("content-length", "2")])) +
                               (peer.send(h11.Data(b"ok")) if request.method != b"HEAD" else b"") + peer.send(h11.EndOfMessage()))
                if peer.our_state is not h11.DONE or peer.their_state is not h11.DONE:
                    return
                peer.start_next_cycle()
            else:
                return
