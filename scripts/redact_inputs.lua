-- Hides values before events leave the platform: inputs and outputs that travel inside requests, what error messages
-- quote, and members of JSON data. The name of an input stays, so that a reader sees what a task got and not what was
-- in it.
-- params: keep (inputs and outputs that may be seen), members (globs of names in JSON data).
local moongate = require "moongate"
local redact = require "moongate.redact"

local params = moongate.params
local keep, members = params.keep or {}, params.members or {"password", "secret", "*_token", "*_key"}

return function(event, request)
  if request then
    redact.literals(request, keep)
    local failure = request.event.error
    if failure and failure.message ~= "" then failure.message = redact.text(failure.message) end
  else
    redact.data(event, members)
  end
end
