-- expect: hook_budget
local m = require "moongate"
return function(event)
  if event.id == "next" then return end
  local object = setmetatable({}, {__tostring = function() while true do end end, __name = "x"})
  pcall(m.log.info, "x", {a = object})
  pcall(print, object)
end
