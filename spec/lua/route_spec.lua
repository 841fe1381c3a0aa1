local gate = require "gate"

local kafka = {publisher = "kafka", routes = {"team-*", "audit"}}
local http = {publisher = "http", routes = {"https://*.example.org/hooks/*", "http://127.0.0.1:80/x?id=*"}}

local function route(fields, conf)
  return gate.route(gate.run("m.route(e, " .. fields .. ")", {}, conf)[1])
end

local function fails(why, fields, conf)
  assert.error(function() route(fields, conf) end, why)
end

describe("moongate.route", function()
  it("says where an event goes", function()
    assert.same({topic = "team-ml", key = "k", headers = {"a=1", "b=2"}},
      route("{topic = 'team-ml', key = 'k', headers = {b = '2', a = '1'}}", kafka))
    assert.same({topic = "audit", headers = {}}, route("{topic = 'audit'}", kafka))
    assert.same({key = "", headers = {}}, route("{key = ''}", kafka))
    assert.same({headers = {}}, route("{}", kafka))
    assert.is_nil(gate.route(gate.run("", {}, kafka)[1]))
  end)

  it("is what was said last, as a whole", function()
    local out = gate.run("m.route(e, {topic = 'audit', key = 'k'}) m.route(e, {key = 'l'})", {}, kafka)
    assert.same({key = "l", headers = {}}, gate.route(out[1]))
  end)

  it("goes along with a copy, and with the event to the next hook", function()
    local hook = gate.hook({
      "local m = require 'moongate'\nreturn function(e) m.route(e, {topic = 'audit'}) local c = m.copy(e) " ..
        "m.route(e, {key = 'k'}) return {e, c, m.new{id = 'n', source = 's', type = 't'}} end\n",
      "return function(e) e.seen = true end\n"}, kafka)
    local out = hook {}
    assert.same({key = "k", headers = {}}, gate.route(out[1]))
    assert.same({topic = "audit", headers = {}}, gate.route(out[2]))
    assert.is_nil(gate.route(out[3]))
  end)

  it("keeps to the publisher's routes", function()
    fails('topic "x" is none of what publisher.routes allows: team-*, audit', "{topic = 'x'}", kafka)
    fails('topic "audit2" is none of', "{topic = 'audit2'}", kafka)
    fails('topic "x": a hook chooses the topic only from those that publisher.routes allows; there is no such key',
      "{topic = 'x'}", {publisher = "kafka"})
    fails("a hook chooses the URL only from", "{topic = 'https://a.example.org/'}", {publisher = "http"})
    fails('topic "x": publisher file has one destination', "{topic = 'x'}", {publisher = "file"})
    assert.equal("x", route("{topic = 'x'}", {publisher = "null"}).topic)
    fails('topic "x" is none of', "{topic = 'x'}", {publisher = "null", routes = {"y"}})
    assert.equal("any where", route("{topic = 'any where'}").topic)
  end)

  it("needs no routes for a key and headers", function()
    assert.same({key = "k", headers = {"a=1"}}, route("{key = 'k', headers = {a = '1'}}", {publisher = "kafka"}))
    assert.same({key = "k", headers = {}}, route("{key = 'k'}", {publisher = "file"}))
  end)

  it("holds a URL to its pattern part by part", function()
    assert.equal("https://a.example.org/hooks/1", route("{topic = 'https://a.example.org/hooks/1'}", http).topic)
    assert.equal("http://127.0.0.1:80/x?id=7", route("{topic = 'http://127.0.0.1:80/x?id=7'}", http).topic)
    for _, rest in ipairs {"a%2Fb", "..a%2f...", "a%5C..b", "a;../b", "a?x=%2f..%2f"} do
      local url = "https://a.example.org/hooks/" .. rest
      assert.equal(url, route("{topic = '" .. url .. "'}", http).topic)
    end
    for url, why in pairs {
      ["http://a.example.org/hooks/1"] = "is none of",
      ["https://evil.net/.example.org/hooks/1"] = "is none of",
      ["https://evil.net?.example.org/hooks/1"] = "is none of",
      ["https://evil.net:443/a.example.org/hooks/1"] = "is none of",
      ["https://example.org/hooks/1"] = "is none of",
      ["https://a.example.org/other"] = "is none of",
      ["http://127.0.0.1:8080/x?id=7"] = "is none of",
      ["https://evil.net#.example.org/hooks/1"] = "its path has a character",
      ["https://evil.net\\\\.example.org/hooks/1"] = "its host has letters",
      ["https://user@a.example.org/hooks/1"] = "its host has letters",
      ["https://a.example.org/hooks/../admin"] = "goes up",
      ["https://a.example.org/hooks/%2E%2e/admin"] = "goes up",
      ["https://a.example.org/hooks/."] = "goes up",
      ["https://a.example.org/hooks/..%2Fadmin"] = "goes up",
      ["https://a.example.org/hooks/x%2f%2e%2e%2fadmin"] = "goes up",
      ["https://a.example.org/hooks/x%5C..%5cadmin"] = "goes up",
      ["https://a.example.org/hooks/..;a=1/admin"] = "goes up",
      ["https://a.example.org/hooks/a b"] = "has a character",
      ["https:///hooks/1"] = "no host",
      ["ftp://a.example.org/hooks/1"] = "begins with http",
      ["//a.example.org/hooks/1"] = "begins with http",
    } do
      fails(why, "{topic = '" .. url .. "'}", http)
    end
  end)

  it("refuses topics that are none", function()
    fails("topic has 1 to 2048 bytes", "{topic = ''}", kafka)
    fails("none of them 0", "{topic = 'team-\\0'}", kafka)
    fails("a topic has letters, digits", "{topic = 'team-ä'}", kafka)
    fails("a topic has 1 to 249 characters", "{topic = ('x'):rep(250)}", kafka)
    fails('".." is no topic', "{topic = '..'}", {publisher = "kafka", routes = {"*"}})
  end)

  it("sets no header that is not a hook's to set", function()
    for _, name in ipairs {"content-type", "Content-Type", "ce-id", "ce_id", "CE-Source", "Authorization", "proxy-authorization"} do
      fails("is not a hook's to set", "{headers = {['" .. name .. "'] = 'x'}}", {publisher = "kafka"})
      fails("is not a hook's to set", "{headers = {['" .. name .. "'] = 'x'}}", {publisher = "http"})
    end
    for _, name in ipairs {"Content-Length", "Host", "transfer-encoding", "webhook-id", "WebHook-Request-Origin", "connection", "a b", "é"} do
      fails("headers: " .. name, "{headers = {['" .. name .. "'] = 'x'}}", {publisher = "http"})
    end
    fails("its value has a control character", "{headers = {a = 'x\\r\\nb: y'}}", {publisher = "http"})
    fails("is no name", "{headers = {[''] = 'x'}}", {publisher = "kafka"})
    fails("is no name", "{headers = {['\\xff'] = 'x'}}", {publisher = "kafka"})
    assert.same({"X-Team=ml", "a=\tb"}, route("{headers = {['X-Team'] = 'ml', a = '\\tb'}}", {publisher = "http"}).headers)
  end)

  it("says what a route is made of", function()
    fails('a route has topic, key and headers, not "topics" (did you mean "topic"?)', "{topics = 'x'}")
    fails("not 1", "{'x'}")
    fails("topic is a string, not 1", "{topic = 1}")
    fails("key is a string, not true", "{key = true}")
    fails('headers is a table, not "x"', "{headers = 'x'}")
    fails("headers are strings by name, not 1", "{headers = {a = 1}}")
    fails("headers are strings by name, not 1", "{headers = {'a'}}")
    fails("a table expected, got nil", "nil")
    fails("more than 64 headers", "(function() local h = {} for i = 1, 65 do h['h' .. i] = 'x' end return {headers = h} end)()")
    fails("not enough memory", "(function() for i = 1, 1e6 do m.route(e, {key = ('k'):rep(1000)}) end end)()",
      {instructions = 100000000, memory = 2 << 20})
    assert.error(function() gate.run("m.route({}, {})") end, "an event expected, got a table")
  end)

  it("says at which line", function()
    local out = gate.hook("local m = require 'moongate'\nreturn function(e)\n  m.route(e, {topic = 'x'})\nend\n", kafka)({})
    assert.equal(":3: ", out.text:match("_hook%.lua(:%d+: )"))
  end)

  it("is chosen by a fact with the module", function()
    local hook = gate.hook([[
      local by = require("moongate.route").by("project", {ml = {topic = "ml-{phase}", key = "{execution}"}}, {topic = "rest"})
      return function(event, _, flyte) by(event, flyte) end
    ]], {publisher = "kafka", routes = {"*"}})
    local function chosen(t)
      local to = gate.route(hook(gate.task(t))[1])
      return to.topic, to.key
    end
    local topic, key = chosen {project = "ml", name = "f1"}
    assert.equal("ml-RUNNING", topic)
    assert.equal("f1", key)
    assert.equal("rest", (chosen {project = "ads"}))
  end)
end)
