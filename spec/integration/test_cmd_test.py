"""`moongate test`: describe, it, assert as in busted; hooks and events of `require "moongate.test"`; what is printed; exit codes."""
import os
import re
import shutil
import subprocess

import pytest

from gateway import run
from terminal import on_terminal

COUNTS = re.compile(r"^(\d+) success(?:es)? / (\d+) failures? / (\d+) errors? / (\d+) pending : \d+\.\d{6} seconds$", re.M)
GATE = 'local gate = require "moongate.test"\n'
TEAM = """\
local moongate = require "moongate"
return function(event, request, flyte)
  if not flyte or flyte.project ~= moongate.params.project then return false, "other project" end
  event.team = moongate.params.team
end
"""


class Ran:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr
        found = COUNTS.search(self.out)
        self.counts = tuple(int(n) for n in found.groups()) if found else None

    def block(self, name):
        """The part of the output about one test: from its title to the empty line."""
        return next(b for b in self.out.split("\n\n") if f"\n{name}\n" in b + "\n").strip()


@pytest.fixture
def specs(tmp_path):
    """specs(text or {name: text}, args…): runs them in a folder of their own."""
    def ran(files, *args):
        for name, text in ({"a_spec.lua": files} if isinstance(files, str) else files).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return Ran(run("test", *args, cwd=tmp_path))
    return ran


def it(body):
    return f'{GATE}it("x", function()\n{body}\nend)\n'


# ---- what is counted, what is printed
def test_all_passed_is_exit_0(specs):
    done = specs('describe("a", function() it("b", function() assert.equal(1, 1) end) end)')
    assert (done.status, done.counts) == (0, (1, 0, 0, 0))
    assert done.out.startswith("+\n1 success / 0 failures / 0 errors / 0 pending")


def test_both_values_and_the_place_are_shown(specs):
    done = specs('describe("outer", function()\n  it("one", function()\n    assert.same({a = {1, "x"}}, {a = {1, "y"}})\n  end)\nend)')
    assert (done.status, done.counts) == (1, (0, 1, 0, 0))
    assert done.block("outer one") == """\
Failure -> a_spec.lua @ 2
outer one
a_spec.lua:3: These should be the same.
Passed in:
(table) {
 *[a] = {
    [1] = 1
   *[2] = 'y' } }
Expected:
(table) {
 *[a] = {
    [1] = 1
   *[2] = 'x' } }"""


def test_an_error_has_its_place_and_frames(specs):
    done = specs('local function f() local x; return x.y end\nit("e", function()\n  local _ = f()\nend)\n')
    assert done.counts == (0, 0, 1, 0)
    assert done.block("e").splitlines()[2:] == [
        "a_spec.lua:1: attempt to index a nil value (local 'x')", "  a_spec.lua:1: in f", "  a_spec.lua:3: in a function"]


def test_long_values_are_cut(specs):
    done = specs(it('local t = {} for i = 1, 1000 do t[i] = i end\nassert.same({}, {t, ("é"):rep(9000)})'))
    assert len(done.out) < 4000 and "(18000 bytes)" in done.out and "more)" in done.out
    assert specs(it("local t = {} t[1] = t assert.same({}, t)")).counts == (0, 1, 0, 0)


def test_control_characters_do_not_reach_the_terminal(specs):
    assert "\x1b" not in specs(it(r'assert.equal("a", "\27[2J")')).out


def test_colours_on_a_terminal_only(tmp_path):
    (tmp_path / "a_spec.lua").write_text('it("a", function() end) it("b", function() assert(false) end)')
    status, seen = on_terminal("test", cwd=tmp_path)
    assert status == 1
    assert "\x1b[32m●\x1b[0m\x1b[31m●\x1b[0m".encode() in seen
    assert "\x1b" not in run("test", cwd=tmp_path).stdout


# ---- busted's functions
ORDER = """\
local seen = {}
local function note(s) return function() seen[#seen + 1] = s end end
describe("a", function()
  setup(note "setup") before_each(note "b1") before_each(note "b2") after_each(note "a1") teardown(note "teardown")
  it("x", note "x")
  describe("inner", function()
    before_each(note "b3") after_each(note "a3")
    it("y", note "y")
  end)
  it("z", function() seen[#seen + 1] = "z" finally(note "finally") end)
end)
it("saw", function()
  assert.equal("setup b1 b2 x a1 b1 b2 b3 y a3 a1 b1 b2 z finally a1 teardown", table.concat(seen, " "))
end)
"""


def test_the_order_of_what_stands_around_an_it(specs):
    assert specs(ORDER).counts == (4, 0, 0, 0)


def test_what_fails_around_an_it_is_an_error_and_the_rest_goes_on(specs):
    done = specs("""\
describe("before", function() before_each(function() error("b") end) it("x", function() end) end)
describe("after", function() after_each(function() error("a") end) it("x", function() end) end)
describe("set up", function() setup(function() error("s") end) it("x", function() end) end)
describe("broken", function() it("x", function() end) error("d") end)
describe("well", function() it("x", function() end) end)
""")
    assert (done.status, done.counts) == (1, (2, 0, 4, 0))
    for name, line in (("before x before_each", 1), ("after x after_each", 2), ("set up setup", 3), ("broken", 4)):
        assert f"a_spec.lua:{line}: " in done.block(name)


def test_pending(specs):
    done = specs('pending("later")\nit("now", function() pending("not yet") end)\nit("never")')
    assert (done.status, done.counts) == (0, (0, 0, 0, 3))
    assert "a_spec.lua:2: not yet" in done.block("now")


ASSERTS = """\
assert.equal(1, 1) assert.equals("a", "a") assert.are.equal(1, 1) assert.are_equal(1, 1) assert.is.equal(1, 1)
assert.not_equal(1, 2) assert.are_not.equal(1, 2) assert.are.Not.equal(1, 2) assert.is_not.equal(1, "1")
assert.same({1, {a = 2}}, {1, {a = 2}}) assert.not_same({}, {1}) assert.are.same("a", "a") assert.no.same({1}, {2})
assert.is_true(true) assert.True(true) assert.is_false(false) assert.is_not_true(1) assert.is_nil(nil) assert.is_not_nil(1)
assert.truthy(1) assert.is.truthy("") assert.falsy(nil) assert.is_falsy(false) assert.is_not.truthy(nil)
assert.is_string("") assert.is_number(1) assert.is_table({}) assert.is_function(print) assert.is_boolean(true) assert.is_not_string(1)
assert.has_error(function() error("x") end) assert.has_error(function() error("x") end, "x") assert.errors(function() error() end)
assert.has.errors(function() error({1}) end, {1}) assert.has_no.errors(function() end) assert.no_error(function() end)
assert.error_matches(function() error("abc") end, "b.$") assert.has.error_match(function() error("a.c") end, "a.c", 1, true)
assert.matches("b+", "abbc") assert.match("a", "a") assert.does_not.match("x", "abc") assert.no.matches("a.c", "abc", 1, true)
assert.near(1, 1.05, 0.1) assert.is_not.near(1, 2, 0.1) assert.unique({1, 2}) assert.is_not.unique({1, 1})
assert.message("m").equal(1, 1) assert(true) assert(1, "m")
assert.equal("b", (assert.matches("(b)", "abc"))) assert.equal("x", (select(1, assert.has_error(function() error("x", 0) end))))
assert.equal(7, (assert(7, "m")))
"""


def test_every_way_to_say_an_assertion(specs):
    done = specs(it(ASSERTS))
    assert done.counts == (1, 0, 0, 0), done.out


FAILING = ["equal(1, 2)", "same({}, {1})", "not_equal(1, 1)", "not_same({}, {})", "is_true(1)", "is_false(nil)", "is_nil(1)", "is_not_nil(nil)",
           "truthy(false)", "falsy(1)", "is_string(1)", "has_error(function() end)", 'has_error(function() error("a") end, "b")',
           "has_no.errors(function() error() end)", 'error_matches(function() error("a") end, "b")', 'matches("a", "b")',
           'does_not.match("a", "a")', "near(1, 2, 0.1)", "unique({1, 1})", "equal(1)", 'matches(1, "a")', "is_not_string('')"]


def test_every_assertion_can_fail(specs):
    done = specs("".join(f'it("{i}", function()\n assert.{a}\nend)\n' for i, a in enumerate(FAILING)))
    assert done.counts == (0, len(FAILING), 0, 0), done.out
    for i in range(len(FAILING)):
        assert f"\na_spec.lua:{3 * i + 2}: " in done.block(str(i))


def test_a_message_of_ones_own_comes_first(specs):
    assert "a_spec.lua:3: mine\nThese should be equal." in specs(it('assert.equal(1, 2, "mine")')).out
    assert "a_spec.lua:3: mine\nThese" in specs(it('assert.message("mine").equal(1, 2)')).out
    assert "a_spec.lua:3: why" in specs(it('assert(nil, "why")')).out


def test_a_wrong_name_is_told_with_the_nearest(specs):
    assert 'assert has no is_tru (did you mean "true"?)' in specs(it("assert.is_tru(1)")).out


# ---- budgets
def test_a_looping_test_is_stopped_and_the_others_run(specs):
    done = specs("""\
local n = 0
before_each(function() n = n + 1 end)
it("before", function() end)
describe("d", function()
  it("loops", function()
    while true do
      pcall(error)
    end
  end)
  it("loops in assert", function()
    while true do
      assert.equal(1, 1)
    end
  end)
  it("behind", function() assert.equal(1, n) end)
end)
describe("e", function()
  setup(function() while true do end end)
  it("is not run", function() end)
end)
describe("f", function() it("x", function() end) while true do end end)
it("last", function() end)
""", "--instructions", "100000")
    assert (done.status, done.counts) == (1, (3, 0, 4, 0)), done.out
    assert re.search(r"^a_spec.lua:[67]: more than 100000 instructions$", done.block("d loops"), re.M)
    assert re.search(r"^a_spec.lua:1[12]: more than 100000 instructions$", done.block("d loops in assert"), re.M)
    assert "a_spec.lua:18: more than" in done.block("e setup") and "a_spec.lua:21: more than" in done.block("f")


def test_a_test_has_a_time(specs):
    done = specs(it("while true do end"), "--timeout", "500", "--instructions", "1000000000000")
    assert done.counts == (0, 0, 1, 0) and "a_spec.lua:3: took more than 500 ms" in done.out


def test_memory_is_bounded(specs):
    done = specs(it("local s = 'x' for _ = 1, 40 do s = s .. s end"))
    assert done.counts == (0, 0, 1, 0) and "a_spec.lua:2: not enough memory within" in done.out


def test_a_looping_file_is_stopped(specs):
    done = specs({"a_spec.lua": "while true do end", "b_spec.lua": it("")}, "--instructions", "100000")
    assert done.counts == (1, 0, 1, 0) and "Error -> a_spec.lua\na_spec.lua:1: more than" in done.out


def test_specs_are_in_the_sandbox(specs):
    done = specs(it("assert.is_nil(io) assert.is_nil(debug) assert.is_nil(os.execute) assert.is_nil(package) assert.is_nil(loadfile)"))
    assert done.counts == (1, 0, 0, 0), done.out


# ---- files
def test_a_file_that_does_not_load_is_an_error(specs):
    done = specs({"a_spec.lua": "it(", "b_spec.lua": 'it("x", function() end)', "c_spec.lua": 'local x = nil + 1'})
    assert (done.status, done.counts) == (1, (1, 0, 2, 0))
    assert "Error -> a_spec.lua\na_spec.lua:1: unexpected symbol near <eof>" in done.out
    assert "Error -> c_spec.lua\nc_spec.lua:1: attempt to perform arithmetic on a nil value" in done.out


def test_no_tests_is_exit_1(specs, tmp_path):
    done = specs({})
    assert done.status == 1 and done.out == "" and "_spec.lua" in done.err
    (tmp_path / "empty").mkdir()
    assert "no tests" in specs({}, "empty").err and "nope" in specs({}, "nope").err


def test_paths_are_files_and_folders(specs):
    files = {f: f'it("{f}", function() end)' for f in ("a_spec.lua", "d/b_spec.lua", "d/e/c_spec.lua", "d/.h/x_spec.lua", "scripts/s_spec.lua", "o.lua")}
    assert specs(files).counts == (2, 0, 0, 0)
    assert specs(files, "d").counts == (2, 0, 0, 0)
    assert specs(files, "d", "d/b_spec.lua", "a_spec.lua").counts == (3, 0, 0, 0)
    assert specs(files, "o.lua").counts == (1, 0, 0, 0)
    listed = specs(files, "--list", "d")
    assert (listed.status, listed.out) == (0, "d/b_spec.lua:1: d/b_spec.lua\nd/e/c_spec.lua:1: d/e/c_spec.lua\n")


def test_with_a_configuration_the_specs_beside_its_scripts_run(specs):
    pipelines = "pipelines:\n  - {name: a, hooks: [hooks/team.lua], params: {project: p}, publisher: {type: 'null'}}\n"
    files = {"conf/moongate.yaml": pipelines, "conf/hooks/team.lua": TEAM, "conf/hooks/team_spec.lua": it(""), "a_spec.lua": it("error('no')")}
    assert specs(files, "-c", "conf/moongate.yaml").counts == (1, 0, 0, 0)
    assert specs({"bad.yaml": "sorce: x"}, "-c", "bad.yaml").status == 1


def test_filter(specs):
    text = 'describe("team", function() it("stamps", function() end) it("drops", function() assert(false) end) end)'
    assert specs(text, "--filter", "team st").counts == (1, 0, 0, 0)
    assert specs(text, "--filter", "^drops").counts == (0, 0, 0, 0)


def test_each_file_has_globals_of_its_own(specs):
    assert specs({"a_spec.lua": "x = 1\n" + it("y = 2 assert.equal(1, x)"), "b_spec.lua": it("assert.is_nil(x) assert.is_nil(y)")}).counts == (2, 0, 0, 0)


def test_modules_beside_the_spec(specs):
    assert specs({"m.lua": "return {f = function() return 3 end}", "a_spec.lua": it('assert.equal(3, require("m").f())')}).counts == (1, 0, 0, 0)


# ---- gate
CONTRACT = """\
local gate = require "moongate.test"
describe("team.lua", function()
  local hook = gate.hook("team.lua", {params = {project = "flytesnacks", team = "ml"}})
  it("stamps the team", function()
    local out = hook(gate.workflow{project = "flytesnacks", phase = "FAILED"})
    assert.equal("ml", out[1].team)
  end)
  it("drops other projects", function()
    assert.same({}, hook(gate.workflow{project = "other"}))
  end)
end)
"""


def test_the_contract_example(specs):
    done = specs({"scripts/team.lua": TEAM, "scripts/team_spec.lua": CONTRACT})
    assert (done.status, done.counts) == (0, (2, 0, 0, 0)), done.out


def one(script, body, **files):
    """A hook of the script, called h, in one spec."""
    text = 'local m = require "moongate"\nreturn function(e, request, flyte)\n' + script + "\nend\n"
    return {"h.lua": text, "a_spec.lua": f'{GATE}local m = require "moongate"\nlocal h = gate.hook("h.lua")\n{body}\n', **files}


def test_events_come_out_as_plain_values(specs):
    done = specs(one('e.n = 1 e.b = true if type(e.data) == "userdata" then e.data.x = 2 end', """\
it("x", function()
  local out = h(gate.event{id = "7", data = {x = 1, l = {1, {a = m.json.null}}}})
  assert.same({id = "7", source = "/spec", type = "com.example.spec", datacontenttype = "application/json", n = 1, b = true,
               data = {x = 2, l = {1, {a = m.json.null}}}}, out[1])
  assert.equal("raw\\0bytes", h(gate.event{data = "raw\\0bytes", datacontenttype = "text/x"})[1].data)
  assert.same({x = 2}, h(gate.event{data = '{"x": 9}', datacontenttype = "application/json"})[1].data)
  assert.equal("com.flyte.resource.node", h(gate.node())[1].type)
end)"""))
    assert done.counts == (1, 0, 0, 0), done.out


def test_where_a_hook_sends_is_seen(specs):
    done = specs(one('if e.to then m.route(e, {topic = e.to, headers = {["x-a"] = "1"}}) end', """\
it("x", function()
  assert.same({topic = "t", headers = {["x-a"] = "1"}}, h(gate.event{to = "t"})[1].route)
  assert.is_nil(h(gate.event{})[1].route)
end)"""))
    assert done.counts == (1, 0, 0, 0), done.out


def test_how_a_hook_ended(specs):
    done = specs(one("""\
if e.act == "filter" then return false, "why" end
if e.act == "quiet" then return false end
if e.act == "retry" then return m.retry, "later" end
if e.act == "fail" then error("no luck") end
if e.act == "loop" then while true do end end
m.log.warn("said", {k = 1}) m.counter("seen"):add(2) m.counter("by", {kind = "x"}):add()""", """\
local function of(act) return select(2, h(gate.event{act = act})) end
it("ends", function()
  local how = of("go")
  assert.equal("published", how.verdict)
  assert.equal("warn", how.log[1].level) assert.equal("said", how.log[1].msg) assert.equal(1, how.log[1].k)
  assert.equal("h.lua:8", how.log[1].at)
  assert.same({seen = 2, ['by{kind="x"}'] = 1}, how.counters)
  assert.equal("filtered why", of("filter").verdict .. " " .. of("filter").reason)
  assert.equal("hook", of("quiet").reason)
  local out, again = h(gate.event{act = "retry"})
  assert.is_nil(out) assert.equal("retry later", again.verdict .. " " .. again.text)
  assert.error_matches(function() h(gate.event{act = "fail"}) end, "no luck %(event e1%)")
  assert.equal("failed hook_error", h.last.verdict .. " " .. h.last.reason)
  assert.has_error(function() h(gate.event{act = "loop"}) end)
  assert.equal("hook_budget", h.last.reason)
  assert.equal("published", of("go").verdict)
end)"""))
    assert done.counts == (1, 0, 0, 0), done.out


def test_each_it_has_fresh_hooks(specs):
    done = specs(one("""\
m.counter("n"):add()
local c = m.counter("n")""", """\
local function seen() h(gate.event{}) return h.last.counters.n end
it("one", function() assert.equal(1, seen()) assert.equal(2, seen()) end)
it("two", function() assert.equal(1, seen()) end)"""))
    assert done.counts == (2, 0, 0, 0), done.out


def test_the_clock(specs):
    done = specs(one('e.now = m.rfc3339(m.now()) e.got = m.rfc3339(m.received())', """\
describe("set", function()
  before_each(function() gate.time("2026-01-02T03:04:05Z") end)
  it("stands", function()
    local out = h(gate.event{})
    assert.equal("2026-01-02T03:04:05Z 2026-01-02T03:04:05Z", out[1].now .. " " .. out[1].got)
    gate.time(86400.5)
    assert.equal("1970-01-02T00:00:00.500Z", h(gate.event{})[1].now)
  end)
end)
it("goes again", function() assert.is_true(h(gate.event{})[1].now > "2026-01-03") end)"""))
    assert done.counts == (2, 0, 0, 0), done.out


def test_caches_are_fresh_and_keep_the_specs_time(specs):
    done = specs(one("""\
local c = m.cache("seen", {ttl = 300})
e.again = c:get("k") ~= nil
c:set("k", 1)""", """\
local function again() return h(gate.event{})[1].again end
it("ages", function()
  gate.time(1000) assert.is_false(again()) assert.is_true(again())
  gate.time(1299) assert.is_true(again())
  gate.time(1600) assert.is_false(again())
end)
it("is empty again", function() gate.time(1000) assert.is_false(again()) end)"""))
    assert done.counts == (2, 0, 0, 0), done.out


def test_lookups_read_the_files_beside_the_spec(specs):
    hook = 'local m = require "moongate"\nlocal t = m.lookup("owners.csv", "project")\nreturn function(e) e.owner = t[e.project].owner end\n'
    done = specs({"s/h.lua": hook, "s/owners.csv": "project,owner\nads,ml\n", "s/a_spec.lua": GATE + """\
it("reads", function()
  local h = gate.hook("h.lua", {hook_limits = {files = {"owners.csv"}}})
  assert.equal("ml", h(gate.event{project = "ads"})[1].owner)
end)
it("only what is allowed", function() gate.hook("h.lua") end)"""}, "s")
    assert done.counts == (1, 0, 1, 0) and "hook_limits.files" in done.block("only what is allowed"), done.out


HTTP = """\
local r, why = m.http.request(e.url, {method = e.method or "GET", json = e.body and {v = e.body} or nil, headers = {["X-A"] = "1"}})
e.status = r and r.status e.body = r and r.body or why e.kind = r and r.headers["content-type"]"""


def test_http_is_answered_by_the_spec(specs):
    done = specs(one(HTTP, """\
local function ask(t) return h(gate.event(t))[1] end
gate.http("http://a/*", "of the file")
it("answers", function()
  local calls = gate.http("POST http://a/x", {status = 201, json = {ok = true}, headers = {["X-B"] = "2"}})
  gate.http("http://b/?q=1", 404)
  gate.http("http://c/*", {error = "refused"})
  gate.http("http://d/*", function(request) if request.url == "http://d/1" then return "one" end end)
  local out = ask{method = "POST", url = "http://a/x", body = "v"}
  assert.equal('201 {"ok":true} application/json', out.status .. " " .. out.body .. " " .. out.kind)
  assert.equal("of the file", ask{url = "http://a/y"}.body)
  assert.equal(404, ask{url = "http://b/?q=1"}.status)
  assert.equal("refused", ask{url = "http://c/"}.body)
  assert.equal("one", ask{url = "http://d/1"}.body)
  assert.error_matches(function() ask{url = "http://d/2"} end, "no answer was given: gate.http", 1, true)
  assert.equal(1, #calls) assert.equal("POST", calls[1].method) assert.same({v = "v"}, calls[1].json)
end)
it("forgets", function()
  assert.equal("of the file", ask{method = "POST", url = "http://a/x"}.body)
  assert.has_error(function() ask{url = "http://b/?q=1"} end)
end)
it("fails where the answer does", function()
  gate.http("http://e/", function(request) assert.equal("POST", request.method) return "x" end)
  ask{url = "http://e/"}
end)
it("stops", function()
  gate.http("http://e/", function(request) while true do end end)
  ask{url = "http://e/"}
end)
it("goes on", function() assert.equal("of the file", ask{url = "http://a/y"}.body) end)"""), "--instructions", "1000000")
    assert done.counts == (3, 1, 1, 0), done.out
    assert re.search(r"^a_spec.lua:25: These should be equal.\nPassed in:\n\(string\) 'GET'", done.block("fails where the answer does"), re.M)
    assert "a_spec.lua:29: more than 1000000 instructions" in done.block("stops")


def test_requests_are_realistic_and_can_be_overridden(specs):
    done = specs(one("""\
e.a = flyte.project .. " " .. flyte.domain .. " " .. flyte.execution .. " " .. flyte.phase
e.b = (flyte.node or "") .. " " .. (flyte.task or "") .. " " .. (flyte.attempt or "") .. " " .. (flyte.error_code or "")
if flyte.kind == "action" then return end
e.c = request.event.producer_id .. " " .. (m.which(request.event, "output_result") or "")
e.t = m.rfc3339(m.time(request.event.occurred_at))""", """\
local function abc(event) local o = h(event)[1] return o.a .. "|" .. o.b .. "|" .. o.c end
it("x", function()
  assert.equal("flytesnacks development f6w9tr41bnnk0 RUNNING|   |propeller ", abc(gate.workflow()))
  assert.equal("p d n FAILED|   c|propeller error", abc(gate.workflow{project = "p", domain = "d", name = "n", phase = "FAILED", error_code = "c"}))
  assert.equal("p development f6w9tr41bnnk0 SUCCEEDED|n1   |me output_uri", abc(gate.node{project = "p", node = "n1", phase = "SUCCEEDED", producer = "me"}))
  assert.equal("p development x RETRYABLE_FAILED|n0 t 2 USER:ValueError|propeller error",
    abc(gate.task{project = "p", execution = "x", task = "t", attempt = 2, phase = "RETRYABLE_FAILED"}))
  local a = h(gate.action{execution = "r1", node = "a1", attempt = 3, phase = "FAILED"})[1]
  assert.equal("flytesnacks development r1 FAILED a1  3 USER:ValueError", a.a .. " " .. a.b)
  assert.equal("2020-01-01T00:00:00Z", h(gate.workflow{time = "2020-01-01T00:00:00Z"})[1].t)
  local task = gate.task{request = {event = {custom_info = {a = {1}}, producer_id = "deep", reasons = m.json.null}}}
  assert.equal("deep", task.request.event.producer_id)
  assert.matches("deep", abc(task))
end)"""))
    assert done.counts == (1, 0, 0, 0), done.out


@pytest.mark.parametrize("call,text", [
    ('gate.task{projct = "x"}', 'gate.task has no \'projct\' (did you mean "project"?)'), ("gate.task(1)", "gate.task takes a table, got (number) 1"),
    ('gate.workflow{phase = "FAILD"}', 'event.phase: no Phase (did you mean "FAILED"?): FAILD'),
    ("gate.node{request = {event = {nod = 1}}}", "no such field in NodeExecutionEvent"), ("gate.node{request = 1}", "request is a table, got (number) 1"),
    ('gate.event{Team = "x"}', "Team"), ('gate.event{id = ""}', "id"), ("gate.hook(1)", "gate.hook takes the path of a script"),
    ('gate.hook("nope.lua")', "nope.lua:1: there is no such file"), ('gate.hook("h.lua", {parms = {}})', 'unknown key "parms" (did you mean "params"?)'),
    ('gate.hook("h.lua", {hook_limits = {memory = "1XB"}})', "hook_limits.memory"), ("h({})", "an event of gate.workflow, node, task, action or event"),
    ("h()", "got (nil)"), ('gate.http("x")', "what is the answer?"), ("gate.time{}", "gate.time takes seconds"), ('gate.time("soon")', "RFC 3339"),
    ('describe("x", function() end)', "describe stands in a describe"), ('it("x", function() end)', "it stands in a describe"),
    ("setup(function() end)", "setup stands in a describe")])
def test_what_a_spec_does_wrong_is_told_at_its_line(specs, call, text):
    done = specs(one("", f'it("x", function()\n{call}\nend)'))
    assert done.counts == (0, 0, 1, 0)
    assert done.block("x").splitlines()[2].startswith("a_spec.lua:5: ") and text in done.block("x"), done.out


def test_the_keys_of_a_pipeline(specs):
    done = specs(one('e.p = m.params.p e.name = m.pipeline e.l = m.params.l[2]', """\
it("x", function()
  local k = gate.hook("h.lua", {match = {team = {"a", "b"}}, rename = {old = "new"}, set = {env = "dev"}, remove = {"team"},
                                params = {p = "${HOME}", l = {1, "two"}}, name = "lineage", format = {data = "json"}, source = "/src"})
  assert.same({}, k(gate.event{team = "c"})) assert.equal("match", k.last.reason)
  local out = k(gate.event{team = "a", old = "o"})[1]
  assert.same({id = "e1", source = "/spec", type = "com.example.spec", new = "o", env = "dev", p = "${HOME}", name = "lineage", l = "two"}, out)
  local j = gate.hook("h.lua", {format = {data = "json"}, source = "/src", params = {l = {1, "x"}}})(gate.workflow())[1]
  assert.equal("/src", j.source) assert.equal("RUNNING", j.data.event.phase)
end)"""))
    assert done.counts == (1, 0, 0, 0), done.out


def test_hooks_are_bounded(specs):
    done = specs(one("", """\
it("number", function() local all = {} for i = 1, 1000 do all[i] = gate.hook("h.lua") end end)
it("collected", function() for _ = 1, 1000 do gate.hook("h.lua") end end)
it("memory", function()
  local big = {}
  for i = 1, 20 do big[i] = gate.hook("big.lua", {hook_limits = {instructions = 100000000, memory = "64MiB"}}) end
end)""", **{"big.lua": "local s = ('x'):rep(1000):rep(20000) return function() return #s > 0 end"}))
    assert done.counts == (1, 0, 2, 0), done.out
    assert "more than 256 hooks of gate.hook are open" in done.block("number")
    assert "the hooks of gate.hook take more than 268435456 bytes together" in done.block("memory")


def test_a_time_is_a_steps_own(specs):
    """Several steps that are long, but each within its time, are all run."""
    busy = 'local m = require "moongate" local t = m.now() while m.now() - t < 0.9 do end'
    done = specs("".join(f'it("{i}", function() {busy} end)\n' for i in range(3)), "--timeout", "2000", "--instructions", "1000000000")
    assert done.counts == (3, 0, 0, 0), done.out


def test_instructions_are_a_steps_own_and_hooks_pay_from_them(specs):
    done = specs(one("for i = 1, e.n do end", """\
for i = 1, 3 do it("own " .. i, function() for i = 1, 60000 do end end) end
it("hooks", function() for i = 1, 3 do h(gate.event{n = 60000}) end end)"""), "--instructions", "100000")
    assert done.counts == (3, 0, 1, 0), done.out
    assert "a_spec.lua:5: more than 100000 instructions" in done.block("hooks")


def test_a_step_of_lua_that_takes_too_long_breaks_nothing_else(specs):
    """The Lua state is broken then, no finalizer runs in it; hooks that were open are given back all the same (ASan)."""
    done = specs(one("e.n = 1", """\
it("before", function() h(gate.event{}) end)
it("breaks", function()
  h(gate.event{})
  local t, stride = {}, (1 << 17) - 1
  for j = 1, 1 << 16 do t[j * stride] = true end
  t[-1], t[-2] = true, true
end)
it("after", function() h(gate.event{}) end)"""), "--timeout", "700")
    assert (done.status, done.counts) == (1, (2, 0, 1, 0)), done.out
    assert re.search(r"^a_spec.lua:\d: took more than 700 ms", done.block("breaks"), re.M), done.out


def test_hooks_do_not_have_moongate_test(specs):
    done = specs({"h.lua": 'local gate = require "moongate.test"', "a_spec.lua": it('gate.hook("h.lua")')})
    assert "h.lua:1: module 'moongate.test' is for tests" in done.out


@pytest.mark.skipif(not shutil.which("busted"), reason="no busted (Debian: lua-busted)")
@pytest.mark.parametrize("text", [ORDER, it(ASSERTS).replace(GATE, ""), 'it("x", function() assert.equal(1, 2) end)',
                                  *(f'it("x", function() assert.{a} end)' for a in FAILING)])
def test_busted_counts_the_same(specs, tmp_path, text):
    ours = specs(text)
    theirs = subprocess.run(["busted", "a_spec.lua"], cwd=tmp_path, capture_output=True, text=True, check=False)
    found = re.search(r"(\d+) success(?:es)? / (\d+) failures? / (\d+) errors? / (\d+) pending", theirs.stdout)
    assert found and ours.counts == tuple(int(n) for n in found.groups()), theirs.stdout
    assert (ours.status == 0) == (theirs.returncode == 0)
