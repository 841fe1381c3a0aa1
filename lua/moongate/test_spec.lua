-- The module that tests are written with, tested with itself: what fails is raised, so pcall sees it.
local gate = require "moongate.test"
local moongate = require "moongate"

local function why(f)
  local ok, e = pcall(f)
  return not ok and tostring(e) or "nothing was wrong"
end

describe("assert", function()
  it("shows both values and what differs", function()
    local text = why(function() assert.same({1, {a = "x", b = {true}}}, {1, {a = "x", b = {false}}}) end)
    assert.matches("These should be the same.", text, 1, true)
    assert.matches(" *[b] = {\n     *[1] = false } } }", text, 1, true)
    assert.matches(" *[b] = {\n     *[1] = true } } }", text, 1, true)
    assert.matches("^lua/moongate/test_spec%.lua:%d+: ", (text:gsub("^.-(lua/moongate/test_spec)", "%1")))
  end)
  it("compares tables that hold themselves", function()
    local a, b = {}, {}
    a.self, b.self = a, b
    assert.same(a, b)
    b.more = 1
    assert.not_same(a, b)
  end)
  it("tells types and values apart", function()
    assert.matches("%(string%) '1'", why(function() assert.equal(1, "1") end))
    assert.matches("%(nil%)", why(function() assert.equal(1, nil) end))
    assert.matches("%(function%)", why(function() assert.is_nil(print) end))
    assert.matches("moongate.json.null", why(function() assert.equal(1, moongate.json.null) end), 1, true)
  end)
  it("cuts what is long, at a character", function()
    local text = why(function() assert.equal("", ("é"):rep(1000)) end)
    assert.is_true(#text < 1500)
    assert.is_truthy(utf8.len(text))
  end)
  it("gives what it was given", function()
    assert.same({1, 2}, {(assert.equal(1, 1)), select(2, assert(1, 2))})
    assert.equal("y", (assert.matches("x(.)", "xy")))
  end)
  it("takes no checks of one's own", function()
    assert.matches("assert takes no checks of your own", why(function()
      local mine = assert
      mine.own = print -- luacheck: ignore 122
    end))
  end)
  it("says when a name is wrong or missing", function()
    assert.matches('did you mean "same"', why(function() assert.are.smae({}, {}) end))
    assert.matches("this is no check", why(function() assert.are({}, {}) end))
    assert.matches("takes 2 values", why(function() assert.same({}) end))
  end)
end)

describe("gate", function()
  it("makes requests with FlytePropeller's defaults", function()
    local task = gate.task{execution = "f1", attempt = 1}
    assert.equal("propeller", task.request.event.producer_id)
    assert.equal("f1-n0-1", task.request.event.metadata.generated_name)
    assert.equal("f1", task.request.event.parent_node_execution_id.execution_id.name)
    assert.is_nil(task.request.event.error)
    assert.is_table(gate.node{phase = "FAILED"}.request.event.error)
    assert.matches("n0/data/0/outputs.pb$", gate.node{phase = "SUCCEEDED"}.request.event.output_uri)
  end)
  it("lays request over them, member by member", function()
    local task = gate.task{request = {event = {task_id = {version = "v9"}, metadata = moongate.json.null}}}
    local event = task.request.event
    assert.same({resource_type = "TASK", project = "flytesnacks", domain = "development", name = "workflows.train.fit",
                 version = "v9"}, event.task_id)
    assert.is_nil(event.metadata)
  end)
  it("takes text for JSON as the gateway does", function()
    local function data(media_type)
      return gate.event{datacontenttype = media_type, data = '{"a":1}'}:json():match('"data_?[base64]*":.')
    end
    for _, name in ipairs {"application/json", "Text/JSON ; charset=utf-8", "application/x+JSON"} do
      assert.equal('"data":{', data(name))
    end
    for _, name in ipairs {"json", "application/jsonx", "text/plain"} do assert.equal('"data_base64":"', data(name)) end
  end)
  it("does not change what it is given", function()
    local fields = {phase = "FAILED", request = {event = {producer_id = "x"}}}
    gate.workflow(fields)
    assert.same({phase = "FAILED", request = {event = {producer_id = "x"}}}, fields)
  end)
  it("says at once what is wrong with an event", function()
    assert.matches("source", why(function() gate.event{source = ""} end))
    assert.matches("data: JSON: line 1, column 6", why(function()
      gate.event{datacontenttype = "text/json", data = '{"a":}'}
    end))
    assert.matches('did you mean "attempt"', why(function() gate.task{atempt = 1} end))
  end)
end)

describe("gate.flyteadmin", function()
  it("says what is wrong with its records", function()
    assert.matches("it has execution, workflow, task", why(function() gate.flyteadmin {tasks = {}} end))
    assert.matches("a table of records by id", why(function() gate.flyteadmin {task = "x"} end))
    assert.same({}, gate.flyteadmin {task = {}})
  end)
end)

describe("finally and pending", function()
  local seen = {}
  it("run", function()
    finally(function() seen[1] = "finally" end)
    seen[2] = "body"
  end)
  it("were run", function() assert.same({"finally", "body"}, seen) end)
end)

context("names of busted's", function()
  local order = {}
  lazy_setup(function() order[#order + 1] = "lazy" end)
  strict_setup(function() order[#order + 1] = "strict" end)
  lazy_teardown(function() order[#order + 1] = "lazy down" end)
  strict_teardown(function() order[#order + 1] = "strict down" end)

  context("are others for the same", function()
    spec("of setup", function() assert.same({"lazy", "strict"}, order) end)
    test("of it", function() assert.equal(2, #order) end)
  end)
end)
