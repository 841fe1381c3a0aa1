-- expect: hook_budget|hook_memory
-- Weak values and weak both, as keys of each other, and a mode that changes under way.
return function(event)
  if event.id == "next" then return end
  local meta = {__mode = "v"}
  local t = setmetatable({}, meta)
  for i = 1, math.huge do
    t[setmetatable({}, {__mode = "kv"})] = {t}
    meta.__mode = i % 3 == 0 and "k" or i % 3 == 1 and "kv" or i
  end
end
