-- expect: hook_error|hook_budget|hook_memory
-- A value that is in itself twice, thirty times over, is copied into a cache.
local m = require "moongate"
return function(event)
  if event.id == "next" then return end
  local t = {("x"):rep(1000)}
  for _ = 1, 30 do t = {t, t} end
  m.cache("c"):set("k", t)
end
