-- expect: hook_budget
-- The fourth value of a for loop is closed when the loop is left.
return function(event)
  if event.id == "next" then return end
  local value = setmetatable({}, {__close = function() while true do end end})
  for i in function(_, n) return n + 1 end, nil, 0, value do
    if i == 3 then break end
  end
end
