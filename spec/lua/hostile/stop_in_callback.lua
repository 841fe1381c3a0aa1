-- expect: hook_budget
-- The stop comes where Lua cannot yield, below several catchers and closers.
return function(event)
  if event.id == "next" then return end
  local meta = {__close = function() while true do end end}
  pcall(string.gsub, "x", "x", function()
    local a <close> = setmetatable({}, meta)
    pcall(table.sort, {2, 1}, function()
      local b <close> = setmetatable({}, meta)
      xpcall(load, function() while true do end end, function()
        local c <close> = setmetatable({}, meta)
        coroutine.wrap(function() while true do end end)()
      end)
    end)
  end)
end
