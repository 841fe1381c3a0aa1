local gate = require "moongate.test"

describe("split_failure.lua", function()
  local hook = gate.hook("split_failure.lua", {params = {type = "acme.alert"}})

  it("adds an alert with an id of its own beside a failed task", function()
    local out = hook(gate.task{phase = "FAILED", execution = "f1", task = "wf.t", attempt = 2,
                               error_code = "USER:Unknown", error_message = "no memory"})
    assert.equal(2, #out)
    assert.equal("com.flyte.resource.task", out[1].type)
    assert.equal("acme.alert", out[2].type)
    assert.equal(out[1].id .. ":1", out[2].id)
    assert.equal("application/json", out[2].datacontenttype)
    assert.is_nil(out[2].jsonschemaurl)
    assert.same({execution = "flytesnacks/development/f1", task = "wf.t", attempt = 2, code = "USER:Unknown",
                 message = "no memory"}, out[2].data)
  end)
  it("lets everything else through as it is", function()
    assert.equal(1, #hook(gate.task{phase = "SUCCEEDED"}))
    assert.equal(1, #hook(gate.workflow{phase = "FAILED"}))
  end)
end)
