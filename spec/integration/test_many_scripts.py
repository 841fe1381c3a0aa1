"""A hundred teams on one gateway: a pipeline and a script each, together small, and each gets its own events."""
import os
import re

import flyte
from gateway import BINARY
from wait import wait_until

TEAMS = 100
SCRIPT = """\
local filters = require "moongate.filters"
local keep = filters.project("team-%d")
return function(event, request, flyte)
  if not keep(event, flyte) then return false, "not ours" end
  event.team = "t%d"
end
"""
IS_PLAIN = not re.search(r"build/(asan|tsan)/", BINARY)      # sanitizers keep shadow memory of their own


def resident_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+) kB", f.read()).group(1)) / 1024


def config():
    every = "".join(f"  - {{name: t{i}, hooks: [t{i}.lua], publisher: {{type: file, path: t{i}.jsonl}}}}\n" for i in range(TEAMS))
    return "log: {type: memory}\npipelines:\n" + every


def test_a_hundred_pipelines_with_a_script_each(gateway):
    g = gateway(config(), files={f"t{i}.lua": SCRIPT % (i, i) for i in range(TEAMS)})
    wait_until(lambda: all(p["up"] for p in g.pipelines().values()), g.log)
    idle = resident_mb(g.pid)
    with g.channel() as channel:
        for i in range(TEAMS):
            flyte.send(channel, flyte.workflow(project=f"team-{i}", name=f"f{i}"))
    wait_until(lambda: all(p["published"] == 1 and p["filtered"] == TEAMS - 1 for p in g.pipelines().values()), g.log)
    for i in range(TEAMS):
        with open(os.path.join(g.folder, f"t{i}.jsonl"), encoding="utf-8") as f:
            assert f'"team":"t{i}"' in f.read()
    if IS_PLAIN:
        assert idle < 60, f"{idle:.0f} MB resident"
