-- expect: hook_budget
return function(event)
  if event.id == "next" then return end
  local t = {}
  while true do
    table.insert(t, 1, #t)
    table.move(t, 1, #t, 2)
    table.remove(t, 1)
    table.insert(t, 1, #t)
  end
end
