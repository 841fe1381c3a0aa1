-- expect: hook_memory|hook_timeout
-- timeout: 100
-- Sizes that do not exist, and one that does.
return function(event)
  if event.id == "next" then return end
  for _, form in ipairs {"i17", "i0", "!17i4", "!3i4", "c", "Xz", "X", "c2147483647c2147483647", "i99999999999999999999", "s17"} do
    assert(not pcall(string.packsize, form), form)
  end
  assert(not pcall(string.unpack, "s8", ("\xff"):rep(8))
    and not pcall(string.unpack, "z", "abc"))
  string.pack("c2000000000", "")
end
