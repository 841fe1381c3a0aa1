"""Connect's client for Go, which Flyte 2's executor has, in every protocol, codec and version of HTTP that it has, on both listeners:
what it sends is kept, what it is told it understands."""
import base64
import os
import subprocess
from itertools import product

from gateway import ROOT
from test_ingest_flyte2 import ACTIONS, action, id_of, record

PEER = os.path.join(os.environ.get("TOOLS") or os.path.join(ROOT, "build/tools"), "connect/connect")
WAYS = [*product(["connect"], ["proto", "json"], ["plain", "gzip"], ["1.1", "2"]), *product(["grpc"], ["proto"], ["plain", "gzip"], ["2"])]


def call(url, way, *requests):
    """What came of each."""
    done = subprocess.run([PEER, os.path.join(ROOT, "spec/golden/flyteidl2.desc"), url, *way], capture_output=True, text=True, timeout=120, check=False,
                          input="".join(base64.b64encode(r.SerializeToString()).decode() + "\n" for r in requests))
    assert done.returncode == 0, (way, done.stdout, done.stderr)
    return done.stdout.splitlines()


def test_what_it_sends_is_kept_and_what_it_is_told_it_understands(gateway):
    g = gateway(ACTIONS)
    want = []
    for address, way in product([g.grpc, g.http], WAYS):
        good = [action(run_name="-".join(way), name=f"é{i}", error="x" * i) for i in range(100)]
        ok, empty, large = call("http://" + address, way, record(*good), record(), record(action(), action(error="x" * (5 << 20))))
        assert ok == "ok", (way, ok)
        assert empty.startswith("invalid_argument ") and "events: there has to be one" in empty, (way, empty)
        assert large.startswith("resource_exhausted ") and "message too large" in large, (way, large)
        want += good
    g.settled(len(want))
    lines = g.lines()
    assert [e["id"] for e in lines] == [id_of(e, "RUNNING") for e in want]
    # Go writes the fields of a message in any order
    assert [type(e).FromString(base64.b64decode(line["data_base64"])) for e, line in zip(want, lines, strict=True)] == want


def test_grpc_web_is_refused_so_that_it_says_so(gateway):
    g = gateway(ACTIONS)
    for address in g.grpc, g.http:
        told, = call("http://" + address, ("grpcweb", "proto", "plain", "1.1"), record(action()))
        assert told.partition(" ")[0] in ("unknown", "unimplemented", "invalid_argument") and ("415" in told or "content-type" in told), told
    assert g.pipeline()["accepted"] == 0


def test_a_stop_is_told_as_what_passes(gateway):
    """A connection that is not taken, or unavailable: the executor tries again after either."""
    g = gateway(ACTIONS)
    url = "http://" + g.http
    assert g.stop() == 0
    told, = call(url, WAYS[0], record(action()))
    assert told.startswith("unavailable "), told
