-- moongate.counter: metrics of a script's own. The runner shows the counters of a hook beside its events.
local gate = require "gate"

local function count(body)
  return gate.run(body, {}).counters
end

describe("moongate.counter", function()
  it("counts one, many and parts", function()
    assert.same({['moongate_script_seen_total{pipeline="spec"}'] = 4.5},
                count "local c = m.counter('seen') c:add() c:add(3) c:add(0.5) c:add(0)")
  end)

  it("is the same counter when asked again, whatever the labels' order", function()
    assert.same({['moongate_script_seen_total{pipeline="spec",a="x",b="7"}'] = 3.0},
                count "m.counter('seen', {a = 'x', b = 7}):add() m.counter('seen', {b = '7', a = 'x'}):add(2)")
  end)

  it("takes strings, numbers and booleans as values", function()
    assert.same({['moongate_script_seen_total{pipeline="spec",a="true",b="1.5",c="q\\"\\\\"}'] = 1.0},
                count [[m.counter('seen', {a = true, b = 1.5, c = 'q"\\'}):add()]])
  end)

  it("cuts values at a character, and shows controls and bad bytes as something readable", function()
    local long = ("\u{e4}"):rep(64)
    assert.same({['moongate_script_seen_total{pipeline="spec",a="' .. long .. '"}'] = 1.0,
                 ['moongate_script_seen_total{pipeline="spec",a="x y\u{fffd}"}'] = 2.0},
                count [[m.counter('seen', {a = ('\u{e4}'):rep(65)}):add() m.counter('seen', {a = 'x\ny\xff'}):add()
                        m.counter('seen', {a = 'x\0y\xfe'}):add()]])
  end)

  it("may be kept over calls and made while loading", function()
    local hook = gate.hook "local c = require('moongate').counter('calls')\nc:add(10)\nreturn function() c:add() end\n"
    hook {}
    assert.same({['moongate_script_calls_total{pipeline="spec"}'] = 12.0}, hook({}).counters)
  end)

  it("is shown before it has counted", function()
    assert.same({['moongate_script_seen_total{pipeline="spec"}'] = 0.0}, count "m.counter('seen')")
  end)

  local wrong = {
    {"m.counter()", "a string expected, got nothing"},
    {"m.counter('Seen')", '"Seen" is no name of a counter'},
    {"m.counter('9')", '"9" is no name of a counter'},
    {"m.counter('')", '"" is no name of a counter'},
    {"m.counter('a\\0b')", 'is no name of a counter'},
    {"m.counter(('a'):rep(65))", "64 characters at most"},
    {"m.counter('seen_total')", "gets its _total by itself"},
    {"m.counter('seen', 'x')", 'a table of labels expected, got "x"'},
    {"m.counter('seen', {'x'})", "1 is no name of a label"},
    {"m.counter('seen', {['a-b'] = 1})", '"a-b" is no name of a label'},
    {"m.counter('seen', {pipeline = 1})", "the label pipeline is not a script's to set"},
    {"m.counter('seen', {__name__ = 1})", "the label __name__ is not a script's to set"},
    {"m.counter('seen', {a = {}})", "the label a is a string, a number or a boolean, not a table"},
    {"m.counter('seen', {a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1})", "more than 8 labels"},
    {"m.counter('seen', {a = 1}) m.counter('seen', {b = 1})", "seen has the labels {a} elsewhere, not {b}"},
    {"m.counter('seen', {a = 1}) m.counter('seen')", "seen has the labels {a} elsewhere, not {}"},
    {"m.counter('seen'):add(-1)", "a number from 0 to 2^53 expected, got -1"},
    {"m.counter('seen'):add(0/0)", "a number from 0 to 2^53 expected"},
    {"m.counter('seen'):add(math.huge)", "a number from 0 to 2^53 expected"},
    {"m.counter('seen'):add('1')", 'a number from 0 to 2^53 expected, got "1"'},
    {"m.counter('seen').add(e)", "a counter expected, got an event"},
    {"m.counter('seen').x = 1", "attempt to index"},
  }
  for _, case in ipairs(wrong) do
    it("refuses " .. case[1], function()
      assert.error(function() gate.run(case[1]) end, case[2])
    end)
  end

  local function size(t)
    local n = 0
    for _ in pairs(t) do n = n + 1 end
    return n
  end

  it("is bounded in names: the next ones are counted as other", function()
    local c = count "for i = 1, 150 do m.counter('n' .. i):add(2) end m.counter('n100'):add()"
    assert.equal(101, size(c))
    assert.equal(100.0, c['moongate_script_other_total{pipeline="spec"}'])
    assert.equal(3.0, c['moongate_script_n100_total{pipeline="spec"}'])
  end)

  it("is bounded in series: the next ones have the labels other", function()
    local out = gate.run("for i = 1, 1200 do m.counter('a', {x = i}):add() end m.counter('b', {y = 1}):add()")
    assert.equal(1002, size(out.counters))
    assert.equal(200.0, out.counters['moongate_script_a_total{pipeline="spec",x="other"}'])
    assert.equal(1.0, out.counters['moongate_script_b_total{pipeline="spec",y="other"}'])
    assert.has("level=warn component=hook", out.log)
    assert.has('msg="too many series of counters, the next ones have the labels other" pipeline=spec counter=a max=1000',
               out.log)
    assert.is_nil(out.log:find("too many series.*too many series"))
  end)
end)
