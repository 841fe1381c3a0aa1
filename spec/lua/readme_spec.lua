local gate = require "gate"
-- lua/README.md names what scripts can use: everything there is, and nothing else.

local read = gate.read

local readme = read("lua/README.md")

local function set(list)
  local s = {}
  for _, v in ipairs(list) do s[v] = true end
  return s
end

describe("lua/README.md", function()
  it("names what moongate has, and nothing else", function()
    local out = gate.run([[
      local names = {}
      for k, v in pairs(m) do
        if type(v) == "table" and k ~= "params" then
          for k2 in pairs(v) do names[#names + 1] = k .. "." .. k2 end
        else
          names[#names + 1] = k
        end
      end
      e.datacontenttype = "text/plain"
      e.data = table.concat(names, " ")]])
    local there, told = {}, {}
    for name in out[1].data:gmatch("%S+") do there[#there + 1] = name end
    for name in readme:match("\n## moongate\n(.-)\n### "):gmatch("`moongate%.([%w_.]+)") do told[#told + 1] = name end
    assert.same(set(there), set(told))
    assert.equal(#there, #told)
  end)

  it("names what the shipped modules have, and nothing else", function()
    local there, told = {}, {}
    for _, module in ipairs {"filters", "enrich", "redact", "route", "rules", "flyteadmin_v2", "go_url"} do
      local out = gate.run(([[
        local module, names = require "moongate.%s", {}
        if type(module) == "function" then module = {[""] = module} end
        for k in pairs(module) do names[#names + 1] = k end
        e.datacontenttype = "text/plain"
        e.data = table.concat(names, ",") .. ","]]):format(module))
      local code = read("lua/moongate/" .. module .. ".lua")
      for name in out[1].data:gmatch("(.-),") do
        local args = code:match("\nfunction " .. module .. "%." .. name .. "(%b())") or name == "" and "(conf)" or ""
        there[#there + 1] = (name == "" and module or module .. "." .. name) .. args
      end
    end
    local section = readme:match("\n### Shipped modules\n.-\n(|.-)\n\n")
    for line in section:gmatch("[^\n]+") do
      for name in line:gmatch("`([%l][%l%d_]*%.?[%l_]*[^`]*)`") do
        if name:find("^[%l_]+%.[%l_]+%b()$") or name:find("^[%l%d_]+%(conf%)$") or name:find("^redact%.[%l_]+$") then told[#told + 1] = name end
      end
    end
    assert.same(set(there), set(told))
  end)

  it("calls functions with meta.lua's arguments", function()
    local meta = read("lua/moongate/meta.lua")
    for name, args in meta:gmatch("\nfunction (moongate%.[%w_.]+)(%b())") do
      assert.has("`" .. name .. args .. "`", readme)
    end
  end)

  it("shows Lua that compiles", function()
    local n = 0
    for block in readme:gmatch("```lua\n(.-)```") do
      n = n + 1
      assert(load(block, "=block " .. n))
    end
    assert(n > 5)
  end)

  it("names flyte's fields", function()
    local told, fields = {}, readme:match("\n## flyte\n(.-):\n")
    for name in fields:gmatch("`([%w_]+)`") do told[#told + 1] = name end
    local there = {}
    for name in read("lua/moongate/meta.lua"):match("class moongate.Flyte.-\n\n"):gmatch("@field ([%w_]+)") do there[#there + 1] = name end
    assert.same(set(there), set(told))
    gate.run("for _, name in ipairs {'" .. table.concat(told, "', '") .. "'} do local _ = flyte[name] end", gate.task {})
  end)

  it("names libraries that are there and that are not", function()
    local present = readme:match("Present: the base library, (.-)%. Absent")
    local absent = readme:match("Absent: (.-), bytecode")
    for name in present:gmatch("`([%w.]+)`") do gate.run(("assert(%s ~= nil)"):format(name)) end
    for name in absent:gmatch("`([%w.]+)`") do gate.run(("assert(%s == nil)"):format(name)) end
  end)

  it("has an example that runs", function()
    local hook = gate.hook(readme:match("```lua\n(.-)```"))
    local out = hook(gate.task {phase = "FAILED", error = "no\nmemory"})
    assert.equal("no memory", out[1].reason)
    assert.equal("not a failure", hook(gate.task {phase = "RUNNING"}).label)
    assert.equal("publish", hook(gate.workflow {}).verdict)
  end)
end)

describe("meta_flyte.lua", function()
  it("is what make meta writes", function()
    assert(read("build/gen/meta_flyte.lua") == read("lua/moongate/meta_flyte.lua"), "proto/ has changed: make meta")
  end)
  it("has the fields that requests have", function()
    local meta = read("lua/moongate/meta_flyte.lua")
    for class, input in pairs {
      ["flyteidl.event.WorkflowExecutionEvent"] = gate.workflow {}, ["flyteidl.event.NodeExecutionEvent"] = gate.node {},
      ["flyteidl.event.TaskExecutionEvent"] = gate.task {}, ["flyteidl2.workflow.ActionEvent"] = gate.action {},
    } do
      local fields = meta:match("class moongate%." .. class:gsub("%.", "%%.") .. ": moongate%.Message\n(.-)\n\n")
      local names = {}
      for name in fields:gmatch("@field ([%w_]+)") do names[#names + 1] = name end
      assert(#names > 5)
      gate.run(([[
        local message = flyte.kind == "action" and request or request.event
        for name in ("%s"):gmatch("%%S+") do local _ = message[name] end
        local ok, why = pcall(function() return message.not_there end)
        assert(not ok and why:find("has no field"))
      ]]):format(table.concat(names, " ")), input)
    end
  end)
end)

describe("assert", function()
  it("is to editors what test/assert.lua takes", function()
    local meta, code = read("lua/moongate/meta_test.lua"), read("lua/moongate/test/assert.lua")
    local told = meta:match("class moongate%.test%.Checks\n(.-)\n\n")
    local there = {}
    for name in code:gmatch("\nchecks%.([%l_]+) =") do there[name] = true end
    for name in (code:match("\nchecks%.equals[^\n]+=") or ""):gmatch("checks%.([%l_]+)") do there[name] = true end
    for names in code:gmatch("\nfor _, [%l_]+ in ipairs (%b{}) do\n  checks%[") do
      for name in names:gmatch("[%l_]+") do there[name] = true end
    end
    local words = set {"is", "are", "was", "has", "does", "have", "not", "no"}
    local seen = {}
    for name in told:gmatch('@field [%["]*([%l_]+)') do
      local rest = name
      while words[rest:match("^(%l+)_")] do rest = rest:match("^%l+_(.*)$") end
      assert(there[rest], name)
      seen[rest] = true
    end
    assert.same(there, seen)
  end)
end)

-- What specs see: as test.lua has it, as meta_test.lua says it to editors, as the reference tells it.
describe("the names of specs", function()
  local code = read("lua/moongate/test.lua") .. read("lua/moongate/test/events.lua")
  local meta, tests = read("lua/moongate/meta_test.lua"), readme:match("\n## Tests\n(.-)\n## ")

  local function all(text, pattern)
    local found = {}
    for name in text:gmatch(pattern) do found[name] = true end
    return found
  end

  it("are the same of gate", function()
    local there = all(code, "\nfunction gate%.([%w_]+)")
    assert(there.hook and there.task and there.http)
    assert.same(there, all(meta, "\nfunction gate%.([%w_]+)"))
    assert.same(there, all(tests, "`gate%.([%w_]+)%("))
    for name, args in meta:gmatch("\nfunction gate%.([%w_]+)(%b())") do
      assert.has("`gate." .. name .. args .. "`", tests)
    end
  end)

  it("are the same of busted's", function()
    local there = all(code, "\nfunction env%.([%w_]+)")
    for left in code:gmatch("\n(env%.[%w_., ]+) = ") do
      for name in left:gmatch("env%.([%w_]+)") do there[name] = true end
    end
    for _, name in ipairs {"setup", "teardown", "before_each", "after_each"} do
      assert.has('"' .. name .. '"', code)
      there[name] = true
    end
    assert.same(there, all(meta, "\nfunction ([%w_]+)%("))
    for name in pairs(there) do
      if not name:find("^lazy_") and not name:find("^strict_") then assert.has("`" .. name .. "`", tests) end
    end
  end)

  it("are the same of what gate.task and the others take", function()
    for _, kind in ipairs {"COMMON", "WORKFLOW", "NODE", "TASK", "ACTION"} do
      local list = code:match("local " .. kind .. " = (%b{})") or code:match("local " .. kind .. " = names_with(%b())")
      for name in list:gmatch('"([%w_]+)"') do
        assert.has("---@field " .. name .. "?", meta)
        assert.has("`" .. name .. "`", tests)
      end
    end
  end)
end)
