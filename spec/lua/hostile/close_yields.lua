-- expect: hook_budget
-- A coroutine that yields while it is closed, for ever.
return function(event)
  if event.id == "next" then return end
  local co = coroutine.wrap(function()
    for _ = 1, math.huge do
      local x <close> = setmetatable({}, {__close = function() coroutine.yield() end})
    end
  end)
  while true do co() end
end
