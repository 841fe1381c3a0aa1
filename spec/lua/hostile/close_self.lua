-- expect: hook_error
-- A coroutine that closes itself, and two that close each other.
return function(event)
  if event.id == "next" then return end
  local a, b
  local function closes(which)
    return coroutine.create(function()
      local x <close> = setmetatable({}, {__close = function() assert(coroutine.close(which())) end})
      coroutine.yield()
    end)
  end
  a, b = closes(function() return b end), closes(function() return a end)
  coroutine.resume(a)
  coroutine.resume(b)
  local ok, why = coroutine.close(a)
  local me = coroutine.running()
  assert(not ok and not pcall(coroutine.close, me))
  error(why)
end
