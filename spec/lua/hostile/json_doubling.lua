-- expect: hook_memory|hook_budget
-- A value that is in itself twice, forty times over.
local json = require "moongate".json
return function(event)
  if event.id == "next" then return end
  local t = {"x"}
  for _ = 1, 40 do t = {t, t} end
  json.encode(t)
end
