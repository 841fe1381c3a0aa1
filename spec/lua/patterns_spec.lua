-- string.find, match, gmatch and gsub are the gateway's own: the same as Lua's on patterns made at random.
local gate = require "gate"

-- Runs in both; every result or error as text.
local body = [==[
local seed = SEED
local function random(n)
  seed = (seed * 1103515245 + 12345) % 2147483648
  return seed // 65536 % n + 1
end
local items = {"a", "b", ".", "%a", "%d", "%s", "%w", "%A", "%x", "%p", "%z", "[ab]", "[^a]", "[a-c]", "[%d_]", "[]]", "[^]]", "[a-]", "%.", "(a)",
  "(", ")", "()", "(.-)", "%1", "%b()", "%f[%w]", "^", "$", "%", "[", "]", "-", "%b", "%f", "[a", "[%", "\0", "é", "%2", "[a-%d]", "%bxy",
  "%W", "%g", "%G", "%c", "%l", "%u", "%E", "%-", "%%", "(%w)", "(a*)", "((.)b)", "%f[^a]", "%f[%z]", "%f[", "%b((", "[^%s]", "[%w_.-]", "[^\0]",
  "[é]", "[--a]", "[%]]", "[^%]a]", "[]-a]", "%0", "%9", "%3", "(()", "())", "ab", "a1", "x y", "\255", "[\128-\255]", "[^\128-\255]"}
local suffixes = {"", "", "", "*", "+", "-", "?"}
local letters = {"a", "b", "c", "1", " ", "(", ")", "x", "y", "_", "]", "\0", "é", ".", "A", "a", "b", "ab", "xay", "a1 ", "-", "%",
  "\n", "\255", "[", "z"}
local replacements = {"<%0>", "%1", "x", "%%", "", "%2", "%", "%9", "%0%1%0", "%a", 7, 1.5}
local function text(from, n, tail)
  local parts = {}
  for i = 1, random(n) - 1 do parts[i] = from[random(#from)] .. (tail and tail[random(#tail)] or "") end
  return table.concat(parts)
end
local out = {}
local function note(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))):gsub("^[^:]*:%d+: ", "") end
  out[#out + 1] = table.concat(parts, ",")
end
local values = {"v", 3, 2.5, false, nil, true, {}}
for _ = 1, COUNT do
  local s, p, init = text(letters, random(10) == 1 and 60 or 12), text(items, 5, suffixes), random(16) - 8
  if random(8) == 1 then p = "^" .. p end
  if random(8) == 1 then p = p .. "$" end
  note(pcall(string.find, s, p)) note(pcall(string.find, s, p, init)) note(pcall(string.match, s, p, init))
  note(pcall(string.gsub, s, p, replacements[random(#replacements)], random(4) == 1 and random(6) - 3 or nil))
  note(pcall(string.gsub, s, p, function(a, b) return random(2) == 1 and (b or a) or nil end))
  note(pcall(string.gsub, s, p, function() return values[random(7)] end))
  note(pcall(string.gsub, s, p, {a = "z", b = 1, [1] = "one", [""] = "-", ab = false}))
  note(pcall(function() local n = 0 for a, b, c in s:gmatch(p) do n = n + 1 note(a, b, c) end return n end))
  note(pcall(function() local n = 0 for a in s:gmatch(p, init) do n = n + 1 note(a) end return n end))
  note(pcall(string.find, s, text(letters, 3), init, true)) note(pcall(string.find, s, text(letters, 4), init))
  note(pcall(string.match, init * 1234567, p))
end
return table.concat(out, "\n")
]==]

describe("patterns", function()
  it("match as Lua's own do", function()
    local first, pairs_of_both = math.tointeger(os.getenv("SEED") or 1), 0
    for seed = first, first + 23 do
      local text = body:gsub("SEED", tostring(seed * 7919 % 2147483648)):gsub("COUNT", "400")
      local want = load(text)()
      local hook = gate.hook("local f = function()\n" .. text .. "end\nreturn function(e) e.datacontenttype = 'x/y' e.data = f() end\n",
        {instructions = 1000000000})
      local out = hook {}
      assert.equal("", out.text)
      local mine, n = (out[1].data .. "\n"):gmatch("(.-)\n"), 0
      for line in (want .. "\n"):gmatch("(.-)\n") do
        n = n + 1
        local own = mine()
        if line ~= own then error(("seed %d, line %d: Lua %q, ours %q"):format(seed, n, line, own)) end
      end
      assert(n > 4800)
      pairs_of_both = pairs_of_both + 12 * 400
    end
    print(("patterns: %d uses compared, seeds %d to %d (SEED=n for others)"):format(pairs_of_both, first, first + 23))
    assert(pairs_of_both >= 100000)
  end)

  it("refuse what Lua refuses", function()
    gate.run([[
      local function no(why, ...) local ok, got = pcall(...) assert(not ok and got:find(why, 1, true), got) end
      no("pattern too complex", string.find, ("a"):rep(300000), (".?"):rep(300000))
      no("too many captures", string.find, "a", ("()"):rep(40)) no("number expected", string.find, "a", "a", "x")
      no("string expected", string.find, {}, "a") no("invalid replacement value", string.gsub, "a", "a", function() return {} end)
      no("string/function/table", string.gsub, "a", "a")
      assert(("x"):rep(10):gsub("x", "%0%0") == ("x"):rep(20)) assert(#("a,b,c"):gsub(",", "") == 3)]])
  end)
end)
