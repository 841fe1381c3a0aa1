-- Keeps the failures of one project: what an on-call channel or a ticket system wants, and nothing else.
-- Filtering here costs microseconds and shows in moongate_events_filtered_total with the reason, so that
-- nobody asks where the other events went. params: project (a name; absent: every project).
local moongate = require "moongate"

return function(event, request, flyte)
  if not flyte then return false, "not Flyte's" end
  local project = moongate.params.project
  if project and flyte.project ~= project then return false, "other project" end
  if not flyte.failed then return false, "not a failure" end
  event.errorcode = moongate.clean(flyte.error_code, 100)
  event.errormessage = moongate.clean(flyte.error_message, 400)
end
