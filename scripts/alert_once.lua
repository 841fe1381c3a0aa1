-- One alert for an execution, however much of it fails: the first failure goes through, what fails after it within
-- `ttl` seconds is dropped. Put it behind what keeps the failures. The pipeline's workers share the memory and it stays
-- over reloads; a restart of the gateway forgets, so an alert may come twice and is never lost.
-- params: ttl (seconds, 3600 if absent), by (list of facts: what counts as the same; project, domain, execution if
-- absent).
local moongate = require "moongate"

local params = moongate.params
local by = params.by or {"project", "domain", "execution"}
local told = moongate.cache("alert_once", {ttl = params.ttl or 3600})

return function(event, _, flyte)
  if not flyte or not flyte.failed then return end
  local parts = {}
  for i, fact in ipairs(by) do parts[i] = tostring(flyte[fact]) end
  local key = table.concat(parts, "\0")
  local first = told:get(key)
  if first and first ~= event.id then return false, "alerted already" end
  told:set(key, event.id)   -- the id: an event whose hooks run again is still the first one
end
