-- expect: hook_error|hook_memory
-- Metamethods that need themselves.
return function(event)
  if event.id == "next" then return end
  local meta, object = {}, nil
  object = setmetatable({}, meta)
  local other = setmetatable({}, meta)
  meta.__index = function(t, k) return t[k] end
  meta.__newindex = function(t, k, v) t[k] = v end
  meta.__call = function(t) return (t()) end
  meta.__concat = function(a, b) return a .. b end
  meta.__eq = function(a, b) return a == b end
  meta.__lt = function(a, b) return a < b end
  meta.__le = function(a, b) return not (b < a) end
  meta.__len = function(a) return #a end
  meta.__unm = function(a) return -a end
  meta.__add = function(a, b) return a + b end
  meta.__shl = function(a, b) return a << b end
  meta.__tostring = function(a) return tostring(a) end
  meta.__pairs = function(a) return pairs(a) end
  local tries = {
    function() return object.x end, function() object.x = 1 end, function() return object() end, function() return object .. other end,
    function() return object == other end, function() return object < other end, function() return object <= other end,
    function() return #object end, function() return -object end, function() return object + 1 end, function() return 1 << object end,
    function() return tostring(object) end, function() for _ in pairs(object) do end end, function() return table.concat(object) end,
    function() return table.unpack(object) end, function() return ("x"):gsub("x", object) end, function() return load(object) end,
  }
  for i, try in ipairs(tries) do assert(not pcall(try), i) end
  tries[1]()
end
