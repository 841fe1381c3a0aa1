-- Stamps what a table knows of a project: team, on-call address, cost centre. The table is a CSV file that its owners
-- edit; it is read again when it changes, and a broken version leaves the last good one in place. `hook_limits.files`
-- has to list it.
-- params: file (beside this script or absolute; owners.csv if absent), key (its column of projects), attributes
-- (column: attribute, if the names differ), default (of the attribute `team`, for projects that are not in the table).
local moongate = require "moongate"

local params = moongate.params
local key = params.key or "project"
local owners = moongate.lookup(params.file or "owners.csv", key)   -- at load: the rows are there before the first event

-- Names of attributes are a-z and 0-9; a column that cannot be one needs a name in params.attributes.
local function attribute(column)
  return (params.attributes or {})[column] or column:lower():gsub("[^a-z0-9]", "")
end

return function(event, _, flyte)
  if not flyte then return end
  local row = owners[flyte.project]
  if not row then
    event.team = params.default
    return
  end
  for column, value in pairs(row) do
    if column ~= key and value ~= "" then event[attribute(column)] = moongate.clean(tostring(value), 200) end
  end
end
