-- expect: hook_memory|hook_budget|hook_timeout
-- timeout: 100
-- Hundreds of long strings in one concatenation.
return function(event)
  if event.id == "next" then return end
  local f = load("local s = ... return " .. ("s.."):rep(180) .. "s")
  local s = ("x"):rep(50000)
  for _ = 1, math.huge do f(s) end
end
