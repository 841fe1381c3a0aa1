-- Sends failures, a team's projects and everything else to topics of their own, by rules in order: the first that holds
-- decides. The publisher's `routes` has to list the topics (patterns), or the script's mistake could send anything
-- anywhere.
-- params: failures, rest (topics; absent: the publisher's own), teams (project glob: topic; {names} are facts or
-- attributes).
local moongate = require "moongate"
local filters = require "moongate.filters"
local route = require "moongate.route"

local params = moongate.params
local rules = {}
if params.failures then rules[1] = {filters.failed, topic = params.failures, headers = {phase = "{phase}"}} end
local globs = {}
for glob in pairs(params.teams or {}) do globs[#globs + 1] = glob end
table.sort(globs)
for _, glob in ipairs(globs) do
  rules[#rules + 1] = {filters.project(glob), topic = params.teams[glob], key = "{execution}"}
end
rules[#rules + 1] = {topic = params.rest}

local choose = route.first(rules)

return function(event, _, flyte)
  if flyte then choose(event, flyte) end
end
