-- expect: hook_budget|hook_timeout|hook_memory
-- Each step asks for a block that is the largest yet: looking at that must not put off the count.
return function(event)
  if event.id == "next" then return end
  local s = ""
  while true do s = s .. "x" end
end
