local gate = require "gate"

local function fails(why, call)
  assert.error(function() gate.run("m.flyte." .. call, gate.task {}) end, why)
end

-- With a FlyteAdmin: spec/integration/test_hook_flyte.py.
describe("moongate.flyte", function()
  it("is nil and a message where there is no FlyteAdmin", function()
    gate.run([[
      for _, call in ipairs {m.flyte.task, m.flyte.workflow} do
        local found, why = call(request.event.task_id)
        assert(found == nil and why == "no FlyteAdmin is configured: flyteadmin.address", why)
      end
      local found, why = m.flyte.execution(request.event.parent_node_execution_id.execution_id)
      assert(found == nil and why:find("flyteadmin.address", 1, true))
      assert(m.flyte.execution("p:d:n") == nil and m.flyte.task "p:d:n:v" == nil and m.flyte.workflow "p:d:n:v:w" == nil)
      assert(m.flyte.task {project = "p", domain = "d", name = "n", version = "v", org = "o"} == nil)]], gate.task {})
  end)
  it("takes ids that are whole", function()
    fails('"a:b" is no "project:domain:name"', 'execution "a:b"')
    fails("the id has no name", "execution {project = 'a', domain = 'b'}")
    fails('WorkflowExecutionIdentifier has no field "projct" (did you mean "project"?)', "execution {projct = 'a'}")
    fails("the id has no version", "workflow {project = 'a', domain = 'b', name = 'c'}")
    fails("the id is a message WorkflowExecutionIdentifier, not Identifier", "execution(request.event.task_id)")
    fails("the id is a table, a message or", "task(5)")
  end)
end)
