-- expect: hook_memory|hook_budget
return function(event)
  if event.id == "next" then return end
  local t = {}
  for i = 1, math.huge do
    t[i] = coroutine.create(function() coroutine.yield(i) end)
    coroutine.resume(t[i])
  end
end
