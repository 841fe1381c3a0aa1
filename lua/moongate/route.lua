-- Chooses where an event goes, by what it says:
--   local route = require "moongate.route"
--   local choose = route.first {
--     {filters.failed, topic = "alerts"},
--     {filters.project "ml-*", topic = "ml-{domain}", key = "{execution}", headers = {team = "ml"}},
--     {topic = "rest"},                                        -- no condition: everything else
--   }
--   return function(event, request, flyte) choose(event, flyte) end
-- The publisher's `routes` say which topics (Kafka) or URLs (HTTP) a hook may choose.
local moongate = require "moongate"

local route = {}

-- A text with {names} filled in: facts of Flyte's events, else attributes. Absent ones are empty.
function route.fill(template, event, flyte)
  return (template:gsub("{([%w_]+)}", function(name)
    local value = flyte and flyte[name]
    if value == nil and not name:find("[^a-z0-9]") then value = event[name] end
    return value == nil and "" or tostring(value)
  end))
end

-- A text that can be a part of a topic's name: what is no letter, digit, `.`, `_` or `-` becomes `-`.
function route.topic(text)
  return (text:gsub("[^%w._-]", "-"):sub(1, 249))
end

-- What moongate.route gets for one rule.
local function target(rule, event, flyte)
  local headers
  for name, value in pairs(rule.headers or {}) do
    headers = headers or {}
    headers[name] = route.fill(value, event, flyte)
  end
  return {topic = rule.topic and route.fill(rule.topic, event, flyte),
          key = rule.key and route.fill(rule.key, event, flyte), headers = headers}
end

-- The first rule whose condition holds decides; gives the rule, or nil when none does and the event goes where the
-- pipeline's publisher says. A condition is a function of (event, flyte), as those of moongate.filters.
function route.first(rules)
  for i, rule in ipairs(rules) do
    if rule[1] ~= nil and type(rule[1]) ~= "function" then
      error(("route.first: rule %d begins with its condition, a function of (event, flyte), or has none; got %s")
        :format(i, tostring(rule[1])), 2)
    end
  end
  return function(event, flyte)
    for _, rule in ipairs(rules) do
      if not rule[1] or rule[1](event, flyte) then
        moongate.route(event, target(rule, event, flyte))
        return rule
      end
    end
  end
end

-- By one fact: route.by("project", {["ml-a"] = {topic = "ml"}}, {topic = "rest"}).
function route.by(fact, targets, default)
  return function(event, flyte)
    local value = flyte and flyte[fact]
    local rule = value ~= nil and targets[value] or default
    if rule then moongate.route(event, target(rule, event, flyte)) end
    return rule
  end
end

return route
