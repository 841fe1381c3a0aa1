-- expect: hook_error
-- says: the error is a table
-- What is raised may be anything.
return function(event)
  if event.id == "next" then return end
  local loops = setmetatable({}, {__tostring = function() while true do end end, __index = function() while true do end end, __name = ("x"):rep(1000)})
  for _, value in ipairs {loops, {}, print, 1, true, coroutine.running(), event} do
    local ok, e = pcall(error, value)
    assert(not ok and rawequal(e, value))
    ok, e = xpcall(error, function(...) return ... end, value)
    assert(not ok and rawequal(e, value))
    ok, e = coroutine.resume(coroutine.create(error), value)
    assert(not ok and rawequal(e, value))
    assert(not pcall(coroutine.wrap(error), value))
  end
  error(loops)
end
