-- expect: hook_error
-- says: refused
-- Bytecode can crash the virtual machine.
return function(event)
  if event.id == "next" then return end
  local code = "\27Lua\x54\0\x19\x93\r\n\x1a\n"
  assert(not string.dump)
  for _, mode in ipairs {"b", "bt", "t", "", "x", "\0b"} do
    assert(not load(code, "x", mode))
    assert(not load(function() local c = code code = nil return c end, "=x", mode))
    code = "\27Lua\x54\0\x19\x93\r\n\x1a\n"
  end
  assert(not load("#\n" .. code) and not load("\xef\xbb\xbf" .. code))
  error("refused")
end
