-- expect: hook_error
-- says: '__tostring' must return a string
return function(event)
  if event.id == "next" then return end
  local object = setmetatable({}, {__tostring = function() return {} end, __name = ("n"):rep(100000)})
  assert(not pcall(tostring, object) and not pcall(print, object))
  assert(#tostring(setmetatable({}, {__name = ("n"):rep(100000)})) > 100000)
  string.format("%s", object)
end
