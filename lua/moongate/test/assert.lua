-- assert as specs have it, by the names of busted's luassert. Gives it, and what its failures are.
local values = require "moongate.test.show"

local show, same, sorted_keys = values.show, values.same, values.sorted_keys
local host -- where(), nearest()

-- Raised by an assertion that does not hold.
local Failure = {__tostring = function(f) return f.message end}

local function fail(text)
  error(setmetatable({message = (host.where() or "?") .. ": " .. text}, Failure))
end

-- Any error as text.
local function text_of(e)
  if type(e) == "string" then return e end
  local meta = type(e) == "table" and getmetatable(e)
  if type(meta) == "table" and meta.__tostring then return tostring(e) end
  return show(e)
end

-- Each check: n, the least number of values; test(a) gives whether it holds, and a note for its text; text(a, note,
-- no) says what is wrong, `no` when it should not have held; message, where the author's own text is among the values.
local checks = {}

local function two(a, b, no)
  return "\nPassed in:\n" .. a .. (no and "\nDid not expect:\n" or "\nExpected:\n") .. b
end

checks.equal = {n = 2, message = 3,
  test = function(a) return a[1] == a[2] end,
  text = function(a, _, no)
    return (no and "These should not be equal." or "These should be equal.") .. two(show(a[2]), show(a[1]), no)
  end}
checks.same = {n = 2, message = 3,
  test = function(a) return same(a[1], a[2]) end,
  text = function(a, path, no)
    return (no and "These should not be the same." or "These should be the same.") ..
      two(show(a[2], path), show(a[1], path), no)
  end}
checks.truthy = {n = 0, message = 2,
  test = function(a) return a[1] ~= nil and a[1] ~= false end,
  text = function(a, _, no)
    return (no and "This should be false or nil:\n" or "This should be neither false nor nil:\n") .. show(a[1])
  end}
checks.falsy = {n = 0, message = 2,
  test = function(a) return not a[1] end,
  text = function(a, _, no) return checks.truthy.text(a, nil, not no) end}

for _, value in ipairs {true, false} do
  checks[tostring(value)] = {n = 0, message = 2,
    test = function(a) return a[1] == value end,
    text = function(a, _, no)
      return (no and "This value was not wanted." or "Another value was wanted.") .. two(show(a[1]), show(value), no)
    end}
end
for _, name in ipairs {"nil", "boolean", "number", "string", "table", "function", "userdata", "thread"} do
  checks[name] = {n = 0, message = 2,
    test = function(a) return type(a[1]) == name end,
    text = function(a, _, no)
      return (no and "Another type was wanted." or "This has the wrong type.") .. two(show(a[1]), "type " .. name, no)
    end}
end

-- Of the optional values from `first` on: init and plain of string.find, and the author's text.
local function find_options(a, first)
  local init, plain, message
  for i = first, a.n do
    local v = a[i]
    if type(v) == "boolean" then plain = v
    elseif math.type(v) then init = v
    elseif v ~= nil then message = v end
  end
  return init, plain, message
end

local function found(text, pattern, init, plain)
  if plain then return text:find(pattern, init or 1, true) ~= nil, {} end
  local captures = table.pack(text:match(pattern, init or 1))
  return captures[1] ~= nil, captures
end

checks.matches = {n = 2,
  test = function(a)
    local init, plain, message = find_options(a, 3)
    a.message = message
    if type(a[1]) ~= "string" then fail("assert.matches: the pattern is no string:\n" .. show(a[1])) end
    local text = type(a[2]) == "number" and tostring(a[2]) or a[2]
    if type(text) ~= "string" then return false end
    local ok, captures = found(text, a[1], init, plain)
    a.results = captures
    return ok
  end,
  text = function(a, _, no)
    return (no and "The text should not match." or "The text should match.") .. two(show(a[2]), show(a[1]), no)
  end}

checks.near = {n = 3, message = 4,
  test = function(a)
    for i = 1, 3 do
      if not tonumber(a[i]) then fail("assert.near: value " .. i .. " is no number:\n" .. show(a[i])) end
    end
    return math.abs(a[1] - a[2]) <= tonumber(a[3])
  end,
  text = function(a, _, no)
    return (no and "These should not be near." or "These should be near.") ..
      two(show(a[2]), show(a[1]) .. " ± " .. tostring(a[3]), no)
  end}

checks.unique = {n = 1,
  test = function(a)
    local deep = a[2] == true or a[3] == true
    a.message = type(a[2]) == "string" and a[2] or type(a[3]) == "string" and a[3] or nil
    local keys = sorted_keys(a[1])
    for i, k in ipairs(keys) do
      for j = 1, i - 1 do
        local v, w = a[1][k], a[1][keys[j]]
        if v == w or (deep and same(v, w)) then return false end
      end
    end
    return true
  end,
  text = function(a, _, no)
    return (no and "Two of these should be alike:\n" or "No two of these should be alike:\n") .. show(a[1])
  end}

local function callable(f)
  local meta = type(f) == "table" and getmetatable(f)
  return type(f) == "function" or (type(meta) == "table" and meta.__call ~= nil)
end

-- Calls the function: nil if it ended well, else a table with the error, its text without the place.
local function caught(a, name)
  if not callable(a[1]) then fail("assert." .. name .. ": the first value is no function:\n" .. show(a[1])) end
  local ok, e = pcall(a[1])
  if ok then return nil end
  if type(e) == "string" then e = e:gsub("^[^\n]-:%d+: ", "", 1) end
  return {error = e}
end

local function error_text(a, e, no)
  if no then return "There should be no error, but there was:\n" .. show(e.error) end
  return (a[2] == nil and "There should be an error." or "There should be another error.") .. "\nCaught:\n" ..
    (e and show(e.error) or "(no error)") .. "\nExpected:\n" .. (a[2] == nil and "(error)" or show(a[2]))
end

checks.error = {n = 1, message = 3,
  test = function(a)
    local e = caught(a, "error")
    a.results = {e and e.error}
    if not e or a[2] == nil then return e ~= nil, e end
    if type(a[2]) == "string" then return text_of(e.error) == a[2], e end
    return same(a[2], e.error), e
  end,
  text = error_text}
checks.error_matches = {n = 2,
  test = function(a)
    local init, plain, message = find_options(a, 3)
    a.message = message
    if type(a[2]) ~= "string" then fail("assert.error_matches: the pattern is no string:\n" .. show(a[2])) end
    local e = caught(a, "error_matches")
    if not e then return false, e end
    local ok, captures = found(text_of(e.error), a[2], init, plain)
    a.results = ok and captures or {e.error}
    return ok, e
  end,
  text = error_text}

checks.equals, checks.match, checks.errors, checks.error_match =
  checks.equal, checks.matches, checks.error, checks.error_matches

local POSITIVE = {is = true, are = true, was = true, has = true, does = true, have = true}
local NEGATIVE = {["not"] = true, no = true}

local assert_names = {"message"}
for name in pairs(checks) do assert_names[#assert_names + 1] = name end

-- What the second result of a hook adds to a failure: how it ended.
local function note_of(message)
  if message == nil then return "", "" end
  if type(message) == "table" and message.verdict then
    return "", "\nThe hook:\n" .. message.verdict .. (message.reason and ": " .. message.reason or "") ..
      (message.text and "\n" .. message.text or "")
  end
  return (type(message) == "table" and show(message) or tostring(message)) .. "\n", ""
end

local function run_check(check, name, state, ...)
  local a = table.pack(...)
  if a.n < check.n then fail(("assert.%s takes %d values, got %d"):format(name, check.n, a.n)) end
  local ok, note = check.test(a)
  if ok ~= state.no then return table.unpack(a.results or a, 1, a.results and #a.results or a.n) end
  local message = state.message
  if message == nil then message = a.message end
  if message == nil and check.message then message = a[check.message] end
  local first, last = note_of(message)
  fail(first .. check.text(a, note, state.no) .. last)
end

local Chain = {}

-- `are_not` turns the sense, what is left is the name of a check.
local function step(state, key)
  local new = {no = state.no, message = state.message}
  local rest = tostring(key):lower()
  while rest ~= "" do
    local word, after = rest:match("^([^_]*)_?(.*)$")
    if NEGATIVE[word] then new.no = not new.no
    elseif not POSITIVE[word] then break end
    rest = after
  end
  if rest == "message" then
    new.takes_message = true
  elseif rest ~= "" then
    new.check, new.name = checks[rest], rest
    if not new.check then
      error(("assert has no %s%s"):format(tostring(key), host.nearest(rest, assert_names)), 3)
    end
  end
  return setmetatable({state = new}, Chain)
end

function Chain.__index(chain, key)
  return step(rawget(chain, "state"), key)
end

function Chain.__call(chain, ...)
  local state = rawget(chain, "state")
  if state.takes_message then return setmetatable({state = {no = state.no, message = (...)}}, Chain) end
  if not state.check then error("this is no check: a name is missing behind it", 2) end
  return run_check(state.check, state.name, state, ...)
end

local START = {no = false}

local assert = setmetatable({}, {
  __index = function(_, key) return step(START, key) end,
  __newindex = function(_, key) error("assert." .. tostring(key) .. ": assert takes no checks of your own", 2) end,
  __call = function(_, value, message, ...)
    if value then return value, message, ... end
    fail(message == nil and "assertion failed!" or text_of(message))
  end,
})

return function(given)
  host = given
  return {assert = assert, Failure = Failure, text_of = text_of, callable = callable}
end
