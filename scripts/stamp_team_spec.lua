local gate = require "moongate.test"

describe("stamp_team.lua", function()
  local hook = gate.hook("stamp_team.lua", {params = {teams = {flytesnacks = "ml"}, default = "nobody"}})

  it("stamps the owner, or the default", function()
    assert.equal("ml", hook(gate.workflow{})[1].team)
    assert.equal("nobody", hook(gate.workflow{project = "x"})[1].team)
  end)
  it("stamps nothing where there is neither", function()
    assert.is_nil(gate.hook("stamp_team.lua")(gate.workflow{})[1].team)
    assert.is_nil(hook(gate.event{})[1].team)
  end)
end)
