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
      assert(m.flyte.task {project = "p", domain = "d", name = "n", version = "v", org = "o"} == nil)
      local none, text, code = m.flyte.task_execution(request.event.parent_node_execution_id)
      assert(none == nil and text == "no FlyteAdmin is configured: flyteadmin.address" and code == "UNCONFIGURED")
      local node = {node_id = "n0", execution_id = {project = "p", domain = "d", name = "n"}}
      for _, id in ipairs {node, "p:d:n:n0"} do assert(select(3, m.flyte.task_execution(id, {max_age = 0.5})) == code) end
      assert(select(3, m.flyte.workflow("p:d:n:v", {stored = true, max_age = math.huge})) == code)]], gate.task {})
  end)
  it("takes ids that are whole", function()
    fails('"a:b" is no "project:domain:name"', 'execution "a:b"')
    fails("the id has no name", "execution {project = 'a', domain = 'b'}")
    fails('WorkflowExecutionIdentifier has no field "projct" (did you mean "project"?)', "execution {projct = 'a'}")
    fails("the id has no version", "workflow {project = 'a', domain = 'b', name = 'c'}")
    fails("the id is a message WorkflowExecutionIdentifier, not Identifier", "execution(request.event.task_id)")
    fails("the id is a table, a message or", "task(5)")
    fails("the id has no node_id (it is a table {execution_id={project=, domain=, name=}, node_id=}, a message, or \"project:domain:name:node\")",
      "task_execution {execution_id = {project = 'a', domain = 'b', name = 'c'}}")
    fails('"a:b:c" is no "project:domain:name:node"', 'task_execution "a:b:c"')
    fails("the id is a message NodeExecutionIdentifier, not Identifier", "task_execution(request.event.task_id)")
  end)
  it("takes options that there are", function()
    fails("there is no option \"stored\"", "task('p:d:n:v', {stored = true})")
    fails("there is no option \"max\"", "workflow('p:d:n:v', {max = 1})")
    fails("there is no option 1", "workflow('p:d:n:v', {true})")
    fails("max_age is a number of seconds from 0 on, not -1", "execution('p:d:n', {max_age = -1})")
    fails("max_age is a number of seconds from 0 on, not \"1\"", "execution('p:d:n', {max_age = '1'})")
    fails("a table of options expected, got 5", "execution('p:d:n', 5)")
  end)
end)
