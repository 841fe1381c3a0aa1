-- expect: hook_error
-- says: attempt to yield across
return function(event)
  if event.id == "next" then return end
  local co = coroutine.wrap(function() table.sort({3, 2, 1}, function() coroutine.yield() end) end)
  co()
end
