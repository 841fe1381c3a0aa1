-- expect: hook_budget
-- Patterns as large as the text, frontiers and balances at every byte.
return function(event)
  if event.id == "next" then return end
  local a = ("a"):rep(50000)
  pcall(string.find, a, ("a?"):rep(50000))
  pcall(string.find, a, "[" .. ("a-b"):rep(50000) .. "]*c")
  assert(not pcall(string.find, a, ("("):rep(50000)) and not pcall(string.find, a, ("%f"):rep(50000)))
  for s in (("("):rep(50000)):gmatch("%b()") do a = s end
  for s in a:gmatch("%f[a].-%f[b]") do a = s end
end
