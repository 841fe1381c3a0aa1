-- expect: hook_budget
return function(event)
  if event.id == "next" then return end
  assert(not pcall(collectgarbage) and not pcall(collectgarbage, "incremental") and not pcall(collectgarbage, "step", 1 << 40))
  math.randomseed(math.mininteger, math.maxinteger)
  while collectgarbage("count") > 0 do math.random(0) end
end
