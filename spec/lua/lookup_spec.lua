-- moongate.lookup: files of rows. Files are written beside the script that looks them up.
local gate = require "gate"

local folder = os.tmpname()
os.remove(folder)
os.execute("mkdir -p " .. folder .. "/sub")

local function write(name, text)
  local f = assert(io.open(folder .. "/" .. name, "wb"))
  f:write(text)
  f:close()
end

local n = 0
-- A hook in the folder: t is the lookup; the body's results are e.data as JSON.
local function hook(args, body, conf)
  n = n + 1
  write("hook" .. n .. ".lua", ([[
    local m = require "moongate"
    local t = m.lookup(%s)
    return function(e, request, flyte) e.data = m.json.encode({(function() %s end)()}) end]]):format(args, body))
  conf = conf or {}
  conf.files = conf.files or {folder}
  return gate.hook(folder .. "/hook" .. n .. ".lua", conf)
end

local function look(args, body, conf)
  local out = hook(args, body, conf) {}
  if out.verdict ~= "publish" then error(out.text, 2) end
  return out[1].data
end

local function fails(args, body, part, conf)
  assert.error(function() look(args, body, conf) end, part)
end

write("teams.csv", 'project,team,"on call"\r\nflytesnacks,ml,"Ann, ""A"""\nbilling,pay,\n7,seven,"two\nlines"\n')
write("teams.json", [==[[{"project": "flytesnacks", "team": "ml", "size": 3, "share": 0.5, "oncall": ["ann", {"b": null}], "gone": null},
  {"project": 7, "team": "sev\u0065n", "big": 18446744073709551616, "yes": true}]]==])
write("by_name.json", '{"flytesnacks": {"team": "ml"}, "billing": {"team": "pay", "project": "other"}}')
write("teams.yaml", [[
- project: flytesnacks
  team: ml
  size: 3
  share: 0.5
  oncall: [ann, {b: ~}]
  gone: ~
  money: ${HOME}
- {project: 7, team: "7", yes: true}
]])
write("by_name.yml", "flytesnacks: {team: ml}\nbilling: {team: pay}\n")

describe("moongate.lookup", function()
  it("reads CSV: cells are strings", function()
    assert.equal('["ml","Ann, \\"A\\"","","two\\nlines","flytesnacks"]', look("'teams.csv', 'project'",
      "return t.flytesnacks.team, t.flytesnacks['on call'], t.billing['on call'], t['7']['on call'], t.flytesnacks.project"))
  end)

  it("gives nil for what is not there", function()
    assert.equal('[true]', look("'teams.csv', 'project'",
      "local x return t.nobody == nil and t[x] == nil and t[true] == nil and t[1.5] == nil and t.billing.nothing == nil and t.billing[1] == nil"))
  end)

  it("finds a number by its text", function()
    assert.equal('["seven","seven","seven"]', look("'teams.csv', 'project'", "return t[7].team, t[7.0].team, t['7'].team"))
  end)

  it("reads JSON with its types", function()
    assert.equal('["ml",3,0.5,["ann",{"b":null}],"seven","18446744073709551616",true]', look("'teams.json', 'project'",
      "local r = t.flytesnacks return r.team, r.size, r.share, r.oncall, t[7].team, t[7].big, t[7].yes"))
    assert.equal('[true]', look("'teams.json', 'project'", "return t.flytesnacks.gone == nil and t[7].size == nil and t[7].project == 7"))
  end)

  it("reads an object of objects, with or without a key column", function()
    assert.equal('["ml","pay","other"]', look("'by_name.json'", "return t.flytesnacks.team, t.billing.team, t.billing.project"))
    assert.equal('["flytesnacks","other"]', look("'by_name.json', 'project'", "return t.flytesnacks.project, t.billing.project"))
  end)

  it("reads YAML, and no variables in it", function()
    assert.equal('["ml",3,0.5,["ann",{"b":null}],"${HOME}","7",true]', look("'teams.yaml', 'project'",
      "local r = t.flytesnacks return r.team, r.size, r.share, r.oncall, r.money, t[7].team, t[7].yes"))
    assert.equal('["ml","pay"]', look("'by_name.yml'", "return t.flytesnacks.team, t.billing.team"))
  end)

  it("counts rows and goes over them in the file's order", function()
    assert.equal('[3,"flytesnacks=ml billing=pay 7=seven "]', look("'teams.csv', 'project'",
      "local s = '' for k, r in pairs(t) do s = s .. k .. '=' .. r.team .. ' ' end return #t, s"))
    assert.equal('["on call= project=billing team=pay "]', look("'teams.csv', 'project'",
      "local l = {} for k, v in pairs(t.billing) do l[#l + 1] = k .. '=' .. v .. ' ' end table.sort(l) return table.concat(l)"))
  end)

  it("is copied out by to_table, and a row's values may be cached", function()
    assert.equal('[{"on call":"","project":"billing","team":"pay"},"pay"]', look("'teams.csv', 'project'",
      "local c = m.cache('c') c:set('k', m.to_table(t.billing)) return m.to_table(t.billing), c:get('k').team"))
  end)

  it("may be made in a hook, and kept rows go on living", function()
    n = n + 1
    write("hook" .. n .. ".lua", [[
      local m = require "moongate"
      local kept
      return function(e)
        kept = kept or m.lookup("teams.csv", "project").billing
        e.team = kept.team .. m.lookup("teams.csv", "project")[7].team
      end]])
    local h = gate.hook(folder .. "/hook" .. n .. ".lua", {files = {folder .. "/*.csv"}})
    assert.equal("payseven", h({})[1].team)
    assert.equal("payseven", h({})[1].team)
  end)

  it("is read-only", function()
    fails("'teams.csv', 'project'", "t.x = 1", 'teams.csv is read-only (key "x")')
    fails("'teams.csv', 'project'", "t.billing.team = 'mine'", 'teams.csv is read-only (column "team")')
    fails("'teams.csv', 'project'", "return next(t)", "table expected")
    fails("'teams.csv', 'project'", "return (pairs(t))(t, 'nobody')", 'there is no key "nobody" to go on from')
  end)

  it("goes only where hook_limits.files allows", function()
    for _, files in ipairs {{folder .. "/teams.csv"}, {folder .. "/*.csv"}, {folder .. "/t?ams.*"}, {folder .. "/"},
                            {"/nowhere", folder .. "/sub/../teams.csv"}} do
      assert.equal("[3]", look("'teams.csv', 'project'", "return #t", {files = files}))
    end
    assert.equal("[3]", look("'sub/../teams.csv', 'project'", "return #t", {files = {folder .. "/*.csv"}}))
    assert.equal("[3]", look(("%q, 'project'"):format(folder .. "/teams.csv"), "return #t", {files = {folder .. "/*.csv"}}))
    for _, files in ipairs {{}, {folder .. "/other.csv"}, {folder .. "/sub"}, {folder .. "/sub/*"}, {folder .. "/*.json"},
                            {folder .. "/sub/*/teams.csv"}, {folder:sub(1, -2)}, {folder .. "x"}, {"*"}} do
      fails("'teams.csv', 'project'", "return 1", "teams.csv: hook_limits.files does not name it", {files = files})
    end
    write("subject.csv", "a,b\n1,2\n")                           -- not below sub
    fails("'subject.csv', 'a'", "return 1", "hook_limits.files does not name it", {files = {folder .. "/sub"}})
    write("../hidden.csv", "a,b\n1,2\n")
    fails("'../hidden.csv', 'a'", "return 1", "hook_limits.files does not name it")
    fails("'/etc/passwd', 'a'", "return 1", "/etc/passwd: hook_limits.files does not name it")
    fails("'/etc/nothing.csv', 'a'", "return 1", "/etc/nothing.csv: hook_limits.files does not name it")
    os.remove(folder .. "/../hidden.csv")
  end)

  it("follows links only to what is allowed", function()
    write("real.csv", "k,v\n1,in\n")
    write("../outside.csv", "k,v\n1,out\n")
    os.execute(("cd %s && ln -sf real.csv link.csv && ln -sf ../%s out.csv && ln -sfn .. up"):format(folder, "outside.csv"))
    assert.equal('["in"]', look("'link.csv', 'k'", "return t['1'].v"))
    assert.equal('["in"]', look("'link.csv', 'k'", "return t['1'].v", {files = {folder .. "/li*.csv"}}))
    assert.equal('["out"]', look("'out.csv', 'k'", "return t['1'].v", {files = {folder .. "/out.csv"}}))
    for _, files in ipairs {{folder}, {folder .. "/*"}, {folder .. "/*.csv"}} do
      fails("'out.csv', 'k'", "return 1", "out.csv: hook_limits.files does not name it", {files = files})
      fails("'up/outside.csv', 'k'", "return 1", "outside.csv: hook_limits.files does not name it", {files = files})
    end
    os.remove(folder .. "/../outside.csv")
  end)

  it("reads regular files only, and says what is not there", function()
    os.execute("cd " .. folder .. " && mkfifo fifo.csv 2>/dev/null; mkdir -p dir.csv; ln -sf /dev/zero zero.csv")
    fails("'fifo.csv', 'k'", "return 1", "fifo.csv: not a regular file")
    fails("'dir.csv', 'k'", "return 1", "dir.csv: not a regular file")
    fails("'zero.csv', 'k'", "return 1", "zero.csv: hook_limits.files does not name it")
    fails("'zero.csv', 'k'", "return 1", "zero.csv: not a regular file", {files = {folder .. "/zero.csv"}})
    fails("'nothing.csv', 'k'", "return 1", "nothing.csv: No such file or directory")
    fails("'teams.txt', 'k'", "return 1", "teams.txt: no file of a kind that can be read: .csv .json .yaml .yml")
  end)

  local args = {
    {"", "a path expected, got nothing"},
    {"''", 'a path expected, got ""'},
    {"'a\\0b'", "a path expected"},
    {"'teams.csv', 5", "a column's name expected, got 5"},
    {"'teams.csv'", "teams.csv:1: a CSV file needs a key column: moongate.lookup(path, column)"},
    {"'teams.json'", "teams.json:1: a list needs a key column"},
    {"'teams.csv', 'projct'", 'teams.csv:1: no column "projct" (did you mean "project"?)'},
    {"'teams.csv', 'owner'", 'teams.csv:1: no column "owner"; the columns are project, team, on call'},
  }
  for _, case in ipairs(args) do
    it("refuses (" .. case[1] .. ")", function() fails(case[1], "return 1", case[2]) end)
  end

  local texts = {
    {"csv", "", "1: the file is empty"},
    {"csv", "k,v\n1\n", "2: 1 cell, but 2 columns"},
    {"csv", "k,v\n1,2\n\n3,4,5\n", "4: 3 cells, but 2 columns"},
    {"csv", "k,v\n1,2\n2,3\n1,4\n", '4: the key "1" stands twice, first on line 2'},
    {"csv", "k,v,k\n", '1: the column "k" stands twice'},
    {"csv", 'k,v\n1,"open\n2,3\n', "2: a quote that is never closed"},
    {"csv", 'k,v\n1,a"b\n', "2: a quote inside a cell that does not begin with one"},
    {"csv", 'k,v\n1,"a"b\n', "2: text behind a closing quote"},
    {"csv", "k,v\n1,a\rb\n", "2: a carriage return without a line feed"},
    {"csv", "k,v\n1,\0\n", "2: a control character in a cell"},
    {"csv", "k,v\n1,\xff\n", "2: the text is not UTF-8"},
    {"csv", "\xff\xfek\0,\0", "1: the text is UTF-16, not UTF-8"},
    {"csv", "k;v\n1;2\n", '1: no column "k"; the columns are k;v (commas part them)'},
    {"json", "", "1: JSON: line 1, column 1"},
    {"json", "[{}]", '1: an object without "k"'},
    {"json", '[{"k": "1"},\n5]', "2: a row is an object"},
    {"json", '[{"k": "1"},\n{"k": "1"}]', '2: the key "1" stands twice, first on line 1'},
    {"json", '[{"k": "1", "v": 1,\n"v": 2}]', '2: "v" stands twice in an object'},
    {"json", '[{"k": {}}]', '1: the key in "k" is a string or an integer'},
    {"json", '[{"k": 1.5}]', '1: the key in "k" is a string or an integer'},
    {"json", '{"a": {"v": 1}, "a": {}}', '1: the key "a" stands twice'},
    {"json", '{"a": 1}', "1: a row is an object"},
    {"json", '"x"', "1: neither a list of objects nor an object of objects"},
    {"json", '[{"k": "1"}] x', "1: JSON: line 1, column 14"},
    {"json", '[{"k": "1", "v": ' .. ("["):rep(40) .. ("]"):rep(40) .. "}]", "1: JSON: line 1, column"},
    {"json", '[{"k": "1", "v": [1,', "1: JSON: line 1, column"},
    {"yaml", "[", "not YAML"},
    {"yaml", "a: b", "1: a row is a mapping"},
    {"yaml", "- {k: 1}\n- {k: 1}\n", '2: the key "1" stands twice, first on line 1'},
    {"yaml", "- {k: true}\n", '1: the key in "k" is a string or an integer'},
    {"yaml", "- {v: 1}\n", '1: an object without "k"'},
    {"yaml", "- {k: 1, k: 2}\n", '1: duplicate key "k"'},
    {"yaml", "- {k: 1, v: " .. ("["):rep(40) .. ("]"):rep(40) .. "}\n", "1: nested too deep"},
    {"yaml", "just text", "1: neither a list of mappings nor a mapping of mappings"},
  }
  for i, case in ipairs(texts) do
    it(("tells what is wrong with %s %q"):format(case[1], case[2]:sub(1, 30)), function()
      local name = "bad" .. i .. "." .. case[1]
      write(name, case[2])
      fails(("%q, 'k'"):format(name), "return 1", "moongate.lookup: " .. folder .. "/" .. name .. ":" .. case[3]:match("^%d*"))
      fails(("%q, 'k'"):format(name), "return 1", case[3])
    end)
  end

  it("tells the script's place too", function()
    fails("'teams.csv', 'x'", "return 1", ".lua:2: moongate.lookup: ")
  end)

  it("reads large files while the script loads only", function()
    local rows = {}
    for i = 1, 100000 do rows[i] = ("project%06d,team%d\n"):format(i, i % 50) end
    write("large.csv", "project,team\n" .. table.concat(rows))
    assert.equal('[100000,"team1"]', look("'large.csv', 'project'", "return #t, t.project100000 and t.project099951.team", {memory = 1 << 20}))
    n = n + 1
    write("hook" .. n .. ".lua", "local m = require 'moongate'\nreturn function() m.lookup('large.csv', 'project') end")
    local out = gate.hook(folder .. "/hook" .. n .. ".lua", {files = {folder}}) {}
    assert.has("large.csv: larger than 1 MiB, so it is looked up while the script loads, not in a hook", out.text)
  end)

  it("costs of its budget", function()
    local out = hook("'teams.csv', 'project'", "while true do local _ = t.billing.team end", {instructions = 50000}) {}
    assert.equal("hook_budget", out.reason)
  end)

  it("leaves nothing behind", function()
    os.execute("rm -rf " .. folder)
  end)
end)
