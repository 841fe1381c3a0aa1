local gate = require "moongate.test"
local moongate = require "moongate"

local function text(value)
  return {scalar = {primitive = {string_value = value}}}
end

describe("redact_inputs.lua", function()
  local hook = gate.hook("redact_inputs.lua", {params = {keep = {"rows"}}, format = {data = "json"}})

  it("hides inputs and outputs inside the request but those to keep", function()
    local out = hook(gate.task {phase = "SUCCEEDED", request = {event = {
      input_uri = moongate.json.null, input_data = {literals = {rows = text "7", user = text "jane"}},
      output_uri = moongate.json.null, output_data = {literals = {score = text "0.9"}}}}})[1]
    local e = out.data.event
    assert.equal("7", e.inputData.literals.rows.scalar.primitive.stringValue)
    assert.equal("[redacted]", e.inputData.literals.user.scalar.primitive.stringValue)
    assert.equal("[redacted]", e.outputData.literals.score.scalar.primitive.stringValue)
  end)
  it("hides what an error message quotes", function()
    local out = hook(gate.task {phase = "FAILED", error_message = "no row for jane@example.com"})[1]
    assert.equal("no row for [redacted]", out.data.event.error.message)
  end)
  it("leaves an event alone that has nothing to hide", function()
    assert.equal("RUNNING", hook(gate.workflow {})[1].data.event.phase)
  end)
  it("hides members of JSON data of other events", function()
    local out = hook(gate.event {data = {user = "u", api_key = "k", nested = {password = "p"}}})[1]
    assert.same({user = "u", api_key = "[redacted]", nested = {password = "[redacted]"}}, out.data)
  end)
end)
