-- What spec files see: describe, it, before_each, assert as in busted, and `require "gate"`:
-- gate.hook(scripts, conf) makes a hook; hook(event or request) gives the list of events it publishes, with
-- verdict, reason, label, text and log beside them. gate.workflow, node and task make requests, gate.event CloudEvents.
-- luacheck: globals gateway describe it before_each assert
local passed, failed = 0, 0
local names, before = {}, {}

-- ---- values -------------------------------------------------------------------------------------

local function show(v)
  if type(v) == "string" then return ("%q"):format(v) end
  if type(v) ~= "table" then return tostring(v) end
  local keys, out = {}, {}
  for k in pairs(v) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, k in ipairs(keys) do out[#out + 1] = tostring(k) .. "=" .. show(v[k]) end
  return "{" .. table.concat(out, ", ") .. "}"
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b and math.type(a) == math.type(b) end
  for k, v in pairs(a) do
    if not same(v, b[k]) then return false end
  end
  for k in pairs(b) do
    if a[k] == nil then return false end
  end
  return true
end

local function encode(v)
  if type(v) == "string" then
    return '"' .. v:gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
  end
  if type(v) ~= "table" then return tostring(v) end
  local out = {}
  if #v > 0 then
    for i, x in ipairs(v) do out[i] = encode(x) end
    return "[" .. table.concat(out, ",") .. "]"
  end
  for k, x in pairs(v) do out[#out + 1] = encode(tostring(k)) .. ":" .. encode(x) end
  table.sort(out)
  return "{" .. table.concat(out, ",") .. "}"
end

-- ---- assert -------------------------------------------------------------------------------------

local function fail(level, ...)
  error(table.concat({...}, ""), level + 1)
end

local checks = {}

function checks.equal(want, got)
  if want ~= got then fail(2, "wanted ", show(want), ", got ", show(got)) end
end

function checks.same(want, got)
  if not same(want, got) then fail(2, "wanted ", show(want), ", got ", show(got)) end
end

function checks.is_true(v)
  if v ~= true then fail(2, "wanted true, got ", show(v)) end
end

function checks.is_nil(v)
  if v ~= nil then fail(2, "wanted nil, got ", show(v)) end
end

-- The text has the part, as it is.
function checks.has(part, text)
  if type(text) ~= "string" or not text:find(part, 1, true) then fail(2, show(text), " does not have ", show(part)) end
end

function checks.error(f, part)
  local ok, why = pcall(f)
  if ok then fail(2, "wanted an error") end
  if part and not tostring(why):find(part, 1, true) then fail(2, show(why), " does not have ", show(part)) end
end

local plain_assert = assert
assert = setmetatable(checks, {__call = function(_, ...) return plain_assert(...) end})

-- ---- describe, it -------------------------------------------------------------------------------

function describe(name, body)
  local depth = #before
  names[#names + 1] = name
  body()
  names[#names] = nil
  for i = #before, depth + 1, -1 do before[i] = nil end
end

function before_each(f)
  before[#before + 1] = f
end

function it(name, body)
  local title = table.concat(names, " ") .. " " .. name
  local ok, why = xpcall(function()
    for _, f in ipairs(before) do f() end
    body()
  end, debug.traceback)
  if ok then
    passed = passed + 1
    print("ok   " .. title)
  else
    failed = failed + 1
    print("FAIL " .. title .. "\n  " .. tostring(why):gsub("\n", "\n  "))
  end
end

-- ---- gate ---------------------------------------------------------------------------------------

local gate = {show = show}

local Request = {}

local function request(kind, message)
  return setmetatable({kind = kind, json = encode(message)}, Request)
end

local function execution(t)
  return {project = t.project or "flytesnacks", domain = t.domain or "development", name = t.name or "f1"}
end

local function error_of(t)
  return t.error and {code = t.code or "USER:Unknown", message = t.error} or nil
end

local TIME = "2026-01-02T03:04:05Z"

function gate.workflow(t)
  return request("workflow", {request_id = t.request_id, event = {
    execution_id = execution(t), phase = t.phase or "RUNNING", occurred_at = t.time or TIME,
    error = error_of(t), output_uri = t.output_uri}})
end

function gate.node(t)
  return request("node", {event = {
    id = {node_id = t.node or "n0", execution_id = execution(t)}, phase = t.phase or "RUNNING",
    occurred_at = t.time or TIME, error = error_of(t), retry_group = t.retry_group}})
end

function gate.task(t)
  return request("task", {event = {
    task_id = {resource_type = "TASK", project = t.project or "flytesnacks", domain = t.domain or "development",
               name = t.task or "wf.t", version = t.version or "v1"},
    parent_node_execution_id = {node_id = t.node or "n0", execution_id = execution(t)},
    retry_attempt = t.attempt or 0, phase = t.phase or "RUNNING", occurred_at = t.time or TIME,
    error = error_of(t), custom_info = t.custom_info, reasons = t.reasons, logs = t.logs}})
end

-- Of Flyte 2.
function gate.action(t)
  return request("action", {
    id = {run = {org = t.org, project = t.project or "flytesnacks", domain = t.domain or "development", name = t.name or "r1"},
          name = t.node or "a0"},
    attempt = t.attempt or 1, phase = "ACTION_PHASE_" .. (t.phase or "RUNNING"), version = t.version, updated_time = t.time or TIME,
    error_info = t.error and {code = t.code or "USER:Unknown", message = t.error, kind = "KIND_USER"} or nil})
end

-- Any CloudEvent; t.json its text as it stands.
function gate.event(t)
  local e = {specversion = "1.0", id = "e1", source = "/spec", type = "spec"}
  for k, v in pairs(t) do e[k] = v end
  return setmetatable({kind = "other", json = t.json or encode(e)}, Request)
end

local scratch = {}

-- A script as text, in a file of its own.
local function file_of(script)
  if not script:find("\n") and script:find("%.lua$") then return script end
  local path = os.tmpname()
  local named = path .. "_hook.lua"
  os.remove(path)
  local f = plain_assert(io.open(named, "w"))
  f:write(script)
  f:close()
  scratch[#scratch + 1] = named
  return named
end

-- scripts: a path, the text of a script (with a line break), or a list of them. Raises if they do not load.
function gate.hook(scripts, conf)
  conf = conf or {}
  local paths = {}
  for i, s in ipairs(type(scripts) == "table" and scripts or {scripts}) do paths[i] = file_of(s) end
  local yaml = encode {params = conf.params, match = conf.match, rename = conf.rename, set = conf.set, remove = conf.remove,
    publisher = conf.publisher, routes = conf.routes}
  local hook, why = gateway.open(paths, conf, yaml)
  if not hook then error(why, 2) end
  return function(input)
    if getmetatable(input) ~= Request then input = gate.event(input or {}) end
    local result = gateway.call(hook, input.kind, input.json)
    local out = result.events
    result.events = nil
    return setmetatable(out, {__index = result})
  end
end

function gate.read(path)
  local f = plain_assert(io.open(path))
  local text = f:read("a")
  f:close()
  return text
end

-- The body of a hook that is called with e, request, flyte; m is moongate. Raises what the hook raised.
function gate.run(body, input, conf)
  local hook = gate.hook("local m = require 'moongate'\nreturn function(e, request, flyte)\n" .. body .. "\nend\n", conf)
  local out = hook(input or {})
  if out.verdict == "failed" then error(out.text, 2) end
  return out
end

-- For data_base64.
function gate.base64(s)
  local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  return (s:gsub("..?.?", function(part)
    local a, b, c = part:byte(1, 3)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    local out = ""
    for shift = 18, 24 - 6 * (#part + 1), -6 do
      local i = (n >> shift & 63) + 1
      out = out .. alphabet:sub(i, i)
    end
    return out .. ("="):rep(3 - #part)
  end))
end

-- What the next calls take for now, in seconds since 1970; nil for the clock again.
function gate.time(t)
  gateway.time(t)
end

-- The structured JSON of an event that came out.
function gate.json(event)
  return getmetatable(event).json
end

-- What moongate.route said of an event that came out: topic, key, headers as "name=value"; nil if nothing.
function gate.route(event)
  return getmetatable(event).route
end

package.preload.gate = function() return gate end

-- ---- files --------------------------------------------------------------------------------------

for _, file in ipairs(arg) do
  local chunk, why = loadfile(file)
  local ok = chunk ~= nil
  if ok then ok, why = xpcall(chunk, debug.traceback) end
  if not ok then
    failed = failed + 1
    print("FAIL " .. file .. "\n  " .. tostring(why))
  end
end
for _, path in ipairs(scratch) do os.remove(path) end
print(("%d passed, %d failed"):format(passed, failed))
return failed
