local gate = require "moongate.test"

describe("sample.lua", function()
  local function share(params, event_of)
    local hook, n = gate.hook("sample.lua", {params = params}), 0
    for i = 1, 400 do n = n + #hook(event_of(i)) end
    return n / 400
  end

  local function running(i) return gate.workflow {execution = "f" .. i} end

  it("lets the share through that was asked for", function()
    local half = share({percent = 50}, running)
    assert.is_true(half > 0.4 and half < 0.6, tostring(half))
    assert.equal(0, share({percent = 0}, running))
    assert.equal(1, share({percent = 100}, running))
  end)
  it("decides by the execution", function()
    local hook = gate.hook("sample.lua", {params = {percent = 50}})
    for i = 1, 20 do
      local all = #hook(gate.workflow {execution = "f" .. i})
      assert.equal(all, #hook(gate.task {execution = "f" .. i, attempt = i}))
      assert.equal(all, #hook(gate.node {execution = "f" .. i, phase = "SUCCEEDED"}))
    end
  end)
  it("keeps failures when it is told to", function()
    local function failed(i) return gate.task {execution = "f" .. i, phase = "FAILED"} end
    assert.equal(1, share({percent = 0, failures = true}, failed))
  end)
  it("says what is wrong with its share", function()
    assert.has_error(function() gate.hook("sample.lua", {params = {percent = 120}}) end)
  end)
end)
