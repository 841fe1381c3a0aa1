-- expect: hook_memory|hook_budget
-- Closures that hold each other's variables open.
return function(event)
  if event.id == "next" then return end
  local keep = {}
  local function make(n)
    local a, b, c = n, {}, ("x"):rep(n % 100)
    keep[#keep + 1] = function() a, b = b, c return make(n) end
    if n % 100 > 0 then make(n + 1) end
  end
  for i = 1, math.huge do make(i) end
end
