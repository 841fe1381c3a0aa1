-- expect: hook_timeout|hook_budget
-- timeout: 100
-- The compiler walks the list of jumps for each elseif.
return function(event)
  if event.id == "next" then return end
  local text = "if a then " .. ("elseif a then "):rep(60000) .. "end"
  while true do load(text) end
end
