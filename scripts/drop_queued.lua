-- Drops the phases in which nothing has happened yet: about half of what an execution sends.
-- A consumer of outcomes does not want them; the log keeps them for the pipelines that do.
-- params: phases (a list; if absent QUEUED, INITIALIZING, WAITING_FOR_RESOURCES).
local moongate = require "moongate"

local phases = {}
for _, phase in ipairs(moongate.params.phases or {"QUEUED", "INITIALIZING", "WAITING_FOR_RESOURCES"}) do
  phases[phase] = true
end

return function(event, request, flyte)
  if flyte and phases[flyte.phase] then return false, "queued" end
end
