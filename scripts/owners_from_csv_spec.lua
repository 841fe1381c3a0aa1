local gate = require "moongate.test"

describe("owners_from_csv.lua", function()
  local function hook(params)
    return gate.hook("owners_from_csv.lua", {params = params, hook_limits = {files = {"owners.csv"}}})
  end

  it("stamps the columns of the project's row", function()
    local out = hook {} (gate.workflow {project = "flytesnacks"})[1]
    assert.equal("ml", out.team)
    assert.equal("ml-oncall@example.com", out.oncall)
    assert.equal("4711", out.costcenter)
    assert.is_nil(out.project)
  end)
  it("leaves empty cells out", function()
    local out = hook {} (gate.task {project = "ads"})[1]
    assert.equal("growth", out.team)
    assert.is_nil(out.oncall)
  end)
  it("names attributes as it is told to", function()
    local out = hook {attributes = {cost_center = "cc"}} (gate.workflow {})[1]
    assert.equal("4711", out.cc)
    assert.is_nil(out.costcenter)
  end)
  it("stamps the default, or nothing, where there is no row", function()
    assert.equal("nobody", hook {default = "nobody"} (gate.workflow {project = "x"})[1].team)
    assert.is_nil(hook {} (gate.workflow {project = "x"})[1].team)
    assert.is_nil(hook {default = "nobody"} (gate.event {})[1].team)
  end)
  it("needs leave to read the file", function()
    assert.error_matches(function() gate.hook("owners_from_csv.lua") end, "hook_limits.files")
  end)
end)
