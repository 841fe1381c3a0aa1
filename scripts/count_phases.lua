-- Counts what happens, for a dashboard: moongate_script_phases_total{project, kind, phase} on /metrics, beside the
-- gateway's own figures. Nothing is changed or dropped. A project or two is a label; an execution is not: each value is
-- a series of its own.
-- params: projects (a list; those that are not in it count as `other`, so that the number of series is yours to
-- choose).
local moongate = require "moongate"

local listed
for _, project in ipairs(moongate.params.projects or {}) do
  listed = listed or {}
  listed[project] = true
end

return function(_, _, flyte)
  if not flyte then return end
  local project = (not listed or listed[flyte.project]) and flyte.project or "other"
  moongate.counter("phases", {project = project, kind = flyte.kind, phase = flyte.phase}):add()
end
