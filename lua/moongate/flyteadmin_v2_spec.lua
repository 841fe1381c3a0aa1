local gate = require "moongate.test"
local moongate = require "moongate"
local v2 = require "moongate.flyteadmin_v2"

local hook = gate.hook({}, {format = {style = "flyteadmin-v2"}})
local eager = gate.hook({}, {format = {style = "flyteadmin-v2", enrich_all = true}})

local LAUNCH_PLAN = {resource_type = "LAUNCH_PLAN", project = "p", domain = "d", name = "wf", version = "v1"}
local EXECUTION = {
  spec = {launch_plan = LAUNCH_PLAN, labels = {values = {team = "ml", ["a.b/c"] = "1"}},
          metadata = {principal = "ann", artifact_ids = {{version = "7"}},
                      reference_execution = {project = "p", domain = "d", name = "before"}}},
  closure = {workflow_id = {resource_type = "WORKFLOW", project = "p", domain = "d", name = "wf", version = "v1"}},
}
local INTERFACE = {inputs = {variables = {n = {description = "how often"}}}, outputs = {}}
local WORKFLOW = {closure = {compiled_workflow = {primary = {template = {interface = INTERFACE}}}}}
local TASK_ID = {resource_type = "TASK", project = "p", domain = "d", name = "t", version = "v2"}
local ATTEMPT = {id = {task_id = TASK_ID, retry_attempt = 2,
                       node_execution_id = {node_id = "n0", execution_id = {project = "p", domain = "d", name = "f1"}}}}
local TASK = {closure = {compiled_task = {template = {interface = INTERFACE}}}}

local function records(change)
  local all = {execution = {["p:d:f1"] = EXECUTION}, workflow = {["p:d:wf:v1"] = WORKFLOW},
               task = {["p:d:t:v2"] = TASK}, task_execution = {["p:d:f1:n0"] = ATTEMPT}}
  for kind, by_id in pairs(change or {}) do all[kind] = by_id end
  return all
end

local function of(t)
  t.project, t.domain, t.execution = "p", "d", "f1"
  return t
end

local function keys_of(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys)
  return table.concat(keys, " ")
end

describe("moongate.flyteadmin_v2", function()
  it("gives a source and the event as it came", function()
    local asked = gate.flyteadmin(records())
    local out = hook(gate.workflow(of {phase = "RUNNING"}))[1]
    assert.equal("f1/end-node", out.source)
    assert.equal("com.flyte.resource.cloudevents.WorkflowExecution", out.type)
    assert.equal("", out.jsonschemaurl)
    assert.equal("rawEvent", keys_of(out.data))
    assert.equal("RUNNING", out.data.rawEvent.phase)
    assert.equal("f1/n0", hook(gate.node(of {phase = "FAILED"}))[1].source)
    assert.equal("f1/start-node", hook(gate.node(of {node = "start-node", phase = "SUCCEEDED"}))[1].source)
    assert.same({}, asked)
  end)

  it("adds what the records say of a workflow that succeeded", function()
    local asked = gate.flyteadmin(records())
    local data = hook(gate.workflow(of {phase = "SUCCEEDED"}))[1].data
    assert.equal("artifactIds labels launchPlanId outputInterface principal rawEvent referenceExecution", keys_of(data))
    assert.same({team = "ml", ["a.b/c"] = "1"}, data.labels)
    assert.equal("before", data.referenceExecution.name)
    assert.equal("how often", data.outputInterface.inputs.variables.n.description)
    assert.same({}, data.outputInterface.outputs)
    assert.same({"execution p:d:f1", "workflow p:d:wf:v1"}, asked)
  end)

  it("adds it to every workflow event if it is asked to", function()
    local asked = gate.flyteadmin(records())
    assert.equal("ann", eager(gate.workflow(of {phase = "RUNNING"}))[1].data.principal)
    assert.is_nil(eager(gate.node(of {phase = "RUNNING"}))[1].data.principal)
    assert.equal(2, #asked)
  end)

  it("has an interface of a workflow even if none is stored", function()
    gate.flyteadmin(records {workflow = {["p:d:wf:v1"] = {}}})
    assert.same({}, hook(gate.workflow(of {phase = "SUCCEEDED"}))[1].data.outputInterface)
  end)

  it("adds the last attempt and its interface to a node that succeeded", function()
    gate.flyteadmin(records())
    local data = hook(gate.node(of {phase = "SUCCEEDED"}))[1].data
    assert.equal("artifactIds labels launchPlanId outputInterface principal rawEvent taskExecId", keys_of(data))
    assert.equal(2, data.taskExecId.retryAttempt)
    assert.equal("TASK", data.taskExecId.taskId.resourceType)
    gate.flyteadmin(records {task = {["p:d:t:v2"] = {}}})
    assert.is_nil(hook(gate.node(of {phase = "SUCCEEDED"}))[1].data.outputInterface)
    gate.flyteadmin(records {task_execution = {}})
    data = hook(gate.node(of {phase = "SUCCEEDED"}))[1].data
    assert.equal("artifactIds labels launchPlanId principal rawEvent", keys_of(data))
  end)

  it("adds labels and nothing else to every task event", function()
    gate.flyteadmin(records())
    local out = hook(gate.task(of {phase = "RUNNING", attempt = 3}))[1]
    assert.equal("f1/n0/3", out.source)
    assert.equal("labels rawEvent", keys_of(out.data))
    gate.flyteadmin(records {execution = {["p:d:f1"] = {spec = {}}}})
    assert.equal("rawEvent", keys_of(hook(gate.task(of {}))[1].data))
  end)

  it("needs no record where there is no FlyteAdmin", function()
    gate.flyteadmin(false)
    local done = {phase = "SUCCEEDED"}
    for _, event in ipairs {gate.workflow(of(done)), gate.node(of(done)), gate.task(of {})} do
      assert.equal("rawEvent", keys_of(hook(event)[1].data))
    end
  end)

  it("is tried again while a record cannot be had", function()
    for _, why in ipairs {"UNAVAILABLE: down", "PERMISSION_DENIED", "connection refused"} do
      gate.flyteadmin(records {execution = {["p:d:f1"] = why}})
      assert.is_nil(hook(gate.task(of {})))
      assert.equal("retry", hook.last.verdict)
      assert.equal("its execution: FlyteAdmin: " .. why, hook.last.text)
    end
    gate.flyteadmin(records {task_execution = {["p:d:f1:n0"] = "INTERNAL"}})
    assert.is_nil(hook(gate.node(of {phase = "SUCCEEDED"})))
    gate.flyteadmin(records {workflow = {["p:d:wf:v1"] = "UNAVAILABLE"}})
    assert.is_nil(hook(gate.workflow(of {phase = "SUCCEEDED"})))
    assert.matches("^the workflow of its execution: ", hook.last.text)
  end)

  it("refuses an event whose records are not there", function()
    local succeeded = {phase = "SUCCEEDED"}
    for _, case in ipairs {
      {{execution = {}}, gate.task(of {}), "its execution: FlyteAdmin: NOT_FOUND"},
      {{execution = {["p:d:f1"] = {spec = {}}}}, gate.workflow(of(succeeded)), "its execution names no workflow"},
      {{workflow = {}}, gate.workflow(of(succeeded)), "the workflow of its execution: FlyteAdmin: NOT_FOUND"},
      {{task = {}}, gate.node(of(succeeded)), "the task of its node: FlyteAdmin: NOT_FOUND"},
    } do
      gate.flyteadmin(records(case[1]))
      assert.has_error(function() hook(case[2]) end)
      assert.matches(case[3], hook.last.text)
      assert.equal("invalid_event", hook.last.reason)
    end
  end)

  it("refuses what FlyteAdmin refuses, and takes ids that are empty", function()
    local none = moongate.json.null
    gate.flyteadmin(false)
    for _, case in ipairs {
      {gate.workflow {request = {event = {execution_id = none}}}, "a workflow event without execution_id"},
      {gate.node {request = {event = {id = none}}}, "a node event without id"},
      {gate.task {request = {event = {parent_node_execution_id = none}}},
       "a task event without parent_node_execution_id"},
      {gate.workflow {request = {event = none}}, "a workflow event without execution_id"},
    } do
      assert.has_error(function() hook(case[1]) end)
      assert.matches("FlyteAdmin refuses " .. case[2], hook.last.text)
      assert.equal("invalid_event", hook.last.reason)
    end
    local empty = gate.workflow {request = {event = {execution_id = {project = "", domain = "", name = ""}}}}
    assert.equal("/end-node", hook(empty)[1].source)
    empty = gate.task {request = {event = {parent_node_execution_id = {node_id = none, execution_id = none}}}}
    assert.equal("//0", hook(empty)[1].source)
  end)

  it("leaves a source that Go cannot parse empty", function()
    gate.flyteadmin(false)
    local out = hook(gate.workflow {execution = "1a:b"})[1]
    assert.is_nil(out.source)
    assert.equal("1a:b", out.data.rawEvent.executionId.name)
  end)

  it("leaves events alone that came as CloudEvents", function()
    local event = gate.event {type = "com.flyte.resource.workflow", data = {event = {phase = "RUNNING"}}}
    assert.equal("/spec", hook(event)[1].source)
  end)

  it("is a hook that scripts may call", function()
    local made = v2 {enrich_all = true}
    assert.same({"workflow", "node", "task"}, made.event_types)
    local event = {}
    local nothing, why = made.on_event(event, {}, {kind = "node"})
    assert.is_nil(nothing)
    assert.equal("FlyteAdmin refuses a node event without id", why)
  end)

  it("comes before the hooks of a pipeline and its rules, but for a match that asks facts alone", function()
    local asked = gate.flyteadmin(records())
    local rules = gate.hook({}, {format = {style = "flyteadmin-v2"}, match = {project = "p", source = "f1/*"},
                                 set = {source = "/mine"}})
    assert.equal("/mine", rules(gate.task(of {}))[1].source)
    assert.same({}, rules(gate.task {project = "other"}))
    assert.same({"execution p:d:f1"}, asked)
    gate.flyteadmin(records {execution = {["p:d:f2"] = EXECUTION}})
    assert.same({}, rules(gate.task {project = "p", domain = "d", execution = "f2"}))
  end)
end)
