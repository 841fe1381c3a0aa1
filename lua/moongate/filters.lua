-- Conditions to put together in a hook:
--   local f = require "moongate.filters"
--   local keep = f.all {f.project "ml-*", f.failed}
--   return function(event, request, flyte) if not keep(event, flyte) then return false, "not ours" end end
local filters = {}

-- A function that says whether a text is one of the globs (* any run, ? one character).
function filters.glob(...)
  local exact, patterns = {}, {}
  for _, glob in ipairs {...} do
    if glob:find("[*?]") then
      local p = glob:gsub("[^%w*?]", "%%%0"):gsub("%*+", ".*"):gsub("%?", "[%%z\1-\127\194-\253][\128-\191]*")
      patterns[#patterns + 1] = "^" .. p .. "$"
    else
      exact[glob] = true
    end
  end
  return function(text)
    if exact[text] then return true end
    for i = 1, #patterns do
      if text:find(patterns[i]) then return true end
    end
    return false
  end
end

-- A fact of Flyte's events is one of the globs: filters.fact("phase", "FAILED", "TIMED_OUT").
function filters.fact(name, ...)
  local test = filters.glob(...)
  return function(_, flyte)
    local value = flyte and flyte[name]
    return value ~= nil and test(tostring(value))
  end
end

function filters.project(...) return filters.fact("project", ...) end
function filters.phase(...) return filters.fact("phase", ...) end
function filters.kind(...) return filters.fact("kind", ...) end

function filters.failed(_, flyte) return flyte ~= nil and flyte.failed end
function filters.terminal(_, flyte) return flyte ~= nil and flyte.terminal end

-- An attribute is one of the globs.
function filters.attribute(name, ...)
  local test = filters.glob(...)
  return function(event)
    local value = event[name]
    return value ~= nil and test(tostring(value))
  end
end

function filters.all(list)
  return function(event, flyte)
    for i = 1, #list do
      if not list[i](event, flyte) then return false end
    end
    return true
  end
end

function filters.any(list)
  return function(event, flyte)
    for i = 1, #list do
      if list[i](event, flyte) then return true end
    end
    return false
  end
end

function filters.none(condition)
  return function(event, flyte) return not condition(event, flyte) end
end

return filters
