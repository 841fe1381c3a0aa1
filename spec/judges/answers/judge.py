"""spec/support/answers.py through other proxies: nginx, nghttpx, Go's. What all of them refuse is none for us either, and what we pass on
none of them takes for another answer; the rest is told."""
import os
import shutil
import socket
import sys
import tempfile

import h11

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../smuggling"), os.path.join(HERE, "../../support")]
from answers import CASES, Speaker                     # noqa: E402
from judge import SERVERS, until_it_listens            # noqa: E402

# Taken by nobody but us, and why.
KNOWN = {"a blank before a colon": "RFC 9112, 5.1: a proxy takes it away"}


def outcome(port, number, method):
    """(status, body, whether it ended); a proxy's own refusal is (502, …): no case has that status."""
    peer, status, body = h11.Connection(h11.CLIENT), None, b""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as s:
        s.sendall(peer.send(h11.Request(method=method, target=f"/{number}", headers=[("Host", "a")])) + peer.send(h11.EndOfMessage()))
        while True:
            try:
                event = peer.next_event()
                if event is h11.NEED_DATA:
                    peer.receive_data(s.recv(65536))
                elif isinstance(event, h11.Response):
                    status = event.status_code
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    return status, body, True
                elif isinstance(event, h11.ConnectionClosed):
                    return status, body, False
            except (h11.RemoteProtocolError, ConnectionResetError):
                return status, body, False
            except TimeoutError:
                return "hangs", body, False


def kind(case, found):
    status, body, whole = found
    if status in (502, 503, 504, None):
        return "refuses" if status else "breaks"
    if status == "hangs" or not whole:
        return "hangs" if status == "hangs" else "breaks"
    return "same" if (status, body) == (case.status, case.body) else f"answers {status} {body[:20]!r}"


def judge(name, folder):
    with Speaker() as behind:
        process, port = SERVERS[name][0](folder, behind.address)
        try:
            until_it_listens(port)
            return [kind(c, outcome(port, i, c.method)) for i, c in enumerate(CASES)]
        finally:
            process.terminate()
            process.wait()


def main():
    names = [n for n, (_, program) in SERVERS.items() if shutil.which(program) or os.path.exists(program)]
    readings, bad = {}, []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            readings[name] = judge(name, folder)
        of = {c.name: k for c, k in zip(CASES, readings[name])}
        taken, others = ([c for c in CASES if (c.status != 503 and not c.cut) == whole] for whole in (True, False))
        for c in taken:
            if of[c.name].startswith("answers"):
                bad.append(f"{name} {of[c.name]}: {c.name}")
        print(f"{name}: of {len(taken)} that we take it reads {sum(of[c.name] == 'same' for c in taken)} alike; of {len(others)} that we do not, it takes",
              [c.name for c in others if of[c.name] == "same" or of[c.name].startswith("answers")])
    for i, case in enumerate(CASES):
        if case.status != 503 and not case.cut and case.name not in KNOWN and not any(readings[n][i] == "same" for n in names):
            bad.append(f"nobody but we takes {case.name}")
    print("\n".join(bad))
    return 1 if bad or not names else 0


if __name__ == "__main__":
    sys.exit(main())
