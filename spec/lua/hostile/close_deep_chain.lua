-- expect: hook_error
-- says: too many coroutines closing each other
-- Each coroutine's __close goes deep into C before it closes the next one.
return function(event)
  if event.id == "next" then return end
  local cos = {}
  local function deep(n, f)
    if n == 0 then return f() end
    ("x"):gsub("x", function() deep(n - 1, f) end)
  end
  for i = 1, 60 do
    cos[i] = coroutine.create(function()
      local x <close> = setmetatable({}, {__close = function()
        deep(90, function() if cos[i + 1] then assert(coroutine.close(cos[i + 1])) end end)
      end})
      coroutine.yield()
    end)
    coroutine.resume(cos[i])
  end
  assert(coroutine.close(cos[1]))
end
