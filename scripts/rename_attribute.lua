-- Moves an attribute to another name: Flyte documents `jsonschemaurl`, CloudEvents' own name for it is `dataschema`.
-- The configuration's `rename:` does the same without Lua; this is the place to start when a condition comes with it.
-- params: from, to (names of attributes; from is jsonschemaurl and to dataschema if absent).
local moongate = require "moongate"

return function(event)
  moongate.rename(event, moongate.params.from or "jsonschemaurl", moongate.params.to or "dataschema")
end
