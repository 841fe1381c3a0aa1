-- expect: hook_timeout|hook_budget
-- timeout: 100
-- A coroutine made while everything was small, resumed among large strings.
return function(event)
  if event.id == "next" then return end
  local s, n = "", 0
  local co = coroutine.wrap(function()
    coroutine.yield()
    while true do
      local a = s:lower()
      n = n + (a == s and 1 or 0)
    end
  end)
  co()
  s = ("x"):rep(1024):rep(8192)
  co()
end
