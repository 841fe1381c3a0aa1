-- expect: hook_budget
-- Empty matches, an anchor in gmatch, and one gmatch used in another.
return function(event)
  if event.id == "next" then return end
  for _ = 1, math.huge do
    for _ in ("aaa"):gmatch("^a") do end
    for _ in (""):gmatch("$") do end
    local next_one = ("abc"):gmatch("()")
    for s in next_one do next_one(s) end
    pcall(next_one)
  end
end
