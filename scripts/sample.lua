-- Lets a share of the executions through, whole: all events of one execution or none, the same ones again after a
-- restart and on every gateway. What failed is always let through when `failures` says so (then a failed execution may
-- be there in part).
-- params: percent (0 to 100, fractions allowed), failures (true: keep all failures).
local moongate = require "moongate"

local PARTS = 1000000
local percent = moongate.params.percent or 10
if type(percent) ~= "number" or percent < 0 or percent > 100 then
  error("params.percent is a number from 0 to 100, not " .. tostring(percent))
end
local kept = math.floor(percent / 100 * PARTS + 0.5)

return function(event, _, flyte)
  if flyte and flyte.failed and moongate.params.failures then return end
  local key = flyte and flyte.project .. ":" .. flyte.domain .. ":" .. flyte.execution or event.id
  if moongate.hash(key, PARTS) >= kept then return false, "not sampled" end
  event.samplepercent = tostring(percent)
end
