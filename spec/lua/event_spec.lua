local gate = require "gate"

describe("event", function()
  it("reads attributes by their types", function()
    gate.run([[
      assert(e.id == "e1" and e.source == "/spec" and e.type == "spec" and e.specversion == "1.0")
      assert(e.n == 7 and math.type(e.n) == "integer" and e.ok == true and e.off == false and e.absent == nil)
      assert(e.time == "2026-01-02T03:04:05Z" and e.longerthantwentycharacters == "x")
      e.longerthantwentycharacters = "y"]],
      gate.event {n = 7, ok = true, off = false, time = "2026-01-02T03:04:05Z", longerthantwentycharacters = "x"})
  end)

  it("sets and removes", function()
    local out = gate.run("e.team, e.level, e.prod, e.subject, e.a = 'ml', -2147483648, true, nil, ''", {subject = "s"})
    assert.same({id = "e1", source = "/spec", type = "spec", team = "ml", level = -2147483648, prod = true, a = ""}, out[1])
  end)

  it("refuses what can never be", function()
    local bad = {
      ["e.Team = 1"] = '"Team" can never be an attribute',
      ["local x = e.some_name"] = '"some_name" can never be an attribute',
      ["local x = e['']"] = "can never be an attribute",
      ["local x = e[1]"] = "is a string, not 1",
      ["e.aaaaaaaaaaaaaaaaaaaaa = 1"] = "too long for a new attribute",
      ["e.id = nil"] = "event.id cannot be removed",
      ["e.source = ''"] = "event.source must not be empty",
      ["e.subject = ''"] = "event.subject must not be empty",
      ["e.type = 3"] = "event.type is a string, not 3",
      ["e.specversion = '1.0'"] = "specversion is read-only",
      ["e.specversion = nil"] = "specversion is read-only",
      ["e.time = 'yesterday'"] = '"yesterday" is not an RFC 3339 time',
      ["e.x = 1.5"] = "1.5 is a float",
      ["e.x = 2147483648"] = "does not fit 32 bits",
      ["e.x = {}"] = "not a table",
      ["e.x = 'a\\nb'"] = "has a control character",
      ["e.x = '\\xff'"] = "not UTF-8",
      ["e.data = 7"] = "event.data is a string, a table",
    }
    for body, why in pairs(bad) do
      assert.error(function() gate.run(body) end, why)
    end
  end)

  it("says at which line", function()
    local out = gate.hook("return function(e)\n  e.team = 'ok'\n  e.Team = 1\nend\n")({})
    assert.equal("failed", out.verdict)
    assert.equal(":3: ", out.text:match("_hook%.lua(:%d+: )"))
  end)

  it("goes over its attributes, required ones first", function()
    local out = gate.run([[
      local names = {}
      for k, v in pairs(e) do assert(e[k] == v) names[#names + 1] = k end
      e.names = table.concat(names, " ")]], {zeta = "1", alpha = "2", subject = "s"})
    assert.equal("specversion id source type alpha subject zeta", out[1].names)
  end)

  it("shows itself as JSON, data cut short", function()
    local out = gate.run("e.text = m.clean(tostring(e)) e.data = ('x'):rep(500) e.short = tostring(e)", {data = "hi"})
    assert.equal('{"specversion":"1.0","id":"e1","source":"/spec","type":"spec","data":"hi"}', out[1].text)
    assert.has("… (500 bytes)", out[1].short)
  end)

  it("renames", function()
    local out = gate.run([[
      m.rename(e, "subject", "topic") m.rename(e, "nothing", "topic") m.rename(e, "n", "count") m.rename(e, "a", "b")
      m.rename(e, "topic", "topic")]], {subject = "s", n = 7, a = "1", b = "2"})
    assert.same({id = "e1", source = "/spec", type = "spec", topic = "s", count = 7, b = "1"}, out[1])
    for body, why in pairs {
      ["m.rename(e, 'id', 'x')"] = "event.id cannot be renamed",
      ["m.rename(e, 'data', 'x')"] = '"data" can never be an attribute',
      ["m.rename(e, 'subject', 'specversion')"] = "specversion is read-only",
      ["m.rename(e, 'subject', 'time')"] = '"s" is not an RFC 3339 time',
    } do
      assert.error(function() gate.run(body, {subject = "s"}) end, why)
    end
  end)

  it("copies with ids of their own", function()
    local out = gate.run("local a, b = m.copy(e), m.copy(e) a.x = 1 return {b, e, a}", {data = {n = 1}})
    assert.same({"e1:2", "e1", "e1:1"}, {out[1].id, out[2].id, out[3].id})
    assert.equal(1, out[3].x)
    assert.is_nil(out[1].x)
    assert.equal('{"n":1}', out[1].data)
  end)

  it("makes new ones", function()
    local out = gate.run("return {m.new{id = 'n', source = '/n', type = 'n', zone = 'z', area = 1, data = {a = {1, 2}}}}")
    assert.equal('{"specversion":"1.0","id":"n","source":"/n","type":"n","datacontenttype":"application/json","area":1,"zone":"z",' ..
      '"data":{"a":[1,2]}}', gate.json(out[1]))
    assert.error(function() gate.run("m.new{id = 'n', type = 't'}") end, "source is missing")
    assert.error(function() gate.run("m.new{id = 'n', type = 't', source = 's', Bad = 1}") end, '"Bad" can never be')
  end)

  it("takes data as a string, a table or nothing", function()
    local out = gate.run("e.data = {b = 1, a = {true, m.json.null}}", {})
    assert.equal('{"a":[true,null],"b":1}', out[1].data)
    assert.equal("application/json", out[1].datacontenttype)
    out = gate.run("e.datacontenttype = 'application/x' e.data = '\\0\\255'")
    assert.has('"data_base64":"AP8="', gate.json(out[1]))
    out = gate.run("e.datacontenttype = 'text/plain' e.data = 'é'")
    assert.has('"data":"é"', gate.json(out[1]))
    out = gate.run([[e.data = '{"a": 1.50}']], {datacontenttype = "application/json"})
    assert.has('"data":{"a": 1.50}', gate.json(out[1]))
    out = gate.run("assert(e.data) e.data = nil assert(e.data == nil)", {data = {}})
    assert.is_nil(out[1].data)
  end)
end)
