local gate = require "gate"

-- The data that comes out when the body of a hook ran on this text.
local function edit(body, text, conf)
  local input = gate.event {json = '{"specversion":"1.0","id":"e1","source":"/s","type":"t","data":' .. text .. "}"}
  return gate.run("local d = e.data\n" .. body, input, conf)[1].data
end

local function fails(why, body, text, conf)
  assert.error(function() edit(body, text, conf) end, why)
end

describe("event.data of JSON", function()
  it("reads members, items and lengths", function()
    edit([[
      assert(d.a.b == 1 and d.a.c == "x" and d.t == true and d.f == false and d.none == nil and d.a.none == nil)
      assert(#d.l == 3 and d.l[1] == 10 and d.l[3] == 30 and d.l[2] == 20 and d.l[4] == nil and d.l[0] == nil and d.l[-1] == nil)
      assert(d.l[2.0] == 20 and d.l[1.5] == nil and d.l["1"] == nil and d.l.x == nil and d[1] == nil and d[true] == nil)
      assert(d.null == m.json.null and d.null ~= nil and #d == 0 and #d.a == 0 and #d.empty == 0 and d.empty[1] == nil)
      assert(d.deep[1][2].x[1] == "y" and type(d) == "userdata" and d[""] == "no name")]],
      '{ "a" : {"b":1 ,"c":"x"}, "t":true,"f":false,"null":null, "l":[10, 20 ,30],"empty":[ ],"deep":[[0,{"x":["y"]}]],"":"no name"}')
  end)

  it("reads numbers by what they are", function()
    edit([[
      local kind = math.type
      assert(d[1] == 9223372036854775807 and d[2] == -9223372036854775808 and kind(d[1]) == "integer")
      assert(d[3] == "9223372036854775808" and d[4] == "-123456789012345678901234567890")
      assert(d[5] == 1.5 and d[6] == 1e3 and kind(d[6]) == "float" and d[7] == 0 and kind(d[8]) == "float")]],
      "[9223372036854775807,-9223372036854775808,9223372036854775808,-123456789012345678901234567890,1.50,1e3,-0,-0.0]")
  end)

  it("reads strings and names unescaped", function()
    edit([[
      assert(d["a\"b"] == 'x"\\/\b\f\n\r\t' and d["é"] == "é" and d.u == "é€😀" and d.lone == "\u{fffd}x" and d["k\0"] == "")
      assert(d[("n"):rep(400) .. "é"] == "long")]],
      [[{"a\"b":"x\"\\\/\b\f\n\r\t","\u00e9":"\u00e9","u":"\u00e9\u20ac\ud83d\ude00","lone":"\ud83dx","k\u0000":"","]] ..
      ("n"):rep(400) .. [[\u00e9":"long"}]])
  end)

  it("gives a scalar as Lua's value", function()
    edit([[assert(d == "té\nxt")]], [["té\nxt"]])
    edit("assert(d == 5 and math.type(d) == 'integer')", " 5")
    edit("assert(d == m.json.null)", "null")
    edit("assert(d == true)", "true ")
  end)

  it("is there for JSON only, and bytes for the rest", function()
    gate.run([[
      e.datacontenttype = "text/plain" e.data = '{"a":1}'
      assert(e.data == '{"a":1}')
      e.datacontenttype = "application/json" e.data = '{"a":1'
      assert(e.data == '{"a":1')
      e.data = ' {"a":1} '
      assert(e.data.a == 1 and tostring(e.data) == '{"a":1}')
      e.datacontenttype = "text/plain"
      assert(e.data == ' {"a":1} ')
      e.datacontenttype = "application/vnd.x+json; charset=utf-8"
      assert(e.data.a == 1)
      e.datacontenttype = nil
      assert(e.data.a == 1)]])
    gate.run("e.size = #e.data", gate.task {})
  end)

  it("has the last of members with one name, as decode has", function()
    edit("assert(d.a == 2 and d['a'] == m.json.decode(tostring(d)).a and d.b == 3)", [[{"a":1,"b":3,"\u0061":2}]])
  end)

  it("goes over members in their order, and over items", function()
    edit([[
      local seen = {}
      for k, v in pairs(d) do seen[#seen + 1] = k .. "=" .. tostring(v) end
      assert(table.concat(seen, " ") == 'z=1 a={"x": [1]} z=2 é=s', table.concat(seen, " "))]],
      [[{"z":1, "a" : {"x": [1]} ,"z":2,"\u00e9":"s"}]])
    edit([[
      local n = 0
      for i, v in pairs(d) do n = n + 1 assert(i == n and v == d[i]) end
      for i, v in ipairs(d) do n = n + i assert(v == d[i]) end
      assert(n == 14) for _ in pairs(d[3]) do error("empty") end for _ in pairs(d[4]) do error("empty") end]],
      '[true,null,{},[ ]]')
  end)

  it("is what the table library takes", function()
    edit([[
      assert(table.concat(d.n, "-") == "3-1-2" and select("#", table.unpack(d.n)) == 3 and ("%s"):format(d.n) == "[3,1,2]")
      table.sort(d.n)
      table.move(d.n, 1, 3, 2)
      table.insert(d.n, "x")
      assert(tostring(d.n) == '[1,1,2,3,"x"]' and table.remove(d.n) == "x" and table.remove(d.n, 1) == 1 and tostring(d.n) == "[1,2,3]")
      assert(not pcall(next, d.n) and not pcall(rawget, d.n, 1) and not pcall(setmetatable, d.n, {}) and getmetatable(d.n) == false)]],
      '{"n":[3,1,2]}')
  end)

  it("is one value for one place", function()
    edit([[
      assert(d == e.data and d.a == e.data.a and d.a ~= d.b and d.l[1] == d.l[1] and d.l[1] ~= d.l[2])
      assert(m.copy(e).data ~= d and d ~= 1 and d.a ~= "x")]], '{"a":{},"b":{},"l":[[],[]]}')
  end)

  it("shows itself as its text", function()
    edit([[assert(tostring(d) == '{"a": [1.50,  "\\u00e9"]}' and tostring(d.a) == '[1.50,  "\\u00e9"]')]], ' {"a": [1.50,  "\\u00e9"]} ')
  end)

  it("becomes a table, or JSON as it stands", function()
    edit([=[
      local t = m.to_table(d)
      assert(type(t) == "table" and t.a.b[2] == 1.5 and t.a.n == m.json.null and m.to_table(d.a.b)[1] == 1)
      t = m.json.decode(d)
      assert(t.a.b[1] == 1 and m.json.encode(d.a) == '{"n":null, "b":[1,1.50]}')
      assert(m.json.encode {x = d.a.b, y = {d.a.b}} == '{"x":[1,1.50],"y":[[1,1.50]]}')]=], '{"a":{"n":null, "b":[1,1.50]}}')
  end)
end)

describe("assigning to event.data of JSON", function()
  local text = '{ "a" : 1.50 ,"l":[1 , "\\u00e9", {"x":1}], "a2":{} ,\n "z":"end" }'

  it("changes what is assigned and not one byte more", function()
    assert.equal('{ "a" : "n\\"" ,"l":[1 , "\\u00e9", {"x":1}], "a2":{} ,\n "z":"end" }', edit("d.a = 'n\"'", text))
    assert.equal('{ "a" : 1.50 ,"l":[1 , null, {"x":{"b":[1,2]}}], "a2":{} ,\n "z":"end" }',
      edit("d.l[2] = m.json.null d.l[3].x = {b = {1, 2}}", text))
    assert.equal('{ "a" : 1.50 ,"l":[1 , "\\u00e9", {"x":1}], "a2":{"n":false} ,\n "z":"end","new":-1 }', edit("d.a2.n = false d.new = -1", text))
    assert.equal('{ "a" : 1.50 ,"l":[1 , "\\u00e9", {"x":1},[]], "a2":{} ,\n "z":"end" }', edit("d.l[#d.l + 1] = m.json.decode '[]'", text))
    assert.equal(text, edit("local x = d.a d.l = d.l local l = d.l l[3] = d.l[3]", text))
  end)

  it("removes members with their comma", function()
    assert.equal('{ "l":[1 , "\\u00e9", {"x":1}], "a2":{} ,\n "z":"end" }', edit("d.a = nil", text))
    assert.equal('{ "a" : 1.50 ,"l":[1 , "\\u00e9", {"x":1}], "a2":{}  }', edit("d.z = nil d.none = nil", text))
    assert.equal('{ "a" : 1.50 ,"l":[1 , "\\u00e9", {}], "z":"end" }', edit("d.l[3].x = nil d.a2 = nil", text))
    assert.equal("{ }", edit("d.a = nil d.b = nil", '{"a":1, "b":2 }'))
    assert.equal("{}", edit("d.b = nil d.a = nil", '{"a":1, "b":2}'))
    assert.equal('{"b":2}', edit("d.a = nil assert(d.a == nil)", '{"a":1,"b":2,"\\u0061":3}'))
    assert.equal('{"a":1,"b":2,"a":4}', edit("d.a = 4", '{"a":1,"b":2,"a":3}'))
    assert.equal('{"c":1}', edit("d.a = nil d.c = 1", '{"a":1}'))
  end)

  it("removes the last item of a list", function()
    assert.equal("[1 ]", edit("d[3] = nil d[2] = nil d[2] = nil d[9] = nil d[0] = nil assert(#d == 1)", "[1 , 2,3]"))
    assert.equal("[]", edit("d[1] = nil assert(#d == 0)", "[1]"))
    assert.equal("[7]", edit("d[1] = nil d[#d + 1] = 7", "[ 1]"))
    fails("only the last item of a list in event.data is removed by nil, not 1 of 2", "d[1] = nil", "[1,2]")
    assert.equal('["b",{"c": 1}]', edit("table.remove(d, 1)", '["a","b",{"c": 1}]'))
    assert.equal("[]", edit("table.remove(d) table.remove(d) assert(#d == 0) d[#d] = nil", "[1]"))
    assert.equal('[0,"a",{"c": 1}]', edit("table.insert(d, 1, 0)", '["a",{"c": 1}]'))
  end)

  it("puts parts of one place to another", function()
    assert.equal('{"a":{"x" : 1},"b":[{"x" : 1}]}', edit("d.b[1] = d.a", '{"a":{"x" : 1},"b":[]}'))
    assert.equal('{"x" : 1}', edit("e.data = d.a", '{"a":{"x" : 1},"b":[]}'))
    assert.equal('{"a":{"a":{}}}', edit("d.a = d", '{"a":{}}'))
    assert.equal('{"t":{"x" : 1},"u":[[1]]}', edit("e.data = {t = d.a, u = {d.b}}", '{"a":{"x" : 1},"b":[1]}'))
    local out = gate.run([[
      local c = m.copy(e)
      c.datacontenttype = "text/plain"
      c.data = e.data.a
      e.data.a.x = 2
      assert(c.data.x == 1 and c.datacontenttype == "application/json")
      c.data.y = 3
      e.data.b = c.data
      c.data.y = 4
      return {e, c, m.new{id = "n", source = "s", type = "t", data = e.data.b}}]], {data = {a = {x = 1}}})
    assert.same({'{"a":{"x":2},"b":{"x":1,"y":3}}', '{"x":1,"y":4}', '{"x":1,"y":3}'}, {out[1].data, out[2].data, out[3].data})
  end)

  it("of a copy leaves the other alone", function()
    local out = gate.run([[
      e.data.a = 1
      local c = m.copy(e)
      c.data.a = 2
      e.data.b = 3
      local c2 = m.copy(c)
      c.data.a = 22222222222
      return {e, c, c2}]], {data = {a = 0}})
    assert.same({'{"a":1,"b":3}', '{"a":22222222222}', '{"a":2}'}, {out[1].data, out[2].data, out[3].data})
  end)

  it("leaves what a failing hook found as it was", function()
    local hook = gate.hook({"return function(e) e.data.a = 1 end\n", "return function(e) e.data.a = 2 e.data.a = 33 error('no') end\n"})
    local out = hook {data = {a = 0}}
    assert.equal("failed", out.verdict)
  end)

  it("goes on over a list that changes", function()
    assert.equal('{"a":"a","b":"b","c":{"x":1,"k":"c"}}',
      edit("for k, v in pairs(d) do if type(v) == 'userdata' then v.k = k else d[k] = k end end", '{"a":1,"b":22222222,"c":{"x":1}}'))
    assert.equal("{ }", edit("for k in pairs(d) do d[k] = nil end", '{ "a":1, "b":2 ,"c":3 }'):gsub("%s+", " "))
    assert.equal('{"keep":3}', edit("for k in pairs(d) do if k ~= 'keep' then d[k] = nil end end", '{"a":1,"keep":3,"b":2}'))
    assert.equal("[2,3,4]", edit("for i, v in ipairs(d) do d[i] = v + 1 end", "[1,2,3]"))
    assert.equal('[{"n":1},{"n":2},{"n":3}]', edit("for i = 1, #d do d[i].n = i end", "[{},{},{}]"))
    assert.equal("[1,2,3,4,5,6,7,8,9,10]", edit("for i = 1, 10 do d[#d + 1] = i end", "[]"))
  end)

  it("keeps parts where they are", function()
    assert.equal('{"new":"longer","a":{"x":"y"},"l":[0,{"z":9}]}',
      edit("local a, i = d.a, d.l[2] d.new = 'longer' d.l[1] = 0 a.x = 'y' i.z = 9", '{"new":1,"a":{"x":1},"l":["first",{"z":1}]}'))
  end)

  it("ends parts that are replaced", function()
    local gone = "this part of event.data was replaced or removed"
    fails(gone, "local a = d.a d.a = {x = 1} return a.x", '{"a":{"x":1}}')
    fails(gone, "local a = d.a d.a = nil a.x = 1", '{"a":{"x":1}}')
    fails(gone, "local x = d.a.x d.a = 1 return #x", '{"a":{"x":[1]}}')
    fails(gone, "local a = d.a d.a = nil d.a = {} for _ in pairs(a) do end", '{"a":{"x":1}}')
    local other = "event.data was replaced since this part of it was read"
    fails(other, "e.data = {} return d.a", '{"a":1}')
    fails(other, "e.data = nil d.a = 1", '{"a":1}')
    fails(other, "e.data = d.a return tostring(d)", '{"a":{}}')
    edit("e.data = d d.a = 2 assert(e.data.a == 2)", '{"a":1}')
  end)

  it("refuses what JSON cannot be", function()
    fails("JSON has no form for a function", "d.x = print", "{}")
    fails("JSON has no number for", "d.x = 0/0", "{}")
    fails("not UTF-8 at byte 1", "d.x = '\\xff'", "{}")
    fails("the name of a member is UTF-8", "d['\\xff'] = 1", "{}")
    fails("is an object: its keys are strings, not 1", "d[1] = 1", "{}")
    fails("is a list of 2: an item from 1 to 2 is assigned, or number 3 added, not 4", "d[4] = 1", "[1,2]")
    fails('number 3 added, not "x"', "d.x = 1", "[1,2]")
    fails("number 1 added, not 0", "d[0] = 1", "[]")
    fails("nest more than 100 deep", "for i = 1, 200 do d.a = d end", "{}")
    fails("nest more than 100 deep", "local x = d for i = 1, 200 do x.a = {} x = x.a end", "{}")
    fails("nests more than 100 deep", "for i = 1, 100 do e.data = {d} d = e.data end", "{}")
    local deep = ("["):rep(99) .. ("]"):rep(99)
    assert.equal(deep:gsub("%[%]", "[1]"), edit("local x = d while x[1] do x = x[1] end x[1] = 1", deep))
  end)

  it("says at which line", function()
    local out = gate.hook("return function(e)\n  local d = e.data\n  d[1] = 1\nend\n")({data = {a = 1}})
    assert.equal("failed", out.verdict)
    assert.equal(":3: ", out.text:match("_hook%.lua(:%d+: )"))
  end)
end)

describe("event.data and the request", function()
  it("follows the last one that was assigned", function()
    local body = [[
      request.event.producer_id = "p"
      e.datacontenttype = "application/json" e.data = '{"a":1}'
      e.data.a = 2
      local d = e.data
      assert(d.a == 2)]]
    assert.equal('{"a":2}', gate.run(body, gate.task {})[1].data)
    assert.error(function() gate.run(body .. " request.event.producer_id = 'q' d.a = 3", gate.task {}) end, "event.data was replaced since")
    assert.error(function() gate.run(body .. " request.event.producer_id = 'q' return d.a", gate.task {}) end, "event.data was replaced since")
  end)
end)

describe("a view's price", function()
  local big = {}
  for i = 1, 2000 do big[i] = ('{"name":"n%d","value":%d,"text":"%s"}'):format(i, i, ("x"):rep(20)) end
  local text = '{"list":[' .. table.concat(big, ",") .. '],"last":1}'

  it("is linear over a list", function()
    edit([[
      local sum = 0
      for i = 1, #d.list do sum = sum + d.list[i].value end
      for i, v in ipairs(d.list) do sum = sum + v.value end
      for _, v in pairs(d.list) do sum = sum + v.value end
      assert(sum == 3 * 2001 * 1000)]], text, {instructions = 600000})
  end)

  it("is paid by the byte", function()
    local stop = "more than 1000000 instructions"
    fails(stop, "for i = 1, 300 do local x = m.copy(e).data.last end", text)          -- each looks for it anew
    fails(stop, "for i = 1, 300 do d.last = i end", text)
    fails(stop, "for i = 1, 300 do local a, b = d.list[2000], d.list[1] end", text)  -- back and forth
    fails(stop, "for i = 1, 300 do local x = tostring(d) end", text)
    fails(stop, "for i = 1, 300 do local x = m.json.encode(d) end", text)
    fails(stop, "for i = 1, 300 do for k in pairs(d) do end end", text)
    fails(stop, "local l = m.copy(e).data.list for i = 1, 300 do l[1] = ('x'):rep(i) end", text)
    fails(stop, "for i = 1, 300 do local n = #m.copy(e).data end", "[" .. table.concat(big, ",") .. "]")
  end)

  it("counts as memory", function()
    fails("not enough memory", "local s = ('x'):rep(100000) for i = 1, 1e9 do d['k' .. i] = s end", "{}",
      {instructions = 100000000, memory = 4 << 20})
    fails("not enough memory", "for i = 1, 1e9 do local c = m.copy(e) c.data.last = i end", text, {instructions = 100000000, memory = 4 << 20})
    fails("not enough memory", "for i = 1, 90 do d['a' .. i] = d end", "{}", {instructions = 100000000, memory = 4 << 20})
  end)

  it("is small for many reads", function()
    edit("for i = 1, 20000 do local x = d.last end", text, {instructions = 400000})
  end)
end)
