-- Makes the same small event of a Flyte 1 task and of a Flyte 2 action, so that consumers need not know which it was.
-- One event a change of state: {run, step, attempt, state, ended, failed, code, message}; the rest of the request is
-- left out. Attempts count from 1 in both. params: type (default com.example.flyte.step).
local moongate = require "moongate"

-- A step's name: Flyte 1's node, Flyte 2's action. Attempts begin at 0 in Flyte 1, at 1 in Flyte 2.
local first = {task = 0, action = 1}

return {
  event_types = {"task", "action"},
  description = "steps of both generations of Flyte, in one form",
  on_event = function(event, _, flyte)
    event.type = moongate.params.type or "com.example.flyte.step"
    event.jsonschemaurl = nil
    event.subject = flyte.node
    event.data = {
      run = ("%s/%s/%s"):format(flyte.project, flyte.domain, flyte.execution),
      step = flyte.node,
      attempt = flyte.attempt - first[flyte.kind] + 1,
      state = flyte.phase,
      ended = flyte.terminal,
      failed = flyte.failed,
      code = flyte.error_code,
      message = flyte.error_message,
    }
  end,
}
