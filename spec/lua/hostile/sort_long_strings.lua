-- expect: hook_budget|hook_timeout
-- timeout: 100
-- Each comparison goes over megabytes.
return function(event)
  if event.id == "next" then return end
  local a = ("\0"):rep(1024):rep(4096)
  local b, t = a .. "b", {}
  for i = 1, 5000 do t[i] = i % 2 == 0 and a or b end
  while true do table.sort(t) end
end
