-- expect: hook_budget|hook_memory
-- Recursion to the end of Lua's stack, caught, again and again.
return function(event)
  if event.id == "next" then return end
  local function dig(n) return 1 + dig(n + 1) end
  while true do
    pcall(dig, 1)
    xpcall(dig, function(m) return pcall(dig, 1) and m end, 1)
    coroutine.resume(coroutine.create(dig), 1)
  end
end
