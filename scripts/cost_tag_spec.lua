local gate = require "moongate.test"

describe("cost_tag.lua", function()
  local prices = {cpu = 0.04, memory = 0.005, gpu = 2.5}

  local function answer(requests)
    local list = {}
    for name, value in pairs(requests) do list[#list + 1] = {name = name, value = value} end
    return gate.flyteadmin {task = {["flytesnacks:development:wf.train:v1"] = {closure = {compiled_task = {template = {
      container = {resources = {requests = list}}}}}}}}
  end

  local event = gate.task {task = "wf.train", version = "v1"}

  it("tags what was asked for", function()
    local asked = answer {CPU = "500m", MEMORY = "2Gi", GPU = "1"}
    local out = gate.hook("cost_tag.lua")(event)[1]
    assert.equal("500m", out.cpu)
    assert.equal("2Gi", out.memory)
    assert.equal("1", out.gpu)
    assert.is_nil(out.costhour)
    assert.equal(1, #asked)
  end)
  it("has the price of an hour", function()
    local hook = gate.hook("cost_tag.lua", {params = {prices = prices}})
    answer {CPU = "500m", MEMORY = "2Gi", GPU = "1", STORAGE = "10Gi"}
    assert.equal("2.5300", hook(event)[1].costhour)
  end)
  it("knows the ways to write a quantity", function()
    for value, cost in pairs {["1Gi"] = "1.0000", ["512Mi"] = "0.5000", ["1073741824"] = "1.0000", ["0.5Gi"] = "0.5000",
                              ["1048576Ki"] = "1.0000", ["1G"] = "0.9313", ["x"] = "0.0000"} do
      answer {MEMORY = value}
      assert.equal(cost, gate.hook("cost_tag.lua", {params = {prices = {memory = 1}}})(event)[1].costhour, value)
    end
  end)
  it("costs nothing without a container", function()
    gate.flyteadmin {task = {["flytesnacks:development:wf.train:v1"] = {closure = {}}}}
    local out = gate.hook("cost_tag.lua", {params = {prices = prices}})(event)[1]
    assert.equal("0.0000", out.costhour)
    assert.is_nil(out.cpu)
  end)
  it("goes out without tags, or waits, where there is no answer", function()
    gate.flyteadmin {}
    local hook = gate.hook("cost_tag.lua")
    assert.is_nil(hook(event)[1].cpu)
    assert.equal(1, hook.last.counters.untagged)
    local waits = gate.hook("cost_tag.lua", {params = {needed = true}})
    assert.is_nil(waits(event))
    assert.equal("retry", waits.last.verdict)
  end)
  it("leaves other events alone", function()
    assert.is_nil(gate.hook("cost_tag.lua")(gate.workflow {})[1].cpu)
  end)
end)
