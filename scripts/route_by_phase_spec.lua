local gate = require "moongate.test"

describe("route_by_phase.lua", function()
  local hook = gate.hook("route_by_phase.lua", {
    params = {failures = "alerts", teams = {["ml-*"] = "ml-{domain}", ads = "growth"}, rest = "rest"}})

  local function chosen(event) return hook(event)[1].route end

  it("sends failures first", function()
    local to = chosen(gate.task {project = "ml-a", phase = "FAILED"})
    assert.equal("alerts", to.topic)
    assert.same({phase = "FAILED"}, to.headers)
  end)
  it("sends a team's projects to its topic, in the order of executions", function()
    local to = chosen(gate.task {project = "ml-a", domain = "staging", execution = "f1"})
    assert.equal("ml-staging", to.topic)
    assert.equal("f1", to.key)
    assert.equal("growth", chosen(gate.workflow {project = "ads"}).topic)
  end)
  it("sends the rest where it belongs", function()
    assert.equal("rest", chosen(gate.workflow {project = "x"}).topic)
    assert.is_nil(chosen(gate.event {}))
  end)
end)
