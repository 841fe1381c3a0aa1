-- expect: hook_timeout|hook_budget
-- timeout: 100
-- The functions of utf8 and string go over megabytes in one instruction.
return function(event)
  if event.id == "next" then return end
  local s = ("é"):rep(2000):rep(1000)
  assert(not pcall(utf8.codepoint, s, 1, -1) and not pcall(utf8.char, -1) and not pcall(utf8.char, 1 << 31))
  while true do
    assert(utf8.len(s) and utf8.offset(s, 1000000) and s:reverse() and s:lower() and s:upper() ~= s:rep(2))
    for _ in utf8.codes(s) do break end
    pcall(string.byte, s, 1, -1)
    pcall(utf8.len, s:sub(2))
  end
end
