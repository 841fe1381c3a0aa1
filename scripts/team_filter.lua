-- Keeps what concerns one team: its projects, in its domains, in the phases it asks for; the rest never leaves the
-- gateway. A team owns this pipeline's file and these lines: nobody else's events change with them.
-- params: team, projects, domains, phases (lists of globs; a list that is absent lets everything through).
local moongate = require "moongate"
local filters = require "moongate.filters"

local params = moongate.params

local function condition(fact, globs)
  if not globs then return function() return true end end
  return filters.fact(fact, table.unpack(globs))
end

local ours = condition("project", params.projects)
local here = condition("domain", params.domains)
local asked = condition("phase", params.phases)

return function(event, _, flyte)
  if not flyte then return false, "not Flyte's" end
  if not ours(event, flyte) or not here(event, flyte) then return false, "other team" end
  if not asked(event, flyte) then return false, "phase" end
  event.team = params.team
end
