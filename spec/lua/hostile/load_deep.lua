-- expect: hook_error
-- says: refused
-- Nested source would use up the C stack of the compiler.
return function(event)
  if event.id == "next" then return end
  local n = 10000
  local deep = {
    ("("):rep(n), ("{"):rep(n), ("["):rep(n), "x = " .. ("a.."):rep(n) .. "a", "x = " .. ("not "):rep(n) .. "a", "x = " .. ("-"):rep(n) .. "a",
    ("x = function() "):rep(n), ("do "):rep(n), ("while a do "):rep(n), "x = " .. ("a^"):rep(n) .. "a", "f" .. ("(f"):rep(n), "a" .. ("[a"):rep(n),
  }
  for _, text in ipairs(deep) do
    local f, why = load(text:sub(1, 20000))
    assert(not f and #why < 1000, why)
  end
  error("refused")
end
