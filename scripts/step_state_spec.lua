local gate = require "moongate.test"

describe("step_state.lua", function()
  local hook = gate.hook("step_state.lua")

  it("says the same of a task and of an action", function()
    local function failed(attempt)
      return {node = "n1", phase = "FAILED", attempt = attempt, error_code = "OOM", error_message = "no memory"}
    end
    local task, action = hook(gate.task(failed(1)))[1], hook(gate.action(failed(2)))[1]
    assert.equal("com.example.flyte.step", task.type)
    assert.equal("com.example.flyte.step", action.type)
    assert.equal("n1", task.subject)
    assert.equal("n1", action.subject)
    for _, event in ipairs {task, action} do
      assert.equal(2, event.data.attempt)
      assert.equal("n1", event.data.step)
      assert.equal("FAILED", event.data.state)
      assert.is_true(event.data.failed and event.data.ended)
      assert.equal("no memory", event.data.message)
    end
    assert.equal(task.data.run, action.data.run)
  end)
  it("takes another type, and nothing but steps", function()
    local other = gate.hook("step_state.lua", {params = {type = "org.acme.step"}})
    assert.equal("org.acme.step", other(gate.action{})[1].type)
    assert.equal("com.flyte.resource.workflow", other(gate.workflow{})[1].type)
  end)
end)
