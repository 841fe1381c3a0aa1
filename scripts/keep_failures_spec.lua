local gate = require "moongate.test"

describe("keep_failures.lua", function()
  local hook = gate.hook("keep_failures.lua", {params = {project = "flytesnacks"}})

  local function why(event)
    local _, how = hook(event)
    return how.verdict .. ": " .. how.reason
  end

  it("keeps a failure with its error as attributes", function()
    local out = hook(gate.task{phase = "RETRYABLE_FAILED", error_code = "USER:OSError", error_message = "disk\nfull"})
    assert.equal(1, #out)
    assert.equal("USER:OSError", out[1].errorcode)
    assert.equal("disk full", out[1].errormessage)
  end)
  it("cuts a long message at a character", function()
    local out = hook(gate.task{phase = "FAILED", error_message = ("é"):rep(400)})
    assert.equal(("é"):rep(200), out[1].errormessage)
  end)
  it("leaves out the rest and says why", function()
    assert.equal("filtered: not a failure", why(gate.task{}))
    assert.equal("filtered: other project", why(gate.workflow{project = "x", phase = "FAILED"}))
    assert.equal("filtered: not Flyte's", why(gate.event{}))
  end)
  it("keeps every project without one", function()
    assert.equal(1, #gate.hook("keep_failures.lua")(gate.node{project = "any", phase = "FAILED"}))
  end)
end)
