-- Turns each failure into a Slack message, for a pipeline whose publisher posts to an incoming webhook of Slack.
-- Use it with `format: {mode: binary}`: then the body of the request is the data alone, which is what Slack wants.
-- The message names the execution, links to the console and quotes the error, cut short.
-- params: console (the address of Flyte's console), channel (absent: the webhook's own).
local moongate = require "moongate"

local params = moongate.params

-- Slack's own escapes: these three characters begin links and entities.
local function escaped(text)
  return (tostring(text):gsub("[&<>]", {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;"}))
end

-- At most n bytes, never half a character.
local function cut(text, n)
  if #text <= n then return text end
  local at = utf8.offset(text, 0, n + 1)
  return text:sub(1, at - 1) .. "…"
end

local function title(flyte)
  local name = escaped(("%s/%s/%s"):format(flyte.project, flyte.domain, flyte.execution))
  if not params.console then return name end
  return ("<%s/console/projects/%s/domains/%s/executions/%s|%s>"):format(params.console, flyte.project, flyte.domain,
                                                                         flyte.execution, name)
end

local function what(flyte)
  if flyte.kind == "task" then return ("task `%s`, attempt %d"):format(escaped(flyte.task), flyte.attempt + 1) end
  if flyte.kind == "node" then return ("node `%s`"):format(escaped(flyte.node)) end
  return flyte.kind
end

return {
  event_types = {"workflow", "task"},
  description = "failures as Slack messages",
  on_event = function(event, _, flyte)
    if not flyte.failed then return false, "not a failure" end
    local message = flyte.error_message or "no message"
    local head = ("*%s* %s\n%s"):format(flyte.phase, title(flyte), what(flyte))
    event.data = {
      channel = params.channel,
      text = ("*%s* %s (%s)"):format(flyte.phase, title(flyte), what(flyte)),
      blocks = {
        {type = "section", text = {type = "mrkdwn", text = head}},
        {type = "section", text = {type = "mrkdwn", text = "```" .. cut(escaped(message), 2500) .. "```"}},
      },
    }
  end,
}
