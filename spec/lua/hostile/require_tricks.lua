-- expect: hook_error
-- says: refused
-- No path leads out of the script's folder and lua/.
return function(event)
  if event.id == "next" then return end
  for _, name in ipairs {"..", "../x", "...x", "/etc/passwd", "etc/passwd", "a\0b", "", ".", "./x", "x/../y", "..etc.passwd", ".etc.passwd", "proc.self.environ",
    "dev.zero", "io", "debug", "package", "os", "ffi", "~root", "x y", "%s", "moongate\0", "MOONGATE", ("a."):rep(3000) .. "b"} do
    assert(not pcall(require, name), name)
  end
  assert(not pcall(require) and not pcall(require, {}) and not package and not pcall(require, nil))
  error("refused")
end
