-- Stamps the team that owns a project, so that a consumer can route by an attribute and never opens the data.
-- The owners are in the configuration, where each team can change its own line, and not in the script.
-- params: teams (project: team), default (for all other projects; absent: no stamp).
local moongate = require "moongate"

return function(event, request, flyte)
  if not flyte then return end
  local teams = moongate.params.teams or {}
  event.team = teams[flyte.project] or moongate.params.default
end
