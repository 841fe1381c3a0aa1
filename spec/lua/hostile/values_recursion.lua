-- expect: hook_error|hook_timeout
-- timeout: 100
-- More values with each call, until the stack is full.
return function(event)
  if event.id == "next" then return end
  local function more(...) return more(1, ..., ...) end
  local function wide(a, ...) return (wide(a, a, a, a, a, a, a, a, ...)) end
  assert(not pcall(wide, 1))
  local co = coroutine.wrap(function() return wide(1) end)
  more(pcall(co))
  wide(1, 2)
end
