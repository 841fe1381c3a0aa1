-- FlyteAdmin's `cloudEventVersion: v2` as a hook: `source` and `data` as FlyteAdmin 1.16 makes them, from the event
-- and from FlyteAdmin's own records of its execution. A pipeline whose format.style is flyteadmin-v2 runs it before
-- its own hooks, on an event that has the style's id, type, time and jsonschemaurl already. It uses nothing that a
-- script of yours cannot use: copy it to change what stands in the data, or call it from a hook:
--   local v2 = require "moongate.flyteadmin_v2" {enrich_all = true}
--   return {on_event = v2.on_event, event_types = v2.event_types}
-- enrich_all: every workflow event gets what the records add, not only SUCCEEDED (enrichAllWorkflowEventTypes).
local moongate = require "moongate"
local go_url = require "moongate.go_url"

local proto = moongate.proto.known
local JSONPB = {form = "jsonpb"}

-- Of an execution only what was said when it was created is needed, so an answer may be as old as it likes.
local AS_CREATED = {max_age = 3600}
local STORED = {stored = true}

-- What waiting does not mend: FlyteAdmin drops such an event, here it is a dead letter. The rest is tried again.
local final = {NOT_FOUND = true, INVALID_ARGUMENT = true, TOO_LARGE = true}

-- What a record could not be had for, as the verdict of the hook.
local function no_record(what, why, code)
  if code == "UNCONFIGURED" then return "plain" end
  why = what .. ": " .. why
  if final[code] then return "refused", why end
  return "again", why
end

-- a.b.c of a message in which any of them may be unset.
local function within(message, ...)
  for _, name in ipairs {...} do
    if message == nil then return nil end
    message = message[name]
  end
  return message
end

-- ---- what the records add: each gives nil, or why not and a text -------------------------------

-- The spec of an execution; nil, why not and a text.
local function execution_of(id)
  local none = proto:new("flyteidl.core.WorkflowExecutionIdentifier")
  local execution, why, code = moongate.flyte.execution(id or none, AS_CREATED)
  if not execution then return nil, no_record("its execution", why, code) end
  return execution
end

local function add_spec(out, execution)
  local spec = execution.spec
  local metadata = within(spec, "metadata")
  out.labels = within(spec, "labels", "values")
  out.principal = within(metadata, "principal")
  out.launch_plan_id = within(spec, "launch_plan")
  out.artifact_ids = within(metadata, "artifact_ids")
  return metadata
end

local function enrich_workflow(out, raw)
  local execution, verdict, text = execution_of(raw.execution_id)
  if not execution then return verdict, text end
  out.reference_execution = within(add_spec(out, execution), "reference_execution")
  local id = within(execution, "closure", "workflow_id")
  if not id then return "refused", "its execution names no workflow" end
  local workflow, why, code = moongate.flyte.workflow(id, STORED)
  if not workflow then return no_record("the workflow of its execution", why, code) end
  out.output_interface = within(workflow, "closure", "compiled_workflow", "primary", "template", "interface") or {}
end

local function enrich_node(out, raw)
  local execution, verdict, text = execution_of(raw.id.execution_id)
  if not execution then return verdict, text end
  add_spec(out, execution)
  local attempt, why, code = moongate.flyte.task_execution(raw.id)
  if not attempt then
    if code == "NOT_FOUND" then return nil end -- a node without a task
    return no_record("the task execution of its node", why, code)
  end
  local task
  task, why, code = moongate.flyte.task(attempt.id.task_id)
  if not task then return no_record("the task of its node", why, code) end
  out.task_exec_id = attempt.id
  out.output_interface = within(task, "closure", "compiled_task", "template", "interface")
end

local function enrich_task(out, raw)
  local execution, verdict, text = execution_of(raw.parent_node_execution_id.execution_id)
  if not execution then return verdict, text end
  out.labels = within(execution.spec, "labels", "values")
end

-- ---- the kinds ----------------------------------------------------------------------------------

local function name_of(execution_id) return execution_id and execution_id.name or "" end

local kinds = {
  workflow = {
    message = "flyteidl.event.CloudEventWorkflowExecution",
    needs = "execution_id",
    source = function(raw) return name_of(raw.execution_id) .. "/end-node" end,
    wants = function(raw, conf) return conf.enrich_all or raw.phase == "SUCCEEDED" end,
    enrich = enrich_workflow,
  },
  node = {
    message = "flyteidl.event.CloudEventNodeExecution",
    needs = "id",
    source = function(raw) return name_of(raw.id.execution_id) .. "/" .. raw.id.node_id end,
    wants = function(raw) return raw.phase == "SUCCEEDED" and raw.id.node_id ~= "start-node" end,
    enrich = enrich_node,
  },
  task = {
    message = "flyteidl.event.CloudEventTaskExecution",
    needs = "parent_node_execution_id",
    source = function(raw)
      local node = raw.parent_node_execution_id
      return ("%s/%s/%d"):format(name_of(node.execution_id), node.node_id, raw.retry_attempt)
    end,
    wants = function() return true end,
    enrich = enrich_task,
  },
}

-- "again" or "refused" and a text; nil: out has what the records add, if any is wanted.
local function enriched(kind, raw, out, conf)
  if not kind.wants(raw, conf) then return nil end
  local verdict, text = kind.enrich(out, raw)
  if verdict == "plain" then return nil end
  return verdict, text
end

return function(conf)
  conf = conf or {}
  return {
    description = "FlyteAdmin's cloudEventVersion v2",
    event_types = {"workflow", "node", "task"},
    on_event = function(event, request, flyte)
      local kind, raw = kinds[flyte.kind], request.event
      if not raw or not raw[kind.needs] then
        return nil, ("FlyteAdmin refuses a %s event without %s"):format(flyte.kind, kind.needs)
      end
      local out = {raw_event = raw}
      local verdict, text = enriched(kind, raw, out, conf)
      if verdict == "again" then return moongate.retry, text end
      if verdict == "refused" then return nil, text end
      local source = go_url.again(kind.source(raw))
      if source then event.source = source end -- FlyteAdmin's stays empty
      event.datacontenttype = "application/json"
      event.data = moongate.to_json(proto:new(kind.message, out), JSONPB)
    end,
  }
end
