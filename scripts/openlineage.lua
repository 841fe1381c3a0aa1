-- Turns workflow and task events into OpenLineage run events, for Marquez, DataHub or whatever speaks OpenLineage over
-- HTTP: publisher {type: http, url: …/api/v1/lineage} with `format: {mode: binary}`, so that the body is the run event
-- alone. A run's id is a UUID made of the execution's (and the task's attempt's) name: every event of it has the same
-- one, also after a crash, and a task names its workflow's run as its parent. What is no start and no end of a run is
-- dropped.
-- params: namespace (of jobs), producer (a URI), ask (true: ask FlyteAdmin for the workflow's name; else every workflow
-- of a project and domain is one job).
local moongate = require "moongate"

local params = moongate.params
local PRODUCER = params.producer or "https://github.com/flyteorg/flyte"
local SPEC = "https://openlineage.io/spec/"

local STATES = {
  RUNNING = "START", SUCCEEDED = "COMPLETE", FAILED = "FAIL", RETRYABLE_FAILED = "FAIL", TIMED_OUT = "FAIL",
  ABORTED = "ABORT",
}

-- A UUID (version 8: made by rules of our own) of a name.
local function run_id(...)
  local h = moongate.hex(moongate.sha256(table.concat({...}, ":")))
  return ("%s-%s-8%s-%x%s-%s"):format(h:sub(1, 8), h:sub(9, 12), h:sub(14, 16), 8 + h:byte(17) % 4,
                                      h:sub(18, 20), h:sub(21, 32))
end

local function workflow_name(flyte)
  if params.ask then
    local found = moongate.flyte.execution {project = flyte.project, domain = flyte.domain, name = flyte.execution}
    local id = found and found.closure and found.closure.workflow_id
    if id then return id.name end
  end
  return ("%s.%s"):format(flyte.project, flyte.domain)
end

local function facet(path, members)
  members._producer = PRODUCER
  members._schemaURL = SPEC .. path
  return members
end

-- Where the data lies, as OpenLineage names it: s3://bucket and the path in it.
local function datasets(uri)
  local namespace, name = (uri or ""):match("^(%w[%w+.-]*://[^/]+)/(.+)$")
  if not namespace then return {} end
  return {{namespace = namespace, name = name}}
end

local function list(items)
  return #items > 0 and items or moongate.json.decode("[]")
end

local function run_and_job(request, flyte)
  local namespace = params.namespace or "flyte"
  local workflow = {
    run = {runId = run_id(flyte.project, flyte.domain, flyte.execution)},
    job = {namespace = namespace, name = workflow_name(flyte)},
  }
  if flyte.kind == "workflow" then return workflow.run, workflow.job end
  local run = {runId = run_id(flyte.project, flyte.domain, flyte.execution, flyte.node, flyte.attempt)}
  run.facets = {parent = facet("facets/1-0-1/ParentRunFacet.json#/$defs/ParentRunFacet", workflow)}
  return run, {namespace = namespace, name = flyte.task}
end

local function state_of(request, flyte)
  local state = STATES[flyte.phase]
  if state == "START" and flyte.kind == "task" and request.event.phase_version > 0 then return "RUNNING" end
  return state
end

return {
  event_types = {"workflow", "task"},
  description = "OpenLineage run events",
  on_event = function(event, request, flyte)
    local state = state_of(request, flyte)
    if not state then return false, "no start and no end" end
    local e = request.event
    local run, job = run_and_job(request, flyte)
    if state == "FAIL" then
      run.facets = run.facets or {}
      run.facets.errorMessage = facet("facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet",
                                      {message = flyte.error_message or flyte.phase, programmingLanguage = "UNKNOWN"})
    end
    event.data = {
      eventType = state,
      eventTime = event.time or moongate.rfc3339(moongate.received()),
      producer = PRODUCER,
      schemaURL = SPEC .. "2-0-2/OpenLineage.json#/$defs/RunEvent",
      run = run,
      job = job,
      inputs = list(datasets(flyte.kind == "task" and e.input_uri or nil)),
      outputs = list(datasets(e.output_uri)),
    }
  end,
}
