-- expect: hook_error
-- says: refused
-- More locals, upvalues and constants than Lua has room for.
local function list(n, form)
  local t = {}
  for i = 1, n do t[i] = form:format(i) end
  return table.concat(t, " ")
end
return function(event)
  if event.id == "next" then return end
  assert(not load(list(250, "local a%d")))
  assert(load("local a = 1 function f() " .. list(300, "do local b = a + %d end") .. " end"))
  assert(load("return {" .. list(8000, "%d.5,") .. "}"))
  assert(load("return {" .. list(8000, "'k%d',") .. "}"))
  assert(not load("local a <close>, b <close> = 1, 2"))
  assert(not load("goto x"))
  error("refused")
end
