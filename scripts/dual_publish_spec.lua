local gate = require "moongate.test"
local moongate = require "moongate"

describe("dual_publish.lua", function()
  local hook = gate.hook("dual_publish.lua", {params = {schema = "https://acme.example/report.proto"}})
  local pb = moongate.proto.load("v2/report.desc")

  local function second(event)
    local out = hook(event)
    assert.equal(2, #out)
    return out[2], pb:decode("acme.report.v2.Report", out[2].data), out[1]
  end

  it("adds the new format with an id and a type of its own", function()
    local v2, report, first = second(gate.task {phase = "FAILED", execution = "f1", task = "wf.t", attempt = 2,
                                                error_code = "USER:Memory", error_message = "killed"})
    assert.equal(first.id .. ":1", v2.id)
    assert.equal("acme.report.v2", v2.type)
    assert.equal("application/protobuf", v2.datacontenttype)
    assert.equal("https://acme.example/report.proto", v2.dataschema)
    assert.is_nil(v2.jsonschemaurl)
    assert.equal("f1", report.execution)
    assert.equal("OUTCOME_FAILED", report.outcome)
    assert.equal("task", moongate.which(report, "what"))
    assert.equal(2, report.task.number)
    assert.equal("killed", report.failure.message)
    assert.equal("2026-01-02T03:04:05Z", tostring(report.at))
  end)
  it("leaves the first one as it was", function()
    local _, _, first = second(gate.workflow {phase = "RUNNING"})
    assert.equal("com.flyte.resource.workflow", first.type)
  end)
  it("tells nodes and outcomes apart", function()
    local _, report = second(gate.node {node = "n7", phase = "SUCCEEDED"})
    assert.equal("n7", report.node)
    assert.equal("OUTCOME_SUCCEEDED", report.outcome)
    assert.is_nil(report.failure)
  end)
end)
