-- Attributes from what an event already says.
local moongate = require "moongate"

local enrich = {}

-- The facts of a Flyte event as attributes: enrich.facts(event, flyte, {"project", "phase"}).
-- error_code becomes errorcode; what the kind has not is left out.
function enrich.facts(event, flyte, names)
  if not flyte then return end
  for _, name in ipairs(names) do
    local value = flyte[name]
    if type(value) == "string" then value = moongate.clean(value, 400) end
    if value ~= nil then event[name:gsub("_", "")] = value end
  end
end

-- Looks a value up in a table and stamps the result: enrich.lookup(event, "team", teams, flyte.project, "nobody").
function enrich.lookup(event, attribute, map, key, default)
  local value
  if key ~= nil then value = map[key] end
  if value == nil then value = default end
  if value ~= nil then event[attribute] = value end
end

return enrich
