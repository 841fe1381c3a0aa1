-- expect: hook_timeout|hook_budget
-- timeout: 100
-- The compiler compares each label with all before it.
return function(event)
  if event.id == "next" then return end
  local t = {}
  for i = 1, 25000 do t[i] = ("::%x::"):format(i) end
  local text = table.concat(t)
  while true do load(text) end
end
