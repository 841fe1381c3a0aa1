-- expect: hook_error
-- says: innermost
-- Closing raises, again and again, each time with the value before it inside.
return function(event)
  if event.id == "next" then return end
  local meta = {__close = function(_, e) error({e}, 0) end}
  local function nest(n)
    local x <close> = setmetatable({}, meta)
    if n > 0 then return nest(n - 1), 1 end
    error("innermost")
  end
  nest(150)
end
