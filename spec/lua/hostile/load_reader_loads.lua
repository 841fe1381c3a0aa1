-- expect: hook_error
-- says: C stack overflow
-- A reader that loads with itself, down to the end of the C stack.
return function(event)
  if event.id == "next" then return end
  local function reader() return assert(load(reader)) end
  load(reader)
end
