-- expect: hook_budget
return function(event)
  if event.id == "next" then return end
  local a, b
  a = coroutine.create(function() while true do coroutine.yield(coroutine.resume(b)) end end)
  b = coroutine.create(function() while true do coroutine.yield(coroutine.resume(a)) end end)
  assert(not coroutine.resume(coroutine.running()))
  while true do
    coroutine.resume(a)
    coroutine.resume(b)
  end
end
