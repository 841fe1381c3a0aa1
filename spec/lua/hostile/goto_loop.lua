-- expect: hook_budget
return function(event)
  if event.id == "next" then return end
  ::top::
  do goto bottom end
  ::bottom::
  goto top
end
