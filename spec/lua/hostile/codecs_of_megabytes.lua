-- expect: hook_budget|hook_timeout|hook_memory
-- timeout: 100
local m = require "moongate"
return function(event)
  if event.id == "next" then return end
  local s = ("\1é"):rep(500000)
  while true do
    m.sha256(s)
    m.hmac_sha256(s, s)
    m.hash(s, 7)
    m.clean(s)
    assert(m.base64.decode(m.base64.encode(s)) == s and #m.hex(s) == 2 * #s and m.uuid())
  end
end
