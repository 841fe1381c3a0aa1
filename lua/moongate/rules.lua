-- What `match`, `rename`, `set` and `remove` of a pipeline compile to: rules(conf) gives a hook.
-- conf = {match = {{name, {glob, …}}, …}, rename = {{old, new}, …}, set = {{name, value}, …},
-- remove = {name, …}}
local moongate = require "moongate"
local filters = require "moongate.filters"

local facts = {}
for _, name in ipairs {
  "kind", "org", "project", "domain", "execution", "node", "task", "attempt", "phase", "terminal", "failed",
  "error_code", "error_message",
} do
  facts[name] = true
end

-- How a condition reads its value: a fact of Flyte's events, an attribute of all others.
local function reader(name)
  local is_attribute = not name:find("[^a-z0-9]")
  if not facts[name] then
    return function(event) return event[name] end
  end
  return function(event, flyte)
    if flyte then return flyte[name] end
    return is_attribute and event[name] or nil
  end
end

local function conditions(list)
  local out = {}
  for i, pair in ipairs(list or {}) do
    out[i] = {read = reader(pair[1]), test = filters.glob(table.unpack(pair[2]))}
  end
  return out
end

return function(conf)
  local match, rename = conditions(conf.match), conf.rename or {}
  local set, remove = conf.set or {}, conf.remove or {}
  return function(event, request, flyte)
    for i = 1, #match do
      local value = match[i].read(event, flyte)
      if value == nil or not match[i].test(tostring(value)) then return false end
    end
    for i = 1, #rename do moongate.rename(event, rename[i][1], rename[i][2]) end
    for i = 1, #set do event[set[i][1]] = set[i][2] end
    for i = 1, #remove do event[remove[i]] = nil end
  end
end
