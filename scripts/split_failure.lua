-- Splits a failed task into two events: the one Flyte sent, and an alert that a person can read as it is.
-- The alert's id is the first one's with `:1` behind it, the same again after a crash, so a consumer can drop repeats.
-- Both come from one record: they are delivered together, or the record stays in the log. params: type (of the alert).
local moongate = require "moongate"

return {
  event_types = {"task"},
  on_event = function(event, request, flyte)
    if not flyte.failed then return end
    local alert = moongate.copy(event)
    alert.type = moongate.params.type or "com.flyte.alert.task"
    alert.jsonschemaurl = nil
    alert.data = {
      execution = ("%s/%s/%s"):format(flyte.project, flyte.domain, flyte.execution),
      task = flyte.task,
      attempt = flyte.attempt,
      code = flyte.error_code,
      message = flyte.error_message,
    }
    return {event, alert}
  end,
}
