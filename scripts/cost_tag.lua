-- Tags tasks with what they asked for (cpu, memory, gpu) and, where prices are given, with what an hour of it costs, so
-- that a bill can be split by team and project from the events alone. The requests stand in the task's template, which
-- FlyteAdmin has and an event has not: it is asked once for each version of a task (`flyteadmin:` in the
-- configuration), then cached.
-- params: prices (of an hour: cpu a core, memory a GiB, gpu a piece), needed (true: wait and ask again while FlyteAdmin
-- cannot be asked; absent: such an event goes out without tags, and moongate_script_untagged_total counts it).
local moongate = require "moongate"

local params = moongate.params
local prices = params.prices
local untagged = moongate.counter("untagged")

local SUFFIXES = {
  m = 1e-3, [""] = 1, k = 1e3, K = 1e3, M = 1e6, G = 1e9, T = 1e12,
  Ki = 2 ^ 10, Mi = 2 ^ 20, Gi = 2 ^ 30, Ti = 2 ^ 40,
}

-- A quantity of Kubernetes as a number: 500m is 0.5, 2Gi is 2 ^ 31.
local function amount(text)
  local number, suffix = text:match("^(%d*%.?%d*)(%a*)$")
  return (tonumber(number) or 0) * (SUFFIXES[suffix] or 0)
end

---@type table<string, string?>
local NAMES = {CPU = "cpu", MEMORY = "memory", GPU = "gpu"}
local UNITS = {cpu = 1, memory = 2 ^ 30, gpu = 1}

-- {cpu = "500m", …} of a task's template; empty for one that runs in no container.
local function requests_of(task)
  local compiled = task.closure and task.closure.compiled_task
  local container = compiled and compiled.template and compiled.template.container
  local out = {}
  if container and container.resources then
    for _, entry in ipairs(container.resources.requests) do
      local name = NAMES[entry.name]
      if name then out[name] = entry.value end
    end
  end
  return out
end

return {
  event_types = {"task"},
  description = "what tasks ask for, and its price",
  on_event = function(event, request)
    local task, why = moongate.flyte.task(request.event.task_id)
    if not task then
      if params.needed then return moongate.retry, why end
      untagged:add()
      return
    end
    local hour = 0.0
    for name, value in pairs(requests_of(task)) do
      event[name] = moongate.clean(value, 40)
      hour = hour + amount(value) / UNITS[name] * (prices and prices[name] or 0)
    end
    if prices then event.costhour = ("%.4f"):format(hour) end
  end,
}
