local gate = require "gate"
-- Every name that a script can reach is called by a spec. The names are what is there at run time: a function that somebody
-- adds and nobody tries fails here, by its name.

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  assert(#list > 0, command)
  return list
end

local read = gate.read

-- Code alone: a name in a comment calls nothing. Scripts stand in strings, so \n is a line's end.
local function code_of(path)
  return (("\n" .. read(path)):gsub("\\n", "\n"):gsub("\n%s*%-%-[^\n]*", "\n"))
end

local specs, all = {}, {}
local lua, others = "spec/lua/*_spec.lua lua/moongate/*_spec.lua scripts/*_spec.lua", "spec/integration/test_cmd_test.py spec/unit/hook/http_test.c"
for _, path in ipairs(lines_of("ls " .. lua .. " " .. others)) do
  if not path:find("walk_spec") and not path:find("readme_spec") then
    specs[path] = code_of(path)
    all[#all + 1] = specs[path]
  end
end
local text = table.concat(all, "\n")

local function escaped(name) return (name:gsub("%p", "%%%0")) end

-- moongate is also m in specs; a comma: it is called by a local's name.
local function is_called(name)
  local rest = escaped(name)
  for _, prefix in ipairs {"%f[%w_]m%.", "%f[%w_]moongate%."} do
    if text:find(prefix .. rest .. "%s*[%({\"'%[,]") then return true end
  end
  return false
end

local function is_read(name)
  local rest = escaped(name) .. "%f[^%w_]"
  return text:find("%f[%w_]m%." .. rest) ~= nil or text:find("%f[%w_]moongate%." .. rest) ~= nil
end

-- What a script in the gateway's Lua finds, one a line.
local function found(body, input, conf)
  local out = gate.run("local out = {}\n" .. body .. "\ne.datacontenttype = 'text/plain'\ne.data = table.concat(out, '\\n')", input, conf)
  local list = {}
  for line in out[1].data:gmatch("[^\n]+") do list[#list + 1] = line end
  assert(#list > 0, "found nothing")
  return list
end

local function missing(list, test)
  local out = {}
  for _, name in ipairs(list) do
    if not test(name) then out[#out + 1] = name end
  end
  return out
end

describe("specs", function()
  it("call every function of moongate", function()
    local functions, values = {}, {}
    for _, line in ipairs(found [[
      local function walk(t, path)
        for k, v in pairs(t) do
          local name = path .. k
          if type(v) == "table" and name ~= "params" then
            walk(v, name .. ".")
          else
            out[#out + 1] = type(v) .. " " .. name
          end
        end
      end
      walk(m, "")
    ]]) do
      local kind, name = line:match("^(%S+) (%S+)$")
      local list = kind == "function" and functions or values
      list[#list + 1] = name
    end
    assert(#functions > 25 and #values > 3)
    assert.same({}, missing(functions, is_called))
    assert.same({}, missing(values, is_read))
  end)

  it("would miss one", function()
    assert.same({"nobody_calls_this", "json.encodes"}, missing({"clean", "nobody_calls_this", "json.encode", "json.encodes"}, is_called))
    assert.same({"param"}, missing({"params", "param"}, is_read))
  end)

  -- Words that C gives to Lua are asked of each handle, so that what it has is known without a list here.
  it("call every method of what moongate gives", function()
    local words, seen, set = {}, {}, lines_of("pwd")[1] .. "/scripts/v2/report.desc"
    for _, path in ipairs(lines_of("ls gateway/hook/api_*.c")) do
      for word in read(path):gmatch('{"([%l_][%l_%d]*)", *[%l_]') do
        if not seen[word] then words[#words + 1] = ("%q"):format(word) end
        seen[word] = true
      end
    end
    local list = found(([[
      local handles = {counter = m.counter("walk"), cache = m.cache("walk"), proto = m.proto.load(%q)}
      for what, handle in pairs(handles) do
        for _, word in ipairs {%s} do
          local ok, method = pcall(function() return handle[word] end)
          if ok and type(method) == "function" then out[#out + 1] = what .. ":" .. word end
        end
      end
    ]]):format(set, table.concat(words, ", ")), nil, {files = {set:match("^(.*)/")}})
    assert(#list >= 7, #list)
    assert.same({}, missing(list, function(name)
      local what, word = name:match("^(.-):(.*)$")
      for _, spec in pairs(specs) do
        if spec:find("%f[%w]" .. what) and spec:find("[%w%)]:" .. word .. "%s*[%({]") then return true end
      end
      return false
    end))
  end)

  it("read every fact", function()
    local list = found("for k in pairs(flyte) do out[#out + 1] = k end", gate.task {phase = "FAILED", error = "x"})
    assert(#list >= 12)
    assert.same({}, missing(list, function(name) return text:find("flyte%." .. name .. "%f[^%w_]") ~= nil end))
  end)

  it("call every function of the modules beside them", function()
    for _, path in ipairs(lines_of("ls lua/moongate/*.lua")) do
      local name = path:match("([%l%d_]+)%.lua$")
      if not name:find("_spec$") and not name:find("^meta") and name ~= "test" then
        local spec = assert(specs["lua/moongate/" .. name .. "_spec.lua"], path .. " has no spec beside it")
        local alias = assert(spec:match('local (%w+) = require "moongate%.' .. name .. '"'), path)
        local list = found(([[
          local module = require "moongate.%s"
          if type(module) == "function" then module = {[""] = module} end
          for k, v in pairs(module) do out[#out + 1] = k .. (type(v) == "function" and "()" or "") end
        ]]):format(name))
        assert.same({}, missing(list, function(member)
          local called = member:match("^(.*)%(%)$")
          local as = called == "" and alias or alias .. "%." .. (called or member)
          return spec:find("%f[%w]" .. as .. (called and "%s*[%({\"']" or "%f[^%w_]")) ~= nil
              or (called and spec:find("%f[%w]" .. as .. "%f[^%w_][%),}]")) ~= nil
        end))
      end
    end
  end)

  it("call every name that spec files see", function()
    local code, list = read("lua/moongate/test.lua") .. read("lua/moongate/test/events.lua"), {}
    for name in code:gmatch("\nfunction (gate%.[%w_]+)") do list[#list + 1] = name end
    for name in code:gmatch("\nfunction env%.([%w_]+)") do list[#list + 1] = name end
    for left in code:gmatch("\n(env%.[%w_., ]+) = ") do
      for name in left:gmatch("env%.([%w_]+)") do list[#list + 1] = name end
    end
    assert(#list > 15)
    assert.same({}, missing(list, function(name) return text:find("%f[%w_]" .. escaped(name) .. "%s*[%({\"']") ~= nil end))
  end)

  it("that README.md names are there", function()
    local rest = {}
    for _, path in ipairs(lines_of("ls spec/unit/hook/*_test.c spec/unit/pipeline/*_test.c spec/integration/test_*.py")) do
      rest[#rest + 1] = read(path)
    end
    local tests = table.concat(rest)
    local function is_there(name)
      local file, title = name:match("^([%l_]+_spec): (.+)$")
      if file then return read("spec/lua/" .. file .. ".lua"):find('it("' .. title .. '"', 1, true) ~= nil end
      return tests:find("%f[%w_]" .. name .. "%f[^%w_]%s*[%(%)]") ~= nil
    end
    local list = {}
    for row in read("spec/lua/README.md"):gmatch("\n| [^\n]+ | ([^\n]+) |") do
      for name in row:gmatch("`([^`]+)`") do list[#list + 1] = name end
    end
    assert(#list > 100, #list)
    assert.same({}, missing(list, is_there))
    assert.same({"event_spec: x", "test_nothing_of_it"}, missing({"event_spec: x", "test_nothing_of_it"}, is_there))
  end)
end)
