local gate = require "moongate.test"

describe("slack_failure.lua", function()
  local hook = gate.hook("slack_failure.lua", {params = {console = "https://flyte.example.com"}})

  local function message(event)
    return hook(event)[1].data
  end

  it("names the execution, with a link, and quotes the error", function()
    local out = hook(gate.task {phase = "FAILED", execution = "f1", task = "wf.train", attempt = 1,
                                error_message = "a < b & c"})[1]
    assert.equal("application/json", out.datacontenttype)
    local link = "https://flyte.example.com/console/projects/flytesnacks/domains/development/executions/f1"
    assert.equal("*FAILED* <" .. link .. "|flytesnacks/development/f1> (task `wf.train`, attempt 2)", out.data.text)
    assert.equal("```a &lt; b &amp; c```", out.data.blocks[2].text.text)
  end)
  it("cuts a long message between characters", function()
    local text = message(gate.workflow {phase = "FAILED", error_message = ("é"):rep(2000)}).blocks[2].text.text
    assert.equal("```" .. ("é"):rep(1250) .. "…```", text)
  end)
  it("goes without a console", function()
    local plain = gate.hook("slack_failure.lua", {params = {channel = "#alerts"}})
    local data = plain(gate.workflow {phase = "TIMED_OUT", execution = "f2"})[1].data
    assert.equal("*TIMED_OUT* flytesnacks/development/f2 (workflow)", data.text)
    assert.equal("#alerts", data.channel)
  end)
  it("says nothing of what went well", function()
    assert.same({}, hook(gate.task {phase = "SUCCEEDED"}))
    assert.equal("not a failure", hook.last.reason)
  end)
end)
