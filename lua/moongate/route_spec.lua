local gate = require "moongate.test"
local route = require "moongate.route"

describe("moongate.route", function()
  local event = {type = "t", team = "ml"}
  local flyte = {project = "ml-a", attempt = 2}

  it("fills in facts, then attributes", function()
    assert.equal("a-ml-a-2-ml--t", route.fill("a-{project}-{attempt}-{team}-{error_code}-{type}", event, flyte))
    assert.equal("ml/", route.fill("{team}/{error_code}", event, nil))
    assert.equal("no names {}", route.fill("no names {}", event, flyte))
  end)
  it("makes parts of topics", function()
    assert.equal("a-b.c_d-1-", route.topic("a b.c_d-1/"))
    assert.equal(249, #route.topic(("x"):rep(300)))
  end)
  it("says what is no condition", function()
    assert.error_matches(function() route.first {{topic = "a"}, {"failed", topic = "b"}} end,
                         "rule 2 begins with its condition")
  end)
  it("lets the first rule that holds choose", function()
    local hook = gate.hook("../../scripts/route_by_phase.lua", {
      params = {failures = "alerts", teams = {["ml-*"] = "ml"}, rest = "rest"}})
    local function topic(e) return hook(e)[1].route.topic end
    assert.equal("alerts", topic(gate.task {phase = "FAILED", project = "ml-a"}))
    assert.equal("ml", topic(gate.task {project = "ml-a"}))
    assert.equal("rest", topic(gate.task {project = "ads"}))
  end)
  it("gives the rule that held", function()
    local never, rule = {function() return false end, topic = "a"}, {function() return false end, topic = "b"}
    assert.is_nil(route.first {never, rule} (event, flyte))
    assert.is_nil(route.by("project", {ads = rule})(event, flyte))
    assert.is_nil(route.by("project", {ads = rule})(event, nil))
  end)
end)
