-- expect: hook_memory
-- Out of memory deep inside C, inside a coroutine, inside pcall.
return function(event)
  if event.id == "next" then return end
  local all = {}
  local function eat() while true do all[#all + 1] = ("x"):rep(1 << 10):rep(1 << 17) end end
  pcall(string.gsub, "x", "x", coroutine.wrap(function() pcall(table.sort, {2, 1}, eat) end))
end
