-- expect: hook_budget
-- Many variables to close, each of which loops when it is left by an error.
return function(event)
  if event.id == "next" then return end
  local meta = {__close = function() while true do end end}
  local function nest(n)
    local x <close> = setmetatable({}, meta)
    if n > 0 then nest(n - 1) end
    error("out")
  end
  pcall(nest, 150)
end
