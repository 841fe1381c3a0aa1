-- expect: hook_budget
-- What a script makes of its own _ENV is its own.
return function(event)
  if event.id == "next" then return end
  local outer = _ENV
  assert(not pcall(function() x = 1 end) and not pcall(load("y = 1")) and not pcall(rawset, _G, "z", 1) and _G == _ENV)
  do
    local _ENV = {}
    a = 1
  end
  assert(not outer.a and not pcall(load("string.rep = 1")) and not pcall(load("_G.x = 1")) and not pcall(load("_ENV.x = 1")))
  local _ENV = setmetatable({}, {__index = function(t, k) while true do end end})
  return b
end
