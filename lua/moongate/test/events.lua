-- gate.workflow, node, task and event: what FlytePropeller sends, with defaults, and any CloudEvent.
local moongate = require "moongate"
local values = require "moongate.test.show"

local show, scalar = values.show, values.scalar

local host -- where(), nearest(), check()

-- At the line of the spec that called.
local function wrong(text)
  error((host.where() or "?") .. ": " .. text, 0)
end

local gate = {}
local Event = {} -- what gate.workflow and the others give

local TIME = "2026-01-02T03:04:05Z"
local FAILING = {FAILED = true, FAILING = true, RETRYABLE_FAILED = true, TIMED_OUT = true}

local function check_table(what, t)
  if t == nil then return {} end
  if type(t) ~= "table" then wrong(what .. " takes a table, got " .. show(t)) end
  return t
end

local function check_names(what, t, names)
  for name in pairs(t) do
    local known = false
    for _, n in ipairs(names) do known = known or n == name end
    if not known then
      wrong(("%s has no %s%s"):format(what, scalar(name), host.nearest(tostring(name), names)))
    end
  end
end

-- Lays b over a: tables member by member, lists and values whole; json.null takes away.
local function merge(a, b)
  for k, v in pairs(b) do
    if v == moongate.json.null then
      a[k] = nil
    elseif type(v) == "table" and v[1] == nil and type(a[k]) == "table" then
      merge(a[k], v)
    else
      a[k] = type(v) == "table" and v[1] == nil and next(v) ~= nil and merge({}, v) or v
    end
  end
  return a
end

local function made(what, event)
  setmetatable(event, Event)
  local why = host.check(event.kind, event:json())
  if why then wrong(what .. ": " .. why) end
  return event
end

Event.__index = Event

-- As the gateway reads datacontenttype.
local function is_json(media_type)
  local name = tostring(media_type or ""):match("^[^;]*"):match("^(.-)[ \t]*$"):lower()
  return name:find("^[^/]*/json$") or name:find("/.*%+json$")
end

-- The proto3 JSON of a request, the structured JSON of a CloudEvent.
function Event:json()
  if self.request then return moongate.json.encode(self.request) end
  local members, data = {specversion = "1.0"}, self.event.data
  for k, v in pairs(self.event) do members[k] = v end
  members.data = nil
  local type_of_data = self.event.datacontenttype
  if type(data) == "table" then
    members.datacontenttype = type_of_data or "application/json"
    members.data = data
  elseif data ~= nil and is_json(type_of_data) then
    local ok, why = pcall(moongate.json.decode, tostring(data))
    if not ok then wrong("gate.event: data: " .. why) end
    return moongate.json.encode(members):sub(1, -2) .. ',"data":' .. tostring(data) .. "}"
  elseif data ~= nil then
    members.data_base64 = moongate.base64.encode(tostring(data))
  end
  return moongate.json.encode(members)
end

-- event: what stands in the request's `event`; of an action the request itself.
local function made_request(kind, t, event)
  if t.request ~= nil and type(t.request) ~= "table" then
    wrong("gate." .. kind .. ": request is a table, got " .. show(t.request))
  end
  local whole = kind == "action" and event or {request_id = t.request_id, event = event}
  local request = merge(whole, t.request or {})
  return made("gate." .. kind, {kind = kind, request = request})
end

local function execution_of(t)
  return {org = t.org, project = t.project or "flytesnacks", domain = t.domain or "development",
          name = t.execution or t.name or "f6w9tr41bnnk0"}
end

local function uri(t, node, file)
  local e = execution_of(t)
  return ("s3://flyte/metadata/propeller/%s-%s-%s/%s/data/%s"):format(e.project, e.domain, e.name, node, file)
end

-- A failing phase comes with an error, as FlytePropeller sends it; a success with its outputs.
local function outcome(event, t, phase, node)
  if t.error_code or t.error_message or t.error_kind or (FAILING[phase] and not t.output_uri) then
    event.error = {code = t.error_code or "USER:ValueError", kind = t.error_kind or "USER",
                   message = t.error_message or "ValueError: column 'user_id' not found"}
  else
    event.output_uri = t.output_uri or (phase == "SUCCEEDED" and uri(t, node, "0/outputs.pb") or nil)
  end
  return event
end

local COMMON = {"request", "org", "project", "domain", "execution", "name", "phase", "time", "error_code",
                "error_message", "error_kind"}

local function names_with(...)
  local names = table.move(COMMON, 1, #COMMON, 1, {})
  for _, name in ipairs {...} do names[#names + 1] = name end
  return names
end

local WORKFLOW = names_with("request_id", "producer", "output_uri")
local NODE = names_with("request_id", "producer", "output_uri", "node", "node_name", "retry_group")
local TASK = names_with("request_id", "producer", "output_uri", "node", "task", "version", "attempt", "phase_version",
                        "task_type", "reason")
local ACTION = names_with("node", "attempt", "version")

function gate.workflow(t)
  t = check_table("gate.workflow", t)
  check_names("gate.workflow", t, WORKFLOW)
  local phase = t.phase or "RUNNING"
  local event = outcome({execution_id = execution_of(t), phase = phase, occurred_at = t.time or TIME,
                         producer_id = t.producer or "propeller"}, t, phase, "end-node")
  return made_request("workflow", t, event)
end

function gate.node(t)
  t = check_table("gate.node", t)
  check_names("gate.node", t, NODE)
  local phase, node = t.phase or "RUNNING", t.node or "n0"
  local event = outcome({
    id = {node_id = node, execution_id = execution_of(t)}, phase = phase, occurred_at = t.time or TIME,
    reported_at = t.time or TIME, producer_id = t.producer or "propeller", node_name = t.node_name or "train",
    spec_node_id = node, retry_group = tostring(t.retry_group or 0), event_version = 1,
    input_uri = phase ~= "QUEUED" and uri(t, node, "inputs.pb") or nil}, t, phase, node)
  return made_request("node", t, event)
end

function gate.task(t)
  t = check_table("gate.task", t)
  check_names("gate.task", t, TASK)
  local phase, node, execution = t.phase or "RUNNING", t.node or "n0", execution_of(t)
  local event = outcome({
    task_id = {resource_type = "TASK", project = execution.project, domain = execution.domain,
               name = t.task or "workflows.train.fit", version = t.version or "v1"},
    parent_node_execution_id = {node_id = node, execution_id = execution}, retry_attempt = t.attempt or 0,
    phase = phase, phase_version = t.phase_version or 0, occurred_at = t.time or TIME, reported_at = t.time or TIME,
    producer_id = t.producer or "propeller", task_type = t.task_type or "python-task", event_version = 1,
    input_uri = uri(t, node, "inputs.pb"), reason = t.reason,
    reasons = t.reason and {{reason = t.reason, occurred_at = t.time or TIME}},
    metadata = {generated_name = ("%s-%s-%s"):format(execution.name, node, t.attempt or 0),
                plugin_identifier = "container"},
  }, t, phase, node)
  return made_request("task", t, event)
end

-- Of Flyte 2; `execution` is the run, `node` the action.
function gate.action(t)
  t = check_table("gate.action", t)
  check_names("gate.action", t, ACTION)
  local phase, execution = t.phase or "RUNNING", execution_of(t)
  local failed = t.error_code or t.error_message or t.error_kind or FAILING[phase]
  local event = {
    id = {run = execution, name = t.node or "a0"}, attempt = t.attempt or 1, phase = "ACTION_PHASE_" .. phase,
    version = t.version, updated_time = t.time or TIME, start_time = t.time or TIME,
    error_info = failed and {code = t.error_code or "USER:ValueError", kind = "KIND_" .. (t.error_kind or "USER"),
                             message = t.error_message or "ValueError: column 'user_id' not found"} or nil}
  return made_request("action", t, event)
end

-- Any CloudEvent: attributes by name, and data (a table is JSON).
function gate.event(t)
  t = check_table("gate.event", t)
  local event = {id = "e1", source = "/spec", type = "com.example.spec"}
  for k, v in pairs(t) do event[k] = v end
  return made("gate.event", {kind = "other", event = event})
end

return function(given)
  host = given
  return gate, Event
end
