-- expect: hook_budget
return function(event)
  if event.id == "next" then return end
  local object = setmetatable({}, {__tostring = function() while true do end end})
  pcall(string.format, "%s", object)
end
