-- expect: hook_error|hook_budget
-- says: C stack overflow
-- Coroutines inside replacements inside coroutines, to the end of the C stack.
return function(event)
  if event.id == "next" then return end
  local function dig(n)
    return ("x"):gsub("x", coroutine.wrap(function() dig(n + 1) end))
  end
  assert(not pcall(("x").gsub, "x", "x", coroutine.yield))
  dig(1)
end
