"""Hostile scripts (spec/lua/hostile) in the running gateway: what they cannot do to the pipelines beside them."""
import glob
import json
import os
import re

import flyte
from gateway import BINARY, ROOT
from wait import wait_until

IS_PLAIN = not re.search(r"build/(asan|tsan)/", BINARY)      # sanitizers keep shadow memory of their own
MIB = 1 << 20


def hostile(name):
    with open(os.path.join(ROOT, "spec/lua/hostile", name + ".lua"), encoding="utf-8") as f:
        return f.read()


def expected(name):
    return re.match("-- expect: (.*)", hostile(name)).group(1).split("|")


def send(g, requests):
    with g.channel() as channel:
        for r in requests:
            flyte.send(channel, r)


def vm_hwm(g):
    with open(f"/proc/{g.pid}/status", encoding="ascii") as f:
        return int(re.search(r"^VmHWM:\s+(\d+)", f.read(), re.M).group(1)) * 1024


FOREVER = """\
return function()
  for _ = 1, math.huge do %s end
end
"""
# Each goes on until its time is up, a minute from now: in the interpreter, in the matcher, in one step of Lua, in the allocator.
STUCK = {
    "loop": FOREVER % "local x = 1",
    "catch": FOREVER % "pcall(error)",
    "match": FOREVER % "(('a'):rep(3000)):find(('.-'):rep(8) .. 'b')",
    "keys": hostile("grow_colliding_keys").replace("1 << 16", "1 << 17").replace("(1 << 17) - 1", "(1 << 18) - 1"),
    "compile": hostile("load_else_chain").replace("60000", "1000000"),
    "grow": FOREVER % "local s = '' for _ = 1, 100000 do s = s .. 'x' end",
    "log": "local m = require 'moongate'\n" + FOREVER % "m.log.error('x')",
}


def test_a_healthy_pipeline_does_not_wait_for_hooks_that_are_stuck(gateway):
    limits = "{instructions: 1000000000000, memory: 64MiB, timeout: 60s}"
    stuck = "".join(f"  - {{name: {name}, hooks: [{name}.lua], hook_limits: {limits}, publisher: {{type: 'null'}}}}\n" for name in STUCK)
    g = gateway("pipelines:\n  - {name: all, hooks: [good.lua], publisher: {type: file, path: all.jsonl}}\n" + stuck,
                files=dict({name + ".lua": text for name, text in STUCK.items()}, **{"good.lua": "return function(e) e.seen = true end\n"}))
    rounds = [[flyte.workflow(name=f"f{r}-{i}") for i in range(20)] for r in range(5)]
    for n, requests in enumerate(rounds, 1):
        send(g, requests)
        g.settled(20 * n, "all")
    assert g.ids() == [flyte.id_of(r) for requests in rounds for r in requests]
    for name in STUCK:                     # each is still inside its first hook: nobody waited for the end of any
        state = g.pipeline(name)
        assert (state["published"], state["dead_lettered"], state["lag"], state["up"]) == (0, 0, 100, True), (name, state)


BOMBS = ["memory_doubling", "string_flood", "coroutine_flood", "closure_flood", "stack_overflow_caught", "values_recursion", "event_bombs",
         "attribute_bombs", "json_doubling", "codecs_of_megabytes", "concat_operands", "utf8_megabytes", "memory_caught_again_and_again"]


def test_memory_stays_within_workers_times_memory(gateway):
    workers, memory = 2, 8 * MIB
    bombs = "".join(f"  - {{name: {b}, hooks: [{b}.lua], workers: {workers}, hook_limits: {{instructions: 100000000, memory: {memory}, timeout: 2s}},"
                    f" publisher: {{type: 'null'}}}}\n" for b in BOMBS)
    g = gateway("pipelines:\n" + bombs, files={b + ".lua": hostile(b) for b in BOMBS})
    base = vm_hwm(g)
    send(g, [flyte.workflow(name=f"f{i}") for i in range(4)])

    def ended():
        return all(p["dead_lettered"] == 4 or not p["up"] for p in g.pipelines().values())
    wait_until(ended, g.pipelines)
    assert all(p["published"] == p["filtered"] == 0 for p in g.pipelines().values()), g.pipelines()
    if IS_PLAIN:
        assert vm_hwm(g) <= base + len(BOMBS) * workers * memory


REASONS = ("hook_error", "hook_budget", "hook_memory", "hook_timeout")


def dead_letters(metrics, pipeline):
    """{reason: how many}"""
    return {r: n for r in REASONS
            if (n := metrics.get(("moongate_events_dead_lettered_total", frozenset({"pipeline": pipeline, "reason": r}.items()))))}


def test_every_hostile_script_makes_dead_letters_for_its_reason_beside_a_healthy_pipeline(gateway):
    names = [os.path.basename(p)[:-4] for p in sorted(glob.glob(os.path.join(ROOT, "spec/lua/hostile/*.lua")))]
    assert len(names) > 80
    pipelines = "".join(f"  - {{name: {n}, hooks: [{n}.lua], hook_limits: {{timeout: 300ms}}, publisher: {{type: file, path: {n}.jsonl}}}}\n"
                        for n in names)
    g = gateway("pipelines:\n  - {name: all, publisher: {type: file, path: all.jsonl}}\n" + pipelines,
                files={n + ".lua": hostile(n) for n in names})
    for id_ in ("bad", "next"):
        event = {"specversion": "1.0", "id": id_, "source": "/s", "type": "t"}
        assert g.post("/v1/events", json.dumps(event), "application/cloudevents+json")[0] == 202
    g.settled(2, "all")
    assert g.ids() == ["bad", "next"]

    def ended():
        return all(p["lag"] == 0 or not p["up"] for p in g.pipelines().values())
    wait_until(ended, g.pipelines)
    states, metrics = g.pipelines(), g.metrics()
    for n in names:
        passes = 'event.id == "next"' in hostile(n)
        state, reasons = states[n], dead_letters(metrics, n)
        if expected(n) == ["load_error"]:
            assert not state["up"] and not reasons, (n, state)
            continue
        assert state["published"] == passes and state["dead_lettered"] == sum(reasons.values()) == 2 - passes, (n, state, reasons)
        assert set(reasons) <= {*expected(n), "hook_timeout"}, (n, reasons)
        if passes:
            assert g.ids(n + ".jsonl") == ["next"]
