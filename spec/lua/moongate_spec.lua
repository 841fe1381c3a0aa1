local gate = require "gate"

local function value(expression, input, conf)
  return gate.run("e.data = {v = " .. expression .. "}", input, conf)[1].data
end

describe("moongate.json", function()
  it("encodes, keys sorted", function()
    gate.run([[
      local function enc(v, want) local got = m.json.encode(v) assert(got == want, got) end
      enc({b = 1, a = {1, 2.5, "x\n", true, m.json.null}}, '{"a":[1,2.5,"x\\n",true,null],"b":1}')
      enc({}, "{}") enc("x", '"x"') enc(nil, "null") enc(math.maxinteger, "9223372036854775807")
      enc(m.json.decode("[]"), "[]") enc(m.params, '{"list":[1,2],"name":"n"}')]], {}, {params = {name = "n", list = {1, 2}}})
    for body, why in pairs {
      ["m.json.encode({1, a = 2})"] = "this one has the key 1",
      ["m.json.encode({1, nil, 3})"] = "moongate.json.null fills a gap",
      ["m.json.encode(print)"] = "no form for a function",
      ["m.json.encode(0/0)"] = "no number",
      ["m.json.encode('\\xff')"] = "not UTF-8 at byte 1",
      ["local t = {} t.t = t m.json.encode(t)"] = "nest more than 100 deep",
      ["m.json.encode()"] = "value expected",
    } do
      assert.error(function() gate.run(body) end, why)
    end
  end)

  it("decodes", function()
    gate.run([[
      local t = m.json.decode(' {"a": [1, -2.5e1, "\\u00e9", null, true], "big": 12345678901234567890, "o": {}} ')
      assert(t.a[1] == 1 and math.type(t.a[1]) == "integer" and t.a[2] == -25.0 and t.a[3] == "é")
      assert(t.a[4] == m.json.null and t.a[5] == true and t.big == "12345678901234567890")
      assert(m.json.decode("9223372036854775807") == math.maxinteger)
      assert(m.json.decode("-9223372036854775808") == math.mininteger)
      assert(m.json.decode("9223372036854775808") == "9223372036854775808" and m.json.decode('"x"') == "x")]])
    for text, why in pairs {['{"a":}'] = "line 1, column 6", [""] = "JSON", ["[1] 2"] = "JSON", ["{'a':1}"] = "JSON",
      ["[1,]"] = "line 1, column 4: not a JSON value", NaN = "column 1: not a JSON value"} do
      assert.error(function() gate.run(("m.json.decode(%q)"):format(text)) end, why)
    end
    assert.error(function() gate.run("m.json.decode(('['):rep(200))") end, "JSON")
  end)
end)

describe("moongate's codecs", function()
  it("base64, hex and hashes", function()
    gate.run([[
      assert(m.base64.encode("\0\255a") == "AP9h" and m.base64.decode("AP9h") == "\0\255a" and m.base64.decode("-_8") == "\251\255")
      assert(m.hex("\0\255") == "00ff")
      assert(m.hex(m.sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
      assert(m.hex(m.hmac_sha256("key", "The quick brown fox jumps over the lazy dog")) ==
        "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8")
      assert(m.u64(-1) == "18446744073709551615" and m.u64(5) == "5")]])
    assert.error(function() gate.run("m.base64.decode('!')") end, 'not base64: "!"')
  end)

  it("hash and uuid are stable", function()
    local body = [[
      local n = {}
      for i = 1, 1000 do local h = m.hash("key" .. i, 10) assert(h >= 0 and h < 10) n[h] = (n[h] or 0) + 1 end
      for i = 0, 9 do assert(n[i] > 50) end
      e.h, e.u = m.hash("x", 1000000), m.uuid() .. " " .. m.uuid()]]
    local a, b = gate.run(body)[1], gate.run(body)[1]
    assert.equal(a.h, b.h)
    assert.equal(a.u, b.u)
    local x, y = a.u:match("^(%x+%-%x+%-8%x+%-[89ab]%x+%-%x+) (%S+)$")
    assert(x and x ~= y and #x == 36)
    assert.error(function() gate.run("m.hash('x', 0)") end, "at least 1")
  end)

  it("time", function()
    gate.run([[
      assert(m.received() == 1700000000.5 and m.now() > 1.7e9)
      assert(m.time("2026-01-02T03:04:05.250+01:00") == 1767319445.25 and m.time(nil) == nil)
      assert(m.rfc3339(1767319445.25) == "2026-01-02T02:04:05.250Z" and m.rfc3339(0) == "1970-01-01T00:00:00Z")
      assert(m.rfc3339(-0.5) == "1969-12-31T23:59:59.500Z")]])
    assert.error(function() gate.run("m.time('x')") end, '"x" is not an RFC 3339 time')
    assert.error(function() gate.run("m.rfc3339(1e300)") end, "outside the years")
  end)

  it("clean", function()
    gate.run([[
      assert(m.clean("a\nb\127c") == "a b c" and m.clean(nil) == nil and m.clean("héllo", 2) == "h" and m.clean("abc", 2) == "ab")
      assert(m.clean("\xff\u{85}\u{ffff}x") == "\u{fffd} \u{fffd}x" and m.clean("") == "" and m.clean(12) == "12")
      e.x = m.clean("\0\1\2\u{9f}")]])
  end)
end)

describe("moongate", function()
  it("has params that nobody changes", function()
    local conf = {params = {team = "ml", n = 3, ok = true, list = {"a", "b"}, map = {x = {y = 1}}}}
    gate.run([[
      local p = m.params
      assert(p.team == "ml" and p.n == 3 and p.ok == true and p.list[2] == "b" and #p.list == 2 and p.map.x.y == 1 and p.nope == nil)
      local seen = {} for i, v in ipairs(p.list) do seen[i] = v end assert(table.concat(seen) == "ab")
      local n = 0 for k, v in pairs(p) do n = n + 1 end assert(n == 5 and next(p) ~= nil and next(p.map.x))
      assert(table.concat(p.list, ",") == "a,b" and select("#", table.unpack(p.list)) == 2)
      assert(m.pipeline == "spec" and m.version:find("%d"))]], {}, conf)
    for _, body in ipairs {"m.params.team = 1", "m.params.list[1] = 1", "m.params.map.x.y = 2", "m.json = nil", "m.x = 1",
      "table.insert(m.params.list, 'c')", "rawset(m.params, 'team', 1)", "m.log.info = 1"} do
      assert.error(function() gate.run(body, {}, conf) end, "read-only")
    end
    gate.run("assert(next(m.params) == nil and m.params.x == nil)")
  end)

  it("logs with the place and the event", function()
    local out = gate.run("m.log.warn('odd', {size = 3, ok = true, t = {}})\nprint('hello', 1, nil)\nm.log.debug('not shown')\nm.log.error('bad')")
    assert.has('level=warn component=hook pipeline=spec at=', out.log)
    assert.has("_hook.lua:3 event=e1 msg=\"odd\" ok=true size=3 t=", out.log)
    assert.has("size=3", out.log)
    assert.has("ok=true", out.log)
    assert.has("level=info", out.log)
    assert.has("level=error", out.log)
    assert.has("_hook.lua:4", out.log)
    assert(out.log:find("hello\\t1\\tnil", 1, true) or out.log:find("hello\t1\tnil", 1, true))
    assert.is_nil(out.log:find("not shown", 1, true))
    assert.error(function() gate.run("m.log.info('x', {['a b'] = 1})") end, "no name of a field")
  end)

  it("keeps a line's own fields from a script's", function()
    local own = {"at", "component", "event", "left_out", "level", "msg", "pipeline", "time"}
    local fields, want = {}, {}
    for i, name in ipairs(own) do fields[i], want[i] = name .. " = 'mine'", ("fields.%s=mine"):format(name) end
    local out = gate.run("m.log.info('x', {" .. table.concat(fields, ", ") .. "})")
    for i, name in ipairs(own) do
      assert.has(want[i], (out.log:gsub('"', "")))
      assert.is_nil(out.log:find(" " .. name .. "=\"?mine"))
    end
  end)

  it("shows null and retry by name", function()
    gate.run([[
      assert(tostring(m.json.null) == "null" and tostring(m.retry) == "moongate.retry")
      assert(tostring(m.json.decode("[null]")[1]) == "null" and getmetatable(m.json.null) == false)]])
  end)

  it("retries", function()
    local hook = gate.hook("local m = require 'moongate'\nreturn function() return m.retry, 'not yet' end")
    local out = hook {}
    assert.equal("retry", out.verdict)
    assert.has("not yet", out.text)
  end)

  it("has no name of what is not there", function()
    gate.run("assert(not (m.console or m.kafka))")
  end)

  it("gives values to data", function()
    assert.equal('{"v":"spec"}', value("m.pipeline"))
  end)
end)

describe("require", function()
  it("finds nothing outside its folders", function()
    for _, name in ipairs {"../x", "a..b", ".x", "/etc/passwd", "x/y", "os", "io", "debug"} do
      assert.error(function() gate.run(("require %q"):format(name)) end, name == "../x" and "no name" or "mod")
    end
  end)

  it("gives the shipped modules", function()
    gate.run("assert(require 'moongate.filters' and require 'moongate.enrich' and require 'moongate.rules')")
  end)
end)

describe("the meta file", function()
  it("names what is there, and nothing else", function()
    local f = assert(io.open("lua/moongate/meta.lua"))
    local meta, listed = f:read("a"), {}
    f:close()
    for name in meta:gmatch("\nfunction moongate%.([%w_.]+)") do listed[#listed + 1] = name end
    for name in meta:match("%-%-%-@class moongate\n(.-)local moongate"):gmatch("@field ([%w_]+)") do listed[#listed + 1] = name end
    listed[#listed + 1], listed[#listed + 2] = "json.null", "proto.known"
    table.sort(listed)
    local out = gate.run([[
      local names = {}
      for k, v in pairs(m) do
        if type(v) == "table" and k ~= "params" then
          for k2 in pairs(v) do names[#names + 1] = k .. "." .. k2 end
        else
          names[#names + 1] = k
        end
      end
      table.sort(names)
      e.datacontenttype = "text/plain"
      e.data = table.concat(names, "\n")]])
    assert.equal(out[1].data, table.concat(listed, "\n"))
  end)
end)
