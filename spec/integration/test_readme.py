"""What the README shows works as it is shown."""
import os
import re
import shutil
import socket
import subprocess

import pytest

import flyte
from gateway import BINARY, ROOT, run
from page import blocks

CONFIGURATIONS = [(name, i, text) for name in ("README.md", "scripts/README.md", "lua/README.md") for i, text in enumerate(blocks(name, "yaml"))]


@pytest.mark.parametrize("name,i,text", CONFIGURATIONS, ids=[f"{n} {i}" for n, i, _ in CONFIGURATIONS])
def test_every_configuration_shown_is_good(tmp_path, name, i, text):
    (tmp_path / "some-ca.pem").write_text("")
    (tmp_path / "hook.lua").write_text(blocks("README.md", "lua")[0])
    shutil.copytree(os.path.join(ROOT, "scripts"), tmp_path / "scripts")
    (tmp_path / "moongate.yaml").write_text(re.sub(r"/etc/ssl/certs/[a-z]+-ca.pem", "some-ca.pem", text))
    done = run("check", "-c", tmp_path / "moongate.yaml", env={"KAFKA_PASSWORD": "x", "NATS_PASSWORD": "x", "CLIENT_SECRET": "x", "WEBHOOK_SECRET": "whsec_" + "MfKQ" * 8,
                                                                   "SLACK_WEBHOOK": "https://hooks.slack.com/services/x"})
    assert done.returncode == 0, done.stdout


def test_every_recipe_is_in_its_table_and_in_a_configuration():
    with open(os.path.join(ROOT, "scripts/README.md"), encoding="utf-8") as f:
        text = f.read()
    rows = dict(re.findall(r"^\| \[(\w+)\.lua\]\(\1\.lua\) \| .* \| (.*) \|$", text, re.M))
    names = {n[:-4] for n in os.listdir(os.path.join(ROOT, "scripts")) if n.endswith(".lua") and not n.endswith("_spec.lua")}
    assert set(rows) == names
    used = " ".join(blocks("scripts/README.md", "yaml"))
    for name in names:
        with open(os.path.join(ROOT, "scripts", name + ".lua"), encoding="utf-8") as f:
            read = set(re.findall(r"\bparams\.(\w+)", re.sub(r"^--.*$|\"[^\"]*\"", "", f.read(), flags=re.M)))
        assert read == set(re.findall(r"`(\w+)`", rows[name])), name
        assert f"scripts/{name}.lua" in used, name
        assert os.path.exists(os.path.join(ROOT, "scripts", name + "_spec.lua")), name


def test_the_script_shown_does_what_it_says(gateway):
    text = blocks("README.md", "yaml")[0]
    g = gateway(text, files={"hook.lua": blocks("README.md", "lua")[0]})
    with g.channel() as channel:
        for r in (flyte.task(), flyte.task(phase="FAILED", attempt=2, error="no\nmemory")):
            flyte.send(channel, r)
    g.settled(2)
    event, = g.lines("failures.jsonl")
    assert (event["team"], event["reason"], event["attempt"]) == ("ml", "no memory", 2) and "dataschema" in event


def test_the_tests_shown_pass(tmp_path):
    (tmp_path / "hook.lua").write_text(blocks("README.md", "lua")[0])
    (tmp_path / "hook_spec.lua").write_text(blocks("README.md", "lua")[1])
    assert "2 successes / 0 failures / 0 errors" in run("test", cwd=tmp_path, check=0).stdout
    assert "filtered: not a failure" in run("try", "hook.lua", "--kind", "task", "--param", "team=ml", cwd=tmp_path, check=0).stdout


def test_the_tests_of_the_reference_pass(tmp_path):
    example = next(text for text in blocks("lua/README.md", "lua") if "moongate.test" in text)
    (tmp_path / "team.lua").write_text("""\
local m = require "moongate"
return function(e, r, flyte)
  if flyte.project ~= m.params.project then return false, "other project" end
  e.team = m.params.team
end
""")
    (tmp_path / "team_spec.lua").write_text(example)
    assert "2 successes / 0 failures / 0 errors" in run("test", cwd=tmp_path, check=0).stdout


def test_the_demo_ends_by_itself_and_leaves_nothing(tmp_path):
    done = subprocess.run([os.path.join(ROOT, "spec/demo/run")], env=dict(os.environ, MOONGATE=BINARY, TMPDIR=str(tmp_path)), capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "\x1b" not in done.stdout and "29 of 29" in done.stdout and "team: 12 (queued)" in done.stdout
    port = re.search(r"gRPC to (\S+)", done.stdout).group(1)
    with socket.socket() as s:
        assert s.connect_ex(("127.0.0.1", int(port.split(":")[1]))) != 0
    assert os.listdir(tmp_path) == []
