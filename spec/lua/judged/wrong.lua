-- What an editor shall underline: each line that ends in `wrong`, and no other (spec/judges).
local moongate = require "moongate"
local filters = require "moongate.filters"

---@type moongate.Script
local script = {
  on_event = function(event, request, flyte)
    moongate.renam(event, "a", "b") -- wrong
    moongate.rename(event, "a", "b")
    moongate.log.warning("x") -- wrong
    moongate.log.warn("x")
    if flyte.projct == "ml" then return false end -- wrong
    if flyte.project == "ml" then return false end
    event.a = filters.globs("x")("xyz") -- wrong
    event.a = filters.glob("x")("xyz")
    local e = request.event
    if e.error_mesage then return true end -- wrong
    if e.error then return true end
    moongate.hash(event.id) -- wrong
    moongate.hash(event.id, 10)
    moongate.sha256(5) -- wrong
    moongate.counter("n"):incr() -- wrong
    moongate.counter("n"):add()
    moongate.cache("n"):put("k", 1) -- wrong
    local answer = moongate.http.get("https://x", {timeout = 1})
    if answer then event.status = answer.satus end -- wrong
    if answer then event.status = answer.status end
    local task = moongate.flyte.task(event.id)
    if task then event.c = task.closure.compiled_task.templat end -- wrong
    if task then event.c = task.closure.compiled_task.template.type end
    event.team = "ml"
    event.data = {a = 1}
  end,
}

---@param event moongate.Event
---@param request moongate.TaskRequest
---@param flyte moongate.Flyte
return function(event, request, flyte)
  event.a = request.event.parent_node_execution_id.node_id
  event.b = request.event.task_id.nam -- wrong
  event.c = flyte.attempt
  event.d = flyte.attempts -- wrong
  return script.on_event(event, request, flyte)
end
