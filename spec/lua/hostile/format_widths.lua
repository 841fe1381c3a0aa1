-- expect: hook_budget|hook_memory|hook_timeout
-- timeout: 100
-- Long forms of numbers, many at once.
return function(event)
  if event.id == "next" then return end
  for _, form in ipairs {"%100d", "%.100f", "%99999s", "%.-1d", "%-+ #0999d", "%q%", "%", "%!", "%10q"} do
    assert(not pcall(string.format, form, 1, 2), form)
  end
  local form, numbers = ("%99.99f"):rep(100), {}
  for i = 1, 100 do numbers[i] = 1e308 end
  while true do form:format(table.unpack(numbers)) end
end
