-- expect: hook_budget
-- pcall of pcall of pcall, handlers that raise, handlers that are handlers.
return function(event)
  if event.id == "next" then return end
  local pcalls = {}
  for i = 1, 250 do pcalls[i] = pcall end
  assert(pcall(table.unpack(pcalls)) ~= nil)
  assert(not xpcall(error, function() error() end) and not xpcall(error, error) and not pcall(xpcall))
  local function handler(e) return select(2, xpcall(error, handler, e)) end
  xpcall(error, handler)
  while true do xpcall(xpcall, xpcall, xpcall, pcall, xpcall) end
end
