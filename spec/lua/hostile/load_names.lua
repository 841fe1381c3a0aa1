-- expect: hook_timeout|hook_budget
-- timeout: 100
-- A global is looked for among the locals of every function around it.
return function(event)
  if event.id == "next" then return end
  local t = {}
  for i = 1, 190 do t[i] = "local a" .. i end
  local locals = table.concat(t, " ")
  local text = ("return function() " .. locals .. " "):rep(60) .. ("x=x "):rep(60000) .. (" end"):rep(60)
  while true do load(text) end
end
