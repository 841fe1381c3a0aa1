-- expect: hook_error
-- says: refused
-- Formats and times that C does not define.
return function(event)
  if event.id == "next" then return end
  for _, form in ipairs {"%E", "%O", "%Ez", "%", "%!", "%9", "!%", "*t%", "%\0", "%Q"} do assert(not pcall(os.date, form), form) end
  for _, t in ipairs {math.maxinteger, math.mininteger, 1e300, 0 / 0, "x", {}} do assert(not pcall(os.date, "%c", t)) end
  for _, field in ipairs {"year", "month", "day", "hour", "min", "sec"} do
    local date = {year = 2026, month = 1, day = 1}
    for _, value in ipairs {math.maxinteger, math.mininteger, 1e18, "x", {}, 1.5} do
      date[field] = value
      assert(not pcall(os.time, date), field)
    end
  end
  assert(not pcall(os.time, setmetatable({}, {__index = function(t, k) return t[k] end})))
  assert(#os.date(("%c"):rep(1000)) > 1000)
  error("refused")
end
