local enrich = require "moongate.enrich"

describe("moongate.enrich", function()
  it("makes attributes of facts", function()
    local event = {}
    local flyte = {project = "ml", attempt = 2, failed = true, error_code = "a\nb", error_message = ("x"):rep(500)}
    enrich.facts(event, flyte, {"project", "attempt", "failed", "error_code", "error_message", "node"})
    assert.same({project = "ml", attempt = 2, failed = true, errorcode = "a b", errormessage = ("x"):rep(400)}, event)
  end)
  it("leaves an event alone that is not Flyte's", function()
    local event = {}
    enrich.facts(event, nil, {"project"})
    assert.same({}, event)
  end)
  it("looks values up", function()
    local event, teams = {old = "x"}, {ml = "a", off = false}
    enrich.lookup(event, "team", teams, "ml", "nobody")
    enrich.lookup(event, "other", teams, "ads", "nobody")
    enrich.lookup(event, "none", teams, nil, "nobody")
    enrich.lookup(event, "on", teams, "off")
    enrich.lookup(event, "old", teams, "ads")
    assert.same({old = "x", team = "a", other = "nobody", none = "nobody", on = false}, event)
  end)
end)
