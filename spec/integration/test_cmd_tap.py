"""`moongate tap`: what a running pipeline does, line by line."""
import json
import signal
import subprocess
import threading

import pytest

import flyte
from gateway import BINARY, run
from wait import wait_until

CONFIG = """\
log: {path: data, segment_bytes: 1MiB}
pipelines:
  - {name: all, hooks: [hook.lua], publisher: {type: file, path: all.jsonl}}
"""
HOOK = """\
return function(e, r, flyte)
  if flyte.kind == "workflow" then return false, "no workflows" end
  if flyte.kind == "task" then error("no such luck") end
  e.team = "a"
end
"""


class Tap:
    """The command, and the lines it has printed."""

    def __init__(self, g, *args):
        self.process = subprocess.Popen([BINARY, "tap", "-c", g.config_file, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(iter(self.process.stdout.readline, "")))
        self.reader.start()

    def end(self):
        """Its exit status and what it said on standard error."""
        status = self.process.wait(60)
        self.reader.join()
        err = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return status, err


@pytest.fixture
def tapped(gateway):
    """tapped(args…): a gateway and a tap that has shown its first event."""
    taps = []

    def start(*args):
        g = gateway(CONFIG, files={"hook.lua": HOOK})
        tap = Tap(g, *args, "all")
        taps.append(tap)
        with g.channel() as channel:                                   # until it listens there is nobody to tell
            def told():
                flyte.send(channel, flyte.node(name="first"))
                return tap.lines or tap.process.poll() is not None
            wait_until(told)
        assert tap.process.poll() is None
        return g, tap
    yield start
    for tap in taps:
        if tap.process.poll() is None:
            tap.process.kill()
            tap.end()


def send(g, *requests):
    with g.channel() as channel:
        for r in requests:
            flyte.send(channel, r)


def test_lines_come_as_the_events_do(tapped):
    g, tap = tapped()
    send(g, flyte.node(name="f1"), flyte.workflow(name="f1"), flyte.task(name="f1"))
    mine = wait_until(lambda: len(found := [x for x in tap.lines if ":f1" in x]) == 3 and found, lambda: str(tap.lines))
    dead, filtered, published = sorted(mine, key=lambda x: x.split()[1])   # who arrives is told when it has
    assert published.split()[1:3] == ["published", "node"] and flyte.id_of(flyte.node(name="f1")) in published
    assert filtered.split()[1:3] == ["filtered", "workflow"] and "no workflows" in filtered
    assert dead.split()[1] == "dead_letter" and "no such luck" in dead
    tap.process.send_signal(signal.SIGINT)
    assert tap.end() == (0, "")
    send(g, flyte.node(name="f2"))                                     # the gateway goes on
    wait_until(lambda: flyte.id_of(flyte.node(name="f2")) in g.ids())


def test_json_has_the_event_as_the_hooks_left_it(tapped):
    g, tap = tapped("--json")
    line = json.loads(tap.lines[0])
    assert line["outcome"] == "published" and line["pipeline"] == "all" and line["kind"] == "node"
    assert line["event"]["team"] == "a" and line["event"]["id"] == flyte.id_of(flyte.node(name="first"))
    tap.process.send_signal(signal.SIGTERM)
    assert tap.end() == (0, "")


def test_it_ends_when_the_gateway_stops(tapped):
    g, tap = tapped()
    assert g.stop() == 0
    assert tap.end()[0] == 0


def test_it_watches_a_running_gateway_only(gateway):
    g = gateway(CONFIG, files={"hook.lua": HOOK})
    assert 'no pipeline al (did you mean \\"all\\"?)' in run("tap", "-c", g.config_file, "al", check=1).stderr
    assert g.stop() == 0
    assert "no gateway runs" in run("tap", "-c", g.config_file, "all", check=1).stderr


@pytest.mark.parametrize("args,hint", [([], "PIPELINE"), (["a", "b"], "b"), (["--jso", "a"], "--json")], ids=" ".join)
def test_wrong_usage_is_exit_2(args, hint, tmp_path):
    assert hint in run("tap", *args, check=2, cwd=tmp_path).stderr


def test_help():
    assert run("tap", "--help", check=0).stdout.startswith("usage: moongate tap")
