-- expect: hook_budget|hook_memory
-- A reader function that never ends, in Lua and in C.
return function(event)
  if event.id == "next" then return end
  pcall(load, coroutine.wrap(function() while true do coroutine.yield("x = 1 ") end end))
  load(function() return "-- " .. ("x"):rep(1000) end)
end
