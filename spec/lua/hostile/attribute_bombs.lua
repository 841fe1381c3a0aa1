-- expect: hook_memory|hook_budget|hook_error
-- Attributes of megabytes, written again and again.
return function(event)
  if event.id == "next" then return end
  local s = ("x"):rep(100000)
  for i = 1, math.huge do
    event.subject = s .. i
    event.data = s .. i
    event["a" .. i % 10] = s
  end
end
