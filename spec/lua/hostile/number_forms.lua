-- expect: hook_budget|hook_timeout|hook_memory
-- timeout: 100
-- Numbers of a million digits, read and written.
return function(event)
  if event.id == "next" then return end
  local digits = ("9"):rep(1000000)
  assert(tonumber(digits) and tonumber("0x" .. digits) and tonumber(digits, 36) and not tonumber(digits .. "x"))
  assert(not pcall(tonumber, digits, 99) and not pcall(math.random, 2, 1) and not pcall(function() return 1 // 0 end))
  local n = 0
  while true do n = n + (digits + 0) + ("0x.%sp-10"):format(digits) end
end
