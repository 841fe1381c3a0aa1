-- expect: hook_budget|hook_error
-- Comparators that contradict themselves must not lead out of the table.
return function(event)
  if event.id == "next" then return end
  local t = {}
  for i = 1, 200 do t[i] = i end
  while true do
    pcall(table.sort, t, function() return true end)
    pcall(table.sort, t, function() return math.random(2) == 1 end)
    pcall(table.sort, t, function() t[math.random(200)] = math.random(9) return math.random(2) == 1 end)
    pcall(table.sort, t, rawequal)
  end
end
