-- expect: hook_budget
-- A coroutine in a coroutine in a coroutine: as deep as C goes, again and again.
return function(event)
  if event.id == "next" then return end
  local function dig() return coroutine.wrap(dig)() end
  while true do pcall(dig) end
end
