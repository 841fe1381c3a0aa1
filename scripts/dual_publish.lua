-- Publishes each event twice: as it is, and in a format of tomorrow, so that consumers can try that one beside the one
-- they have. The format is scripts/v2/report.proto as a descriptor set: no rebuild of the gateway, and this file
-- decides what goes into it. The second event has an id of its own (`<id>:1`, the same again after a crash), and its
-- own type and schema.
-- params: type, schema (of the new event), topic (where it goes; needs the publisher's `routes`; absent: the same
-- place).
local moongate = require "moongate"

local pb = moongate.proto.load("v2/report.desc")
local params = moongate.params

local OUTCOMES = {SUCCEEDED = "OUTCOME_SUCCEEDED", FAILED = "OUTCOME_FAILED", RETRYABLE_FAILED = "OUTCOME_FAILED",
                  TIMED_OUT = "OUTCOME_FAILED", ABORTED = "OUTCOME_ABORTED"}

local function report(request, flyte)
  local out = pb:new("acme.report.v2.Report", {
    project = flyte.project, domain = flyte.domain, execution = flyte.execution,
    outcome = OUTCOMES[flyte.phase] or "OUTCOME_RUNNING",
    at = request.event.occurred_at and moongate.to_table(request.event.occurred_at),
    labels = {source = moongate.pipeline},
  })
  if flyte.kind == "task" then
    out.task = {name = flyte.task, number = flyte.attempt}
  elseif flyte.kind == "node" then
    out.node = flyte.node
  end
  if flyte.failed then out.failure = {code = flyte.error_code, message = flyte.error_message} end
  return out
end

return {
  event_types = {"workflow", "node", "task"},
  description = "each event a second time, as acme.report.v2.Report",
  on_event = function(event, request, flyte)
    local v2 = moongate.copy(event)
    v2.type = params.type or "acme.report.v2"
    v2.jsonschemaurl = nil
    v2.dataschema = params.schema
    v2.data = report(request, flyte)
    if params.topic then moongate.route(v2, {topic = params.topic}) end
    return {event, v2}
  end,
}
