"""FlytePropeller's own event sink (main.go) as the client: what it makes of our answers, and of FlyteAdmin's through us."""
import base64
import collections
import concurrent.futures
import json
import os
import subprocess
import threading

import grpc
import pytest
from flyteidl.admin import event_pb2
from google.protobuf import any_pb2
from google.rpc import status_pb2

import certificates
import flyte
import flyteadmin
import upstream as up
from gateway import FILE, free_port
from wait import wait_until
from webhook import OK, Webhook

PROPELLER = os.environ["PROPELLER"]
TAKEN, THERE = "", "AlreadyExists"
TRIES = 20                                                       # of UNAVAILABLE and RESOURCE_EXHAUSTED: 5 times 4


class Propeller:
    """The sink as a process; without a secret's file it has no way to a token."""

    def __init__(self, g, *args, workers=1, ca=None, secret_file=None, endpoint=None):
        args = [*args, *(("-ca", ca) if ca else ()), *(("-secret", secret_file) if secret_file else ())]
        command = [PROPELLER, "-endpoint", endpoint or g.grpc.replace("127.0.0.1", "localhost"), "-workers", str(workers), *map(str, args)]
        with open(g.path("propeller.log"), "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(60) == 0

    def sink(self, *requests):
        """What the sink says of each: (code, text)."""
        def write():
            for r in requests:
                event = base64.b64encode(r.event.SerializeToString()).decode()
                self.process.stdin.write(json.dumps({"kind": flyte.kind_of(r), "event": event}) + "\n")
            self.process.stdin.flush()
        writer = threading.Thread(target=write)
        writer.start()
        said = [json.loads(self.process.stdout.readline()) for _ in requests]
        writer.join()
        return [(a["code"], a["error"]) for a in said]

    def codes(self, *requests):
        return [code for code, _ in self.sink(*requests)]

    def one(self, request):
        return self.sink(request)[0]

    def until_taken(self, requests, each_round=lambda: None):
        """Round after round, as FlytePropeller's, what was not taken is sent again; the codes that were said."""
        said, left = collections.Counter(), list(requests)
        while left:
            codes = self.codes(*left)
            said.update(codes)
            left = [r for r, code in zip(left, codes) if code not in (TAKEN, THERE)]
            each_round()
        return said


def requests(count, run="r"):
    """Of the three kinds in turn."""
    return [(flyte.workflow(name=f"{run}{i}"), flyte.node(name=f"{run}{i - 1}", node_id=f"n{i}"),
             flyte.task(name=f"{run}{i - 2}", node_id=f"n{i - 1}", attempt=i % 3, error="failed: “why”\n" * (i % 7)))[i % 3] for i in range(count)]


def received(g):
    return g.metric("moongate_events_received_total", ingest="grpc")


def ids(every):
    return sorted(map(flyte.id_of, every))


def test_three_hundred_events_of_its_three_kinds(gateway):
    g, every = gateway(), requests(300)
    with Propeller(g) as propeller:
        assert set(propeller.codes(*every)) == {TAKEN}
        g.settled(300)
        assert [g.metric("moongate_events_received_total", ingest="grpc", kind=kind) for kind in flyte.MESSAGES] == [100] * 3
        assert g.ids() == [flyte.id_of(r) for r in every]            # one worker: in its order
        said = propeller.sink(*every[:10])                           # the sink knows what it has sent and does not call
        assert all(code == THERE and "has already been sent" in text for code, text in said) and received(g) == 300
    with Propeller(g, workers=16) as another:                        # started anew it knows nothing, and a repeat is no error to us
        assert set(another.codes(*every)) == {TAKEN}
    events = g.settled(600) and g.lines()
    for request, event in zip(every, events):
        flyte.assert_documented(event, request, same_bytes=False)
    assert sorted(e["id"] for e in events[300:]) == ids(every)


@pytest.mark.parametrize("name", ["success", "failure-retries", "dynamic-map-subworkflow"])
def test_the_events_of_a_whole_execution(gateway, name):
    g, every = gateway(), flyte.golden(name)
    with Propeller(g) as propeller:
        codes = propeller.codes(*every)
    sent = [r for r, code in zip(every, codes) if code == TAKEN]
    assert len({flyte.id_of(r) for r in every}) == len(sent) and set(codes) <= {TAKEN, THERE}
    g.settled(len(sent))
    for request, event in zip(sent, g.lines()):
        flyte.assert_documented(event, request, same_bytes=False)


def test_its_own_rate_limit_refuses_before_it_calls(gateway):
    g, every = gateway(), requests(60)
    with Propeller(g, "-rate", 20, "-capacity", 10, workers=8) as propeller:
        said = propeller.sink(*every)
        limited = [text for code, text in said if code == "ResourceExhausted"]
        assert limited and all("throttling" in text for text in limited)
        assert received(g) == len(said) - len(limited) >= 10
        left = [r for r, (code, _) in zip(every, said) if code != TAKEN]
        assert set(propeller.until_taken(left)) <= {TAKEN, "ResourceExhausted"}
    g.settled(60)
    assert sorted(g.ids()) == ids(every) and g.metric("moongate_events_rejected_total") == 0


class Answers(up.Upstream):
    """Answers by the name of the execution, and counts."""

    def __init__(self, said):
        super().__init__()
        self.said, self.calls = said, collections.Counter()

    def event(self, request, context, answer):
        name = flyte.execution_of(request).name
        self.calls[name] += 1
        status, reason = self.said.get(name, ("OK", None))
        if reason:
            detail = any_pb2.Any()
            detail.Pack(event_pb2.EventFailureReason(**reason))
            whole = status_pb2.Status(code=grpc.StatusCode[status].value[0], message="because", details=[detail])
            context.set_trailing_metadata((("grpc-status-details-bin", whole.SerializeToString()),))
        if status != "OK":
            context.abort(grpc.StatusCode[status], "because")
        return super().event(request, context, answer)


OVER = {"already_in_terminal_state": event_pb2.EventErrorAlreadyInTerminalState(current_phase="SUCCEEDED")}
ELSEWHERE = {"incompatible_cluster": event_pb2.EventErrorIncompatibleCluster(cluster="east")}
FAILED = "EventSinkError"
ANSWERS = {                                                      # FlyteAdmin's answer, what the sink makes of it, and how often it asks
    "ok": ("OK", None, TAKEN, 1),
    "there": ("ALREADY_EXISTS", None, THERE, 1),
    "gone": ("NOT_FOUND", None, "ExecutionNotFound", 1),
    "wrong": ("INVALID_ARGUMENT", None, "InvalidArgument", 1),
    "over": ("FAILED_PRECONDITION", OVER, "EventAlreadyInTerminalStateError", 1),
    "elsewhere": ("FAILED_PRECONDITION", ELSEWHERE, "EventIncompatibleClusterError", 1),
    "precondition": ("FAILED_PRECONDITION", None, FAILED, 1),
    "aborted": ("ABORTED", None, FAILED, 1),
    "broken": ("INTERNAL", None, FAILED, 1),
    "forbidden": ("PERMISSION_DENIED", None, FAILED, 1),
    "unknown": ("UNIMPLEMENTED", None, FAILED, 1),
    "late": ("DEADLINE_EXCEEDED", None, FAILED, 4),
    "busy": ("RESOURCE_EXHAUSTED", None, "ResourceExhausted", TRIES),
    "away": ("UNAVAILABLE", None, FAILED, TRIES),
}


def test_flyteadmins_answers_are_what_they_are_without_us(gateway):
    admin = Answers({name: (status, reason) for name, (status, reason, _, _) in ANSWERS.items()})
    every = [make(name=name) for name in ANSWERS for make in (flyte.workflow, flyte.node, flyte.task)]
    with up.served(admin) as address:
        g = gateway(f"ingest: {{grpc: {{listen: 127.0.0.1:0, upstream: '{address}'}}}}\n" + FILE)
        for endpoint in (None, address):
            admin.calls.clear()
            with Propeller(g, workers=len(every), endpoint=endpoint) as propeller:
                said = propeller.sink(*every)
            assert [code for code, _ in said] == [code for _, _, code, _ in ANSWERS.values() for _ in range(3)]
            assert {name: admin.calls[name] / 3 for name in ANSWERS} == {name: calls for name, (_, _, _, calls) in ANSWERS.items()}
            assert all("because" in text for code, text in said if code != TAKEN)
    g.settled(6)
    assert sorted(g.ids()) == ids(every[:6])                         # taken, or there before: kept


def test_what_is_too_large_for_us_fails_its_node_and_no_other(gateway):
    g = gateway("ingest: {grpc: {listen: 127.0.0.1:0, max_message_bytes: 64KiB}}\n" + FILE)
    every = [flyte.task(name="small"), flyte.task(name="large", error="x" * 70000), flyte.node(name="small")]
    with Propeller(g, workers=3) as propeller:
        said = propeller.sink(*every)
        assert [code for code, _ in said] == [TAKEN, "TooLarge", TAKEN], said
        assert "max_message_bytes 65536" in said[1][1]
    g.settled(2)
    assert sorted(g.ids()) == ids([every[0], every[2]])


def test_a_full_log_is_resource_exhausted_until_there_is_room(gateway):
    web = Webhook(answer=lambda request: (503, {}, b""))
    g = gateway("log: {segment_bytes: 1MiB, max_bytes: 4MiB}\n"
                f"pipelines: [{{name: all, retry: {{initial: 50ms, max: 100ms}}, publisher: {{type: http, url: '{web.url}'}}}}]\n")
    every = [flyte.task(name=f"r{i}", error="x" * 200000) for i in range(30)]
    with Propeller(g, workers=30) as propeller:
        codes = propeller.codes(*every)
        refused = codes.count("ResourceExhausted")
        assert set(codes) == {TAKEN, "ResourceExhausted"} and refused > 5
        assert g.metric("moongate_events_rejected_total", ingest="grpc", reason="full") >= TRIES * refused
        web.answer = lambda request: OK
        g.settled(codes.count(TAKEN))
        assert set(propeller.until_taken([r for r, code in zip(every, codes) if code != TAKEN])) <= {TAKEN, "ResourceExhausted"}
    g.settled(30)
    assert sorted(set(web.taken)) == ids(every)
    web.close()


@pytest.mark.parametrize("in_front", [False, True], ids=["alone", "in front"])
def test_a_gateway_that_is_killed_in_between_loses_nothing(gateway, in_front):
    admin = up.Upstream()
    admin.keeps = True
    with up.served(admin) as address:
        more = f", upstream: '{address}'" if in_front else ""
        g = gateway(f"ingest: {{grpc: {{listen: '127.0.0.1:{free_port()}'{more}}}}}\n" + FILE)

        def strikes():
            for _ in range(5):
                wait_until(lambda: received(g) >= 20)                # of this life
                g.kill()
                g.start()
        taken, left = [], []
        with Propeller(g, workers=8) as propeller, concurrent.futures.ThreadPoolExecutor(1) as pool:
            striker, turn = pool.submit(strikes), 0
            while not striker.done() or turn < 10:
                every, turn = requests(30, f"turn{turn}-"), turn + 1
                for request, code in zip(every, propeller.codes(*every)):
                    (taken if code in (TAKEN, THERE) else left).append(request)
            striker.result()
            assert len(taken) + len(left) >= 300
            g.settled()
            assert set(ids(taken)) <= set(g.ids())                   # what it was told is kept, is
            propeller.until_taken(left)                              # FlytePropeller's next round
        g.settled()
        assert sorted(set(g.ids())) == ids(taken + left)
        assert not in_front or len(admin.taken) == len(taken + left)


def secret(g):
    g.write("client_secret", "sesame\n")
    return g.path("client_secret")


TOKENS = "".join(f"propeller{i}: t{i}\n" for i in range(1, 100))


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_it_gets_a_token_through_us_and_sends_with_it(gateway, tmp_path, tls):
    folder = certificates.files(tmp_path / "tls") if tls else ""
    more = f", tls: {{cert: '{folder}/server.pem', key: '{folder}/server.key'}}" if tls else ""
    admin = up.Upstream()
    with up.served(admin) as address, flyteadmin.token_endpoint(admin) as forms:
        g = gateway(f"ingest: {{grpc: {{listen: 127.0.0.1:0, upstream: '{address}', auth: {{tokens_file: tokens}}{more}}}}}\n" + FILE,
                    files={"tokens": TOKENS})
        every = requests(30)
        with Propeller(g, ca=folder and folder + "/ca.pem", secret_file=secret(g)) as propeller:
            assert propeller.codes(*every) == [TAKEN] * 30
        assert len(forms) == 1 and forms[0]["grant_type"] == "client_credentials" and forms[0]["basic"]
        assert len(admin.events) == 30
        assert all(not {k for k, _ in said} & {"authorization", "flyte-authorization"} for said in admin.metadata)
    g.settled(30)
    assert g.metric("moongate_events_rejected_total", reason="invalid") == 1       # the call that told it of tokens
    assert "sesame" not in g.log() and "t1" not in [word for line in g.log().splitlines() for word in line.split()]


def test_tokens_are_renewed_and_those_that_flyteadmin_checks_pass(gateway):
    admin = up.Upstream()

    def event(request, context, answer, plain=admin.event):
        if dict(context.invocation_metadata()).get("flyte-authorization") not in {f"Bearer t{i}" for i in range(2, 100)}:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "token is missing or bad")
        return plain(request, context, answer)
    admin.event = event
    with up.served(admin) as address, flyteadmin.token_endpoint(admin, lives=1) as forms:
        g = gateway(f"ingest: {{grpc: {{listen: 127.0.0.1:0, upstream: '{address}'}}}}\n" + FILE)
        every = requests(10)
        with Propeller(g, secret_file=secret(g)) as propeller:
            propeller.until_taken(every)
        assert len(forms) >= 10 and len(admin.taken) == 10
    g.settled(10)
    assert g.ids() == [flyte.id_of(r) for r in every]


def test_without_a_way_to_a_token_it_says_so_and_nothing_is_kept(gateway):
    g = gateway("ingest: {grpc: {listen: 127.0.0.1:0, auth: {tokens_file: tokens}}}\n" + FILE, files={"tokens": TOKENS})
    with Propeller(g, secret_file=secret(g)) as propeller:
        code, text = propeller.one(flyte.task())
    assert code not in (TAKEN, THERE) and "failed to fetch auth metadata" in text and "Unimplemented" in text
    assert g.pipeline()["accepted"] == 0
