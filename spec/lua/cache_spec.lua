-- moongate.cache: what a pipeline's workers remember together.
local gate = require "gate"

-- A hook that runs the code in e.data, with a cache c.
local function hook(options, conf)
  return gate.hook("local m = require 'moongate'\nlocal c = m.cache('c'" .. (options and ", " .. options or "") .. ")\n" ..
                   "return function(e)\n  local f = load(e.data, 'code', 't', {m = m, c = c, e = e, math = math, string = string,\n" ..
                   "    ipairs = ipairs, setmetatable = setmetatable, select = select, pairs = pairs, next = next, print = print})\n" ..
                   "  e.data = m.json.encode({f()})\nend\n", conf)
end

local function run(h, code)
  local out = h {datacontenttype = "text/plain", data = code}
  if out.verdict ~= "publish" then error(out.text, 2) end
  return out[1].data
end

describe("moongate.cache", function()
  before_each(function() gate.time(nil) end)

  it("gives back what was set, in a later call too", function()
    local h = hook()
    run(h, "c:set('k', 'v') c:set(1, {a = {1, 2, {b = false}}, n = m.json.null, f = 1.5, [7] = 'x'})")
    assert.equal('["v",{"7":"x","a":[1,2,{"b":false}],"f":1.5,"n":null}]',
                 run(h, "return c:get('k'), (function(t) return {['7'] = t[7], a = t.a, f = t.f, n = t.n} end)(c:get(1))"))
    run(h, "c:delete('k') c:set(1, nil)")
    assert.equal('{}', run(h, "return c:get('k'), c:get(1), c:get('never')"))
  end)

  it("is the same one by the same name, whatever bytes that has", function()
    gate.run([[
      m.cache("a\0b"):set("k", 1) m.cache("a\0c"):set("k", 2)
      assert(m.cache("a\0b"):get("k") == 1 and m.cache("a\0c"):get("k") == 2 and m.cache("a"):get("k") == nil)]])
  end)

  it("keeps types: integers, floats, booleans, bytes", function()
    local h = hook()
    run(h, [[c:set('i', math.mininteger) c:set('f', 1e300) c:set('t', true) c:set('n', false) c:set('s', '\0\xff')
             c:set('e', '') c:set('l', ('x'):rep(1000)) c:set('w', 2.0) c:set('z', {})]])
    assert.equal('[true]', run(h, [[return c:get('i') == math.mininteger and math.type(c:get('w')) == 'float' and
      c:get('f') == 1e300 and c:get('t') == true and c:get('n') == false and c:get('s') == '\0\xff' and c:get('e') == ''
      and #c:get('l') == 1000 and next(c:get('z')) == nil]]))
  end)

  it("tells strings from numbers, and 1 from 1.0 no more than a table does", function()
    local h = hook()
    run(h, "c:set('1', 'string') c:set(1, 'integer') c:set(1.5, 'float')")
    assert.equal('["string","integer","integer","float"]', run(h, "return c:get('1'), c:get(1), c:get(1.0), c:get(1.5)"))
  end)

  it("copies: what is changed afterwards is not changed in it", function()
    local h = hook()
    assert.equal('["old","old"]', run(h, [[local t = {v = 'old'} c:set('k', t) t.v = 'new'
      local a = c:get('k').v c:get('k').v = 'newer' return a, c:get('k').v]]))
  end)

  it("copies what is read-only", function()
    local h = hook(nil, {params = {team = "ml", list = {1, 2}}})
    assert.equal('[{"list":[1,2],"team":"ml"}]', run(h, "c:set('p', m.params) return c:get('p')"))
  end)

  it("forgets after its ttl, fractions too", function()
    local h = hook "{ttl = 1.5}"
    gate.time(1000)
    run(h, "c:set('k', 1)")
    gate.time(1001.4)
    assert.equal("[1]", run(h, "return c:get('k')"))
    gate.time(1001.5)
    assert.equal("{}", run(h, "return c:get('k')"))
  end)

  it("keeps 300 seconds when nothing is said, and for ever with math.huge", function()
    for options, there in pairs {["{}"] = "{}", ["{ttl = math.huge}"] = "[1]"} do
      local h = hook(options)
      gate.time(1000)
      run(h, "c:set('k', 1)")
      gate.time(1299.9)
      assert.equal("[1]", run(h, "return c:get('k')"))
      gate.time(1300)
      assert.equal(there, run(h, "return c:get('k')"))
    end
  end)

  it("holds max entries: the one used longest ago goes", function()
    local h = hook "{max = 3}"
    assert.equal('[1,3,4]', run(h, [[for i = 1, 3 do c:set(i, i) end c:get(1) c:set(4, 4)
      local t = {} for i = 1, 4 do t[#t + 1] = c:get(i) end return (table or {unpack = function(l) return l[1], l[2], l[3] end}).unpack(t)]]))
  end)

  it("is bounded in bytes by a quarter of memory, all caches together", function()
    local h = hook("{max = 1000000}", {memory = 4 << 20})
    local out = run(h, [[local d = m.cache('d', {max = 1000000})
      local v = ('x'):rep(1000) local n = 0
      d:set('first', v)
      for i = 1, 2000 do c:set(i, v) end
      for i = 1, 2000 do if c:get(i) then n = n + 1 end end
      return n, d:get('first') == nil, c:get(2000) == v]])
    local n = tonumber(out:match("^%[(%d+),true,true%]$"))
    assert(n and n > 800 and n < 1048576 // 1000, out)
  end)

  it("is one cache wherever its name is used, and the options said last hold", function()
    local h = hook "{max = 10}"
    assert.equal('[1,1]', run(h, [[c:set('a', 0) c:set('k', 1) return m.cache('c'):get('k'),
      (function() local same = m.cache('c', {max = 1}) c:set('k', 1) return c:get('a') == nil and 1 end)()]]))
  end)

  local wrong = {
    {"m.cache()", "a string expected, got nothing"},
    {"m.cache('')", "a name has 1 to 64 bytes, not 0"},
    {"m.cache(('a'):rep(65))", "a name has 1 to 64 bytes, not 65"},
    {"m.cache('c', 5)", "a table of options expected, got 5"},
    {"m.cache('c', {tll = 5})", 'no option "tll" (did you mean "ttl"?)'},
    {"m.cache('c', {[1] = 5})", "no option 1"},
    {"m.cache('c', {max = 0})", "max is a number of entries from 1 to 1000000, not 0"},
    {"m.cache('c', {max = 1.5})", "max is a number of entries from 1 to 1000000, not 1.5"},
    {"m.cache('c', {max = '5'})", 'from 1 to 1000000, not "5"'},
    {"m.cache('c', {ttl = 0})", "ttl is a number of seconds above 0 (math.huge: for ever), not 0"},
    {"m.cache('c', {ttl = 0/0})", "ttl is a number of seconds above 0"},
    {"m.cache('c', {ttl = '5'})", 'for ever), not "5"'},
    {"m.cache('c').get('k')", 'a cache expected, got "k"'},
    {"m.cache('c'):get()", "a string or a number as the key expected, got nothing"},
    {"m.cache('c'):get({})", "a string or a number as the key expected, got a table"},
    {"m.cache('c'):set(0/0, 1)", "a key that equals itself expected"},
    {"m.cache('c'):set('k', print)", "the value is a function; only strings, numbers, booleans and plain tables are kept"},
    {"m.cache('c'):set('k', {a = {print}})", 'the value["a"][1] is a function'},
    {"m.cache('c'):set('k', e)", "the value is an event; only strings, numbers, booleans and plain tables are kept"},
    {"m.cache('c'):set('k', {flyte})", "the value[1] is flyte;"},
    {"m.cache('c'):set('k', request)", "(moongate.to_table copies one out)"},
    {"m.cache('c'):set('k', m.retry)", "the value is moongate.retry"},
    {"m.cache('c'):set('k', setmetatable({}, {}))", "the value is a table with a metatable"},
    {"m.cache('c'):set('k', {[true] = 1})", "the value[true]: a key is a string or a number"},
    {"local t = {} t.t = t m.cache('c'):set('k', t)", "is nested too deep (32 at most)"},
    {"m.cache('c'):set('k', ('x'):rep(1 << 16))", 'key and value of "k" have more than 65536 bytes'},
    {"m.cache('c'):set('k', {('x'):rep(1 << 15), ('y'):rep(1 << 15)})", 'key and value of "k" have more than 65536 bytes'},
    {"m.cache('c'):set(('x'):rep(1 << 16), 1)", 'xx…" have more than 65536 bytes'},
    {"for i = 1, 101 do c = m.cache('c' .. i) keep = keep or {} keep[i] = c end", "one of more than 100 caches"},
  }
  for _, case in ipairs(wrong) do
    it("refuses " .. case[1], function()
      assert.error(function() gate.run("local c, keep\n" .. case[1], gate.task {}, {memory = 2 << 20}) end, case[2])
    end)
  end

  it("costs of its budget: what is copied is paid for", function()
    local out = gate.hook("local m = require 'moongate'\nreturn function() local c, t = m.cache('c'), {}\n" ..
      "for i = 1, 1000 do t[i] = i end\nwhile true do c:set('k', t) end end", {instructions = 100000}) {}
    assert.equal("hook_budget", out.reason)
    out = gate.hook("local m = require 'moongate'\nreturn function() local c, t = m.cache('c'), {}\n" ..
      "for i = 1, 1000 do t[i] = i end\nc:set('k', t) while true do c:get('k') end end", {instructions = 100000}) {}
    assert.equal("hook_budget", out.reason)
  end)

  it("forgets nothing at a stop", function()
    local h = hook(nil, {instructions = 50000})
    run(h, "c:set('k', 'kept')")
    assert.equal("hook_budget", h({datacontenttype = "text/plain", data = "while true do end"}).reason)
    assert.equal('["kept"]', run(h, "return c:get('k')"))
  end)

  it("lets go of caches that no state uses any more when there are too many", function()
    local h = hook(nil, {instructions = 50000})
    run(h, "for i = 1, 99 do m.cache('x' .. i) end")
    h {datacontenttype = "text/plain", data = "while true do end"}
    assert.equal("{}", run(h, "for i = 1, 99 do m.cache('y' .. i) end"))
  end)
end)
