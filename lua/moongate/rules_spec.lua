local gate = require "moongate.test"
local rules = require "moongate.rules"

local flyte = {kind = "task", project = "ml", failed = true}

describe("moongate.rules", function()
  it("matches facts of Flyte's events, attributes of others", function()
    local hook = rules {match = {{"project", {"ml", "ads-*"}}, {"failed", {"true"}}}}
    assert.is_nil(hook({}, nil, flyte))
    assert.is_false(hook({}, nil, {project = "ml", failed = false}))
    assert.is_false(hook({project = "ml"}, nil, {failed = true}))
    assert.is_nil(hook({project = "ads-1", failed = true}, nil, nil))
  end)
  it("matches attributes of Flyte's events where there is no such fact", function()
    local hook = rules {match = {{"type", {"*.task"}}}}
    assert.is_nil(hook({type = "com.flyte.resource.task"}, nil, flyte))
    assert.is_false(hook({type = "x"}, nil, flyte))
  end)
  it("never reads an attribute that cannot be one", function()
    assert.is_false(rules {match = {{"error_code", {"*"}}}} ({}, nil, nil))
  end)
  it("sets and removes, in this order", function()
    local event = {a = 1, b = 2}
    rules {set = {{"c", 3}, {"a", 4}}, remove = {"b"}} (event)
    assert.same({a = 4, c = 3}, event)
  end)
  it("is what a pipeline's keys do, renaming first", function()
    local hook = gate.hook("../../scripts/drop_queued.lua", {
      match = {project = "ml"}, rename = {jsonschemaurl = "dataschema"}, set = {team = "ml"}, remove = {"subject"}})
    local out = hook(gate.task {project = "ml"})[1]
    assert.equal("ml", out.team)
    assert.is_nil(out.subject)
    assert.is_nil(out.jsonschemaurl)
    assert.is_string(out.dataschema)
    assert.same({}, hook(gate.task {project = "ads"}))
  end)
end)
