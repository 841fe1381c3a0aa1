local gate = require "moongate.test"

describe("team_filter.lua", function()
  local hook = gate.hook("team_filter.lua", {
    params = {team = "ml", projects = {"ml-*", "vision"}, domains = {"production"}, phases = {"FAILED", "TIMED_OUT"}}})

  local function label(event)
    local out = hook(event)
    return out[1] and "published" or hook.last.reason
  end

  it("keeps and stamps what is the team's", function()
    assert.equal("ml", hook(gate.task {project = "ml-ranking", domain = "production", phase = "FAILED"})[1].team)
    assert.equal("ml", hook(gate.workflow {project = "vision", domain = "production", phase = "FAILED"})[1].team)
  end)
  it("says why it drops the rest", function()
    assert.equal("other team", label(gate.task {project = "ads", domain = "production", phase = "FAILED"}))
    assert.equal("other team", label(gate.task {project = "vision", domain = "staging", phase = "FAILED"}))
    assert.equal("phase", label(gate.task {project = "vision", domain = "production", phase = "RUNNING"}))
    assert.equal("not Flyte's", label(gate.event {}))
  end)
  it("lets everything of Flyte's through without lists", function()
    local all = gate.hook("team_filter.lua", {params = {team = "ops"}})
    assert.equal("ops", all(gate.node {})[1].team)
  end)
end)
