"""Every case of support/smuggling.py: refused with 400 and closed, or read as the requests that it is, seen by a strict server
behind us, which would find what we passed on and should not have."""
from itertools import groupby

import h11
import pytest

import http1
import smuggling
from seen import Seen

CONFIG = """\
ingest: {{http: {{listen: 127.0.0.1:0, upstream: "http://{address}"}}}}
pipelines: [{{name: all, publisher: {{type: 'null'}}}}]
"""
LAST = ("GET", "/last", "")


def statuses(c, requests):
    """Of answers to requests with these methods, as far as there are any."""
    found = []
    for method, *_ in requests:
        answer = c.answer(method)
        while answer and answer[0] == 100:
            answer = c.answer(method)
        if answer is None:
            break
        found.append(answer[0])
    return found


def problem(g, behind, case):
    """What the gateway makes of a case beside what it should, or None."""
    del behind.requests[:]
    wanted = list(case.seen or case.before)
    stays = case.seen is not None and not case.closes
    with http1.Connection(g.http) as c:
        c.send(case.data + (b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n" if stays else b""))
        c.no_more()                                        # what waits for more gets an end, and no answer
        wanted += [LAST] if stays else []
        answers = statuses(c, wanted + [LAST] * (case.seen is None))
        ends = stays or c.closed()
    if answers == [200] * len(wanted) + [400] * (case.seen is None) and ends and behind.requests == wanted and not behind.wrong:
        return None
    return f"{case.name}: answers {answers}, closed {ends}, seen {behind.requests}, {behind.wrong}"


@pytest.fixture(name="rig", scope="module")
def start(kept):
    with Seen() as behind:
        yield kept(CONFIG.format(address=behind.address)), behind


GROUPS = {name: list(cases) for name, cases in groupby(sorted(smuggling.CASES, key=lambda c: c.group), lambda c: c.group)}


@pytest.mark.parametrize("group", GROUPS)
def test_every_case_is_read_as_it_should(rig, group):
    g, behind = rig
    wrong = [p for p in (problem(g, behind, case) for case in GROUPS[group]) if p]
    assert not wrong, "\n".join(wrong)


def as_h11_reads(data):
    """[(method, target, body)] and whether it refused something."""
    peer, requests, request, body = h11.Connection(h11.SERVER), [], None, b""
    peer.receive_data(data)
    while True:
        try:
            event = peer.next_event()
        except h11.RemoteProtocolError:
            return requests, True
        if event in (h11.NEED_DATA, h11.PAUSED):
            return requests, False
        if isinstance(event, h11.Request):
            request, body = event, b""
        elif isinstance(event, h11.Data):
            body += event.data
        else:
            requests.append((request.method.decode(), request.target.decode("latin-1"), body.decode("latin-1")))
            peer.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
            peer.send(h11.EndOfMessage())
            if peer.our_state is not h11.DONE or peer.their_state is not h11.DONE:
                return requests, False
            peer.start_next_cycle()


# h11 keeps no connection of HTTP/1.0, refuses an empty line in front, which RFC 9112 (2.2) has us read over, and leaves a proxy's form alone.
OTHERWISE = {"HTTP/1.0 that stays", "one empty line in front", "two empty lines in front", "an empty line between two"}


def test_what_we_read_another_strict_parser_reads_alike():
    """And nothing is taken that it refuses."""
    wrong = []
    for case in smuggling.CASES:
        seen, refuses = as_h11_reads(case.data)
        if case.seen is not None and case.name not in OTHERWISE and (refuses or [smuggling.as_path(r) for r in seen] != case.seen):
            wrong.append((case.group, case.name, seen, refuses))
    assert not wrong, "\n".join(map(str, wrong))
