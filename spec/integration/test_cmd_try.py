"""`moongate try`: hooks on one event; attributes and data before and after, how it ended, log lines, counters, budget; exit codes."""
import json
import os
import re

import pytest

import flyte
from gateway import ROOT, run
from terminal import on_terminal
from webhook import Webhook

BUDGET = re.compile(r"^budget: (\d+) of (\d+) instructions(?: for each script)?, \d+ (?:bytes|KiB|MiB) of \d+ (?:KiB|MiB), \d+ (?:µs|ms) of (\d+) ms$", re.M)
EVENT = {"specversion": "1.0", "id": "e1", "source": "/s", "type": "t", "team": "a", "size": 3, "data": {"a": 1, "b": [1, 2], "keep": "x"}}
SPLIT = ('local m = require "moongate"\nreturn function(e) local c = m.copy(e) c.team = "b" return {e, c} end')


@pytest.fixture
def tried(tmp_path):
    """tried(script, args…, event=, status=): what `try` prints, its standard error with it when it is not 0."""
    def ran(script, *args, event=None, status=0, **options):
        (tmp_path / "hook.lua").write_text(script)
        if event is not None:
            (tmp_path / "event.json").write_text(event if isinstance(event, str) else json.dumps(event))
            args = ("event.json", *args)
        done = run("try", "hook.lua", *args, cwd=tmp_path, **options)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status != 2 else done.stderr
    return ran


def hook(body):
    return f'local m = require "moongate"\nreturn function(e, request, flyte)\n{body}\nend\n'


def marked(text, mark):
    return [line[2:] for line in text.splitlines() if line.startswith(mark + " ")]


# ---- before and after
def test_attributes_that_change_come_and_go(tried):
    out = tried(hook('e.team = "b" e.size = nil e.fresh = true e.n = 7'), event=EVENT)
    assert out.startswith("other e1\npublished: 1 event\n")
    assert marked(out, "-") == ['team: "a"', "size: 3"]
    assert marked(out, "+") == ['team: "b"', "fresh: true", "n: 7"]
    assert 'id: "e1"' in marked(out, " ") and any(line.startswith("data: ") and line.endswith("unchanged") for line in marked(out, " "))


def test_json_data_is_compared_line_by_line(tried):
    out = tried(hook("e.data.a = 2"), event=EVENT)
    assert '"a": 1,' in [line.strip() for line in marked(out, "-")] and '"a": 2,' in [line.strip() for line in marked(out, "+")]
    assert '"b": [' in [line.strip() for line in marked(out, " ")]


def test_a_changed_request_is_shown_as_json(tried):
    out = tried(hook('request.event.producer_id = "me"'), "--kind", "workflow")
    assert [line.strip(" ,") for line in marked(out, "+") if "producerId" in line] == ['"producerId": "me"']
    assert [line.strip(" ,") for line in marked(out, "-") if "producerId" in line] == ['"producerId": "moongate-send"']


def test_data_that_is_no_text_is_told_by_its_size(tried):
    out = tried(hook('e.datacontenttype = "application/x" e.data = "12345"'), event=EVENT)
    assert "data: 5 bytes" in marked(out, "+")


def test_far_unchanged_lines_are_left_out(tried):
    event = dict(EVENT, data={f"k{i:03}": i for i in range(100)})
    out = tried(hook("e.data.k050 = 0"), event=event)
    assert re.search(r"^  … \d\d lines$", out, re.M) and len(out.splitlines()) < 40


def test_each_event_of_a_split_is_shown(tried):
    out = tried(SPLIT, event=EVENT)
    assert "published: 2 events\nevent 1 of 2:\n" in out and "event 2 of 2:\n" in out
    assert marked(out, "+") == ['id: "e1:1"', 'team: "b"']


def test_a_route_is_shown(tried):
    out = tried(hook('m.route(e, {topic = "t", key = "k", headers = {["x-a"] = "1"}})'), event=EVENT)
    assert marked(out, "+") == ["route: topic=t key=k x-a: 1"]


# ---- how it ended
def test_filtered_says_why_and_is_exit_0(tried):
    assert "filtered: too early\n" in tried(hook('return false, "too early"'), "--kind", "task")
    assert "filtered: hook\n" in tried(hook("return false"), "--kind", "task")


def test_retry(tried):
    assert "retry: not yet\n" in tried(hook('return m.retry, "not yet"'), "--kind", "task")


def test_a_failure_has_its_traceback_and_is_exit_1(tried):
    out = tried("local function f(e) e.Team = 1 end\n" + hook("f(e)"), event=EVENT, status=1)
    assert re.search(r"^failed: hook_error\n  hook.lua:1: .*event e1.*\n    hook.lua:1: in f\n    hook.lua:4: in hook$", out, re.M), out


def test_a_loop_is_stopped(tried):
    out = tried(hook("while true do end"), "--kind", "node", status=1)
    assert "failed: hook_budget\n  hook.lua:3: more than 1000000 instructions" in out


def test_a_script_that_does_not_load_is_exit_1(tried, tmp_path):
    tried("return 1", status=1)
    done = run("try", "nope.lua", cwd=tmp_path)
    assert done.returncode == 1 and "nope.lua" in done.stderr and done.stdout == ""


def test_an_event_that_is_none_is_exit_1(tried):
    assert tried(hook(""), event="{]", status=1) == ""
    assert tried(hook(""), event={"specversion": "1.0"}, status=1) == ""
    assert tried(hook(""), event={"kind": "task", "request": {"evnt": 1}}, status=1) == ""
    assert tried(hook(""), event={"kind": "tsk", "request": {}}, status=1) == ""
    assert tried(hook(""), event={"event": {}}, status=1) == ""
    assert tried(hook(""), event="", status=1) == ""


def test_protobuf_bytes(tried, tmp_path):
    (tmp_path / "task.bin").write_bytes(flyte.task(phase="FAILED").SerializeToString())
    assert 'phase: "FAILED"' in marked(tried(hook("e.phase = flyte.phase"), "task.bin", "--kind", "task"), "+")


# ---- what it did besides
def test_log_lines(tried):
    out = tried(hook('m.log.warn("careful", {k = 1, s = "x"}) m.log.debug("deep") print("p", 1, nil)'), event=EVENT)
    assert "log:\n  warn  hook.lua:3 careful k=1 s=x\n  debug hook.lua:3 deep\n  info  hook.lua:3 p 1 nil\n" in out


def test_counters(tried):
    out = tried(hook('m.counter("seen", {kind = "x"}):add(2)'), event=EVENT)
    assert 'counters:\n  moongate_script_seen_total{pipeline="try",kind="x"} 2\n' in out


def test_instructions_are_counted_one_by_one(tried):
    def used(n):
        return int(BUDGET.search(tried(hook(f"for i = 1, {n} do end"), event=EVENT)).group(1))
    few, more = used(10), used(60)
    assert 50 <= more - few <= 52 and few < 40


def test_control_characters_do_not_reach_the_terminal(tried):
    assert "\x1b" not in tried(hook(r'm.log.info("\27[2J") return false, "\27[1m"'), event=EVENT)


# ---- what it runs on
def test_samples_of_each_kind(tried):
    out = tried(hook("e.kind = flyte.kind"))
    assert marked(out, "+") == ['kind: "workflow"', 'kind: "node"', 'kind: "task"', 'kind: "action"']
    assert marked(tried(hook("e.kind = flyte.kind"), "--kind", "node"), "+") == ['kind: "node"']


def test_a_file_with_requests(tried):
    stream = os.path.join(ROOT, "spec/golden/streams/success.jsonl")
    event = {"kind": "task", "request": {"event": {"phase": "FAILED", "error": {"code": "c", "message": "m"}}}}
    assert 'code: "c"' in marked(tried(hook("e.code = flyte.error_code"), event=event), "+")
    assert 'phase: "FAILED"' in marked(tried(hook("e.phase = flyte.phase"), "--kind", "task", event=event["request"]), "+")
    action = {"kind": "action", "request": {"id": {"name": "a0"}, "phase": "ACTION_PHASE_FAILED"}}
    assert 'phase: "FAILED"' in marked(tried(hook("e.phase = flyte.phase"), event=action), "+")
    two = json.dumps(event) + "\n" + json.dumps(event)
    assert marked(tried(hook("e.a = 1"), event=two), "+") == ["a: 1", "a: 1"]
    with open(stream, encoding="utf-8") as f:
        assert len(marked(tried(hook("e.a = 1"), stream), "+")) == len(f.readlines())


def test_standard_input(tried):
    assert 'a: 1' in marked(tried(hook("e.a = 1"), "-", stdin=json.dumps(EVENT)), "+")


def test_flyteadmins_own_cloudevents_have_their_request(tried):
    event = {"specversion": "1.0", "id": "x", "source": "/s", "type": "com.flyte.resource.workflow", "datacontenttype": "application/json",
             "data": {"event": {"executionId": {"project": "p", "domain": "d", "name": "n"}, "phase": "RUNNING"}}}
    out = tried(hook('if flyte then e.project = flyte.project end'), event=event)
    assert out.startswith("workflow x\n") and 'project: "p"' in marked(out, "+")
    for kind, seen in (("workflow", ["a: 1"]), ("other", [])):
        script = f'return {{event_types = {{"{kind}"}}, on_event = function(e) e.a = 1 end}}'
        assert marked(tried(script, event=event), "+") == seen


def test_params_are_typed_as_in_yaml(tried):
    body = 'local p = m.params e.kinds = ("%s %s %s %s %s"):format(math.type(p.i), type(p.b), type(p.s), p.l[2], p.m.k)'
    out = tried(hook(body), "--param", "i=3", "--param", "b=true", "--param", 's="3"', "--param", "l=[a, b]", "--param", "m={k: v}", event=EVENT)
    assert marked(out, "+") == ['kinds: "integer boolean string b v"']
    assert "not name=value" in tried(hook(""), "--param", "x", status=2)


def test_several_scripts_run_in_order(tried, tmp_path):
    (tmp_path / "second.lua").write_text(hook('e.seen = e.first'))
    assert marked(tried(hook('e.first = "1"'), "second.lua", event=EVENT), "+") == ['first: "1"', 'seen: "1"']


def test_a_pipelines_rules_params_and_limits(tried, tmp_path):
    (tmp_path / "moongate.yaml").write_text("""\
pipelines:
  - {name: a, match: {team: a}, set: {env: dev}, hooks: [hook.lua], params: {x: own, y: own}, hook_limits: {instructions: 5000}, publisher: {type: 'null'}}
  - {name: b, hooks: [hook.lua], publisher: {type: 'null'}}
  - {name: tasks, event_types: [task], hooks: [hook.lua], publisher: {type: 'null'}}
""")
    text = hook("e.x = m.params.x e.y = m.params.y")
    out = tried(text, "-c", "moongate.yaml", "--pipeline", "a", "--param", "x=mine", event=EVENT)
    assert marked(out, "+") == ['env: "dev"', 'x: "mine"', 'y: "own"'] and BUDGET.search(out).group(2) == "5000"
    assert "filtered: match" in tried(text, "-c", "moongate.yaml", "--pipeline", "a", event=dict(EVENT, team="b"))
    assert "--pipeline" in tried(text, "-c", "moongate.yaml", event=EVENT, status=2)
    assert 'mean \\"a\\"' in tried(text, "-c", "moongate.yaml", "--pipeline", "aa", event=EVENT, status=2)
    of_each = tried(text, "-c", "moongate.yaml", "--pipeline", "tasks").split("\n\n")
    assert [part.startswith("task ") or part.splitlines()[1:] == ["filtered: event_types"] for part in of_each if re.match(r"\w+ \S+:", part)] == [True] * 4
    assert tried(text, "-c", "moongate.yaml", "--pipeline", "tasks", event=EVENT) == "other e1\nfiltered: event_types\n"
    without = run("try", "-c", "moongate.yaml", "--pipeline", "a", "event.json", cwd=tmp_path, check=0)
    assert 'x: "own"' in marked(without.stdout, "+")


def test_http_goes_out_where_it_is_allowed(tried):
    body = 'local a, why = m.http.get(m.params.url) e.answer = a and a.body or why'
    web = Webhook(lambda request: (200, {}, b"hello"))
    try:
        out = tried(hook(body), "--param", f"url={web.url}", "--allow-host", "127.0.0.1", event=EVENT)
        assert marked(out, "+") == ['answer: "hello"'], out
        out = tried(hook(body), "--param", f"url={web.url}", event=EVENT)
        assert "allow_hosts" in marked(out, "+")[0] and len(web.requests) == 1
    finally:
        web.close()


# ---- styles
def test_a_style_makes_the_event(tried):
    request = {"kind": "node", "request": {"event": {"id": {"nodeId": "n0", "executionId": {"name": "x"}}, "phase": "RUNNING", "producerId": "<p>"}}}
    out = tried(hook('e.p = e.data.event.producerId'), "--style", "flyteadmin", event=request)
    assert 'id: "node_id:\\"n0\\"  execution_id:{name:\\"x\\"}.RUNNING"' in marked(out, " ") and marked(out, "+") == ['p: "<p>"'], out
    out = tried(hook('e.n = #e.data'), "--style", "flyteadmin-external", event=request)
    assert 'subject: "flyteidl.admin.NodeExecutionEventRequest"' in marked(out, " "), out
    out = tried(hook('request.event.producer_id = "&"'), "--style", "flyteadmin", event=request)
    assert [line.strip(" ,") for line in marked(out, "+")][1:] == [r'"producerId": "\u0026"'], out


def test_a_style_is_the_pipelines_or_the_one_that_is_asked_for(tried, tmp_path):
    (tmp_path / "m.yaml").write_text("pipelines: [{name: p, format: {style: flyteadmin, id_spacing: 1}, publisher: {type: 'null'}}]")
    out = tried(hook(""), "-c", "m.yaml", "--kind", "workflow")
    assert ' domain:' in out and '  domain:' not in out and "com.flyte.resource.flyteidl.admin.Workflow" in out, out
    out = tried(hook(""), "-c", "m.yaml", "--kind", "workflow", "--style", "documented")
    assert "admin_event_pb2.Workflow" in out, out


# ---- usage
@pytest.mark.parametrize("args,hint", [(["x.json"], "SCRIPT"), (["a.lua", "x", "y"], "EVENT"), (["a.lua", "--kind", "tsk"], 'mean \\"task\\"'),
                                       (["a.lua", "--style", "documnted"], 'mean \\"documented\\"'), (["a.lua", "--style", "flyteadmi"], 'mean \\"flyteadmin\\"'), (["a.lua", "--pipeline", "p"], "-c FILE")], ids=str)
def test_wrong_usage_is_exit_2(args, hint):
    done = run("try", *args, check=2)
    assert hint in done.stderr and done.stdout == ""


def test_colours_on_a_terminal_only(tmp_path):
    (tmp_path / "hook.lua").write_text(hook('e.team = "b"'))
    (tmp_path / "event.json").write_text(json.dumps(EVENT))
    status, seen = on_terminal("try", "hook.lua", "event.json", cwd=tmp_path)
    assert status == 0
    assert b'\x1b[31m- team: "a"\x1b[0m' in seen and b'\x1b[32m+ team: "b"\x1b[0m' in seen
    assert "\x1b" not in run("try", "hook.lua", "event.json", cwd=tmp_path, check=0).stdout
