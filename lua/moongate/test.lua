-- What spec files see: `describe`, `it`, `assert` and the others by busted's names, and `gate`, which makes hooks and
-- events. `moongate test` runs it in the sandbox that hooks run in; `require "moongate.test"` is there in *_spec.lua
-- files alone. `host` is what the runner gives: the only way out, kept from spec files.
local host = ...
local moongate = require "moongate"
local show = require("moongate.test.show").show
local checks = require("moongate.test.assert")(host)
local gate, Event = require("moongate.test.events")(host)

local assert, Failure, text_of, callable = checks.assert, checks.Failure, checks.text_of, checks.callable

-- Raised by pending() in an `it`.
local Pending = {__tostring = function(p) return p.message end}

local function is(e, what)
  return type(e) == "table" and getmetatable(e) == what
end

-- ---- describe, it -----------------------------------------------------------------------------------------------

local MAX_CHILDREN, MAX_NESTED = 10000, 50

local options             -- of this run: filter, list, done (a step to go on behind), stopped (steps that were)
local collecting          -- the block that describe, it and the others add to; nil while an `it` or a setup runs
local running             -- the `it` that runs
local children, steps = 0, 0

local function new_block(name, line, parent)
  return {name = name, line = line, parent = parent, depth = parent and parent.depth + 1 or 0, children = {},
          setup = {}, teardown = {}, before_each = {}, after_each = {}}
end

local function full_name(block, name)
  local parts = {name}
  while block and block.name do
    table.insert(parts, 1, block.name)
    block = block.parent
  end
  return table.concat(parts, " ")
end

local function in_block(what)
  if not collecting then error(what .. " stands in a describe or in the file, not in an it or a setup", 3) end
  return collecting
end

local function add(what, child)
  if type(child.name) ~= "string" then error(what .. ": its name is a string, got " .. show(child.name), 3) end
  if child.body ~= nil and not callable(child.body) then
    error(what .. ": a function is wanted behind the name, got " .. show(child.body), 3)
  end
  children = children + 1
  if children > MAX_CHILDREN then error("more than " .. MAX_CHILDREN .. " tests in a file", 3) end
  table.insert(collecting.children, child)
end

local env = {assert = assert}

function env.describe(name, body)
  local block = in_block("describe")
  if body == nil then error("describe: a function is wanted behind the name", 2) end
  if block.depth == MAX_NESTED then error("describe: nested more than " .. MAX_NESTED .. " deep", 2) end
  local child = new_block(name, host.line(), block)
  child.body = body
  add("describe", child)
end

function env.it(name, body)
  in_block("it")
  add("it", {is_test = true, name = name, body = body, line = host.line(), pending = body == nil and "" or nil})
end

function env.pending(name, _)
  if collecting then
    add("pending", {is_test = true, name = name, line = host.line(), pending = ""})
  else
    local why = name == nil and "pending" or tostring(name)
    error(setmetatable({message = (host.where() or "?") .. ": " .. why}, Pending))
  end
end

for _, when in ipairs {"setup", "teardown", "before_each", "after_each"} do
  env[when] = function(f)
    local block = in_block(when)
    if not callable(f) then error(when .. ": a function is wanted, got " .. show(f), 2) end
    table.insert(block[when], f)
  end
end

function env.finally(f)
  if not running then error("finally stands in an it", 2) end
  if not callable(f) then error("finally: a function is wanted, got " .. show(f), 2) end
  running.finally = f
end

env.context, env.spec, env.test = env.describe, env.it, env.it
env.lazy_setup, env.strict_setup = env.setup, env.setup
env.lazy_teardown, env.strict_teardown = env.teardown, env.teardown

-- ---- running ----------------------------------------------------------------------------------------------------

local function on_error(e)
  if is(e, Failure) or is(e, Pending) then return e end
  local frames, n = host.frames()
  return {raised = e, where = host.where(), frames = frames, n = n}
end

-- With its place, if it does not start with one.
local function located(text, where)
  text = text:gsub("^moongate/test[%w/]*%.lua:%d+: ", "")
  return (where and not text:find("^[^\n]-:%d+:") and where .. ": " or "") .. text
end

-- nil: it ended well; else "failure", "pending" or "error", and why.
local function guarded(f)
  local ok, e = xpcall(f, on_error)
  if ok then return nil end
  if is(e, Failure) then return "failure", e.message end
  if is(e, Pending) then return "pending", e.message end
  if type(e) ~= "table" then return "error", text_of(e) end
  local _, text = pcall(text_of, e.raised)
  text = located(text_of(text), e.where)
  local told = e.where and text:sub(1, #e.where + 1) == e.where .. ":"
  return "error", text .. (told and e.n < 2 and "" or e.frames)
end

-- One step: a budget of its own. A step that an earlier run of this file did is not told again; one that was stopped
-- then fails without being run.
local function begin(name, line)
  steps = steps + 1
  local again = steps <= options.done
  if options.stopped[steps] then return again, true end
  host.step(steps, name, line)
  return again, false
end

local function report(again, kind, name, line, text)
  if not again then host.report(kind, name, line, text or "") end
end

-- Setups and describe bodies are done again when a file goes on behind a stop.
local function do_step(name, line, f)
  local again, stopped = begin(name, line)
  if stopped then return false end
  local kind, why = guarded(f)
  if kind then report(again, "error", name, line, why) end
  return kind == nil
end

local function chain_of(block)
  local chain = {}
  while block do
    table.insert(chain, 1, block)
    block = block.parent
  end
  return chain
end

local function run_body(test, name, chain)
  local ready = true
  for _, block in ipairs(chain) do
    for _, f in ipairs(block.before_each) do
      local kind, why = guarded(f)
      if kind then
        report(false, "error", name .. " before_each", test.line, why)
        ready = false
        break
      end
    end
    if not ready then break end
  end
  if ready then
    local kind, why = guarded(test.body)
    report(false, kind or "success", name, test.line, why)
  end
  if test.finally then
    local kind, why = guarded(test.finally)
    if kind then report(false, "error", name .. " finally", test.line, why) end
  end
  for i = #chain, 1, -1 do
    for _, f in ipairs(chain[i].after_each) do
      local kind, why = guarded(f)
      if kind then report(false, "error", name .. " after_each", test.line, why) end
    end
  end
end

-- What an `it` has of the world outside: what was given before it, in blocks around it, is there; what it gives itself
-- is not there for the next one.
local world = {answers = {}}
local epoch = 0 -- of the `it`, so that each has fresh hooks

local function copy_world(w)
  return {time = w.time, answers = table.move(w.answers, 1, #w.answers, 1, {})}
end

local function forget_calls(w)
  for _, answer in ipairs(w.answers) do
    for i = #answer.calls, 1, -1 do answer.calls[i] = nil end
  end
end

local function run_test(test, block)
  local name = full_name(block, test.name)
  if options.filter and not name:find(options.filter) then return end
  if test.pending or options.list then
    steps = steps + 1
    return report(steps <= options.done, "pending", name, test.line)
  end
  local again, stopped = begin(name, test.line)
  if again or stopped then return end
  running, world, epoch = test, copy_world(block.world), epoch + 1
  forget_calls(world)
  run_body(test, name, chain_of(block))
  running, world = nil, copy_world(block.world)
end

local run_block

local function run_children(block)
  for _, child in ipairs(block.children) do
    if child.is_test then run_test(child, block) else run_block(child) end
  end
end

local function run_all(block, when)
  if options.list then return true end
  for _, f in ipairs(block[when]) do
    if not do_step(full_name(block, when), block.line, f) then return false end
  end
  return true
end

local function run_inside(block)
  if run_all(block, "setup") then
    block.world = copy_world(world)
    run_children(block)
  end
  run_all(block, "teardown")
end

function run_block(block)
  world = copy_world(block.parent.world)
  collecting = block
  local ok = do_step(full_name(block), block.line, block.body)
  collecting = nil
  if ok then run_inside(block) end
  world = copy_world(block.parent.world)
end

-- The chunk of a spec file.
local function run(chunk, opts)
  options = opts
  if opts.filter and not pcall(string.find, "", opts.filter) then
    error("--filter: " .. opts.filter .. " is no Lua pattern", 0)
  end
  local root = new_block(nil, 0, nil)
  collecting = root
  local ok = do_step("", 0, chunk)
  collecting = nil
  if ok then run_inside(root) end
end

-- ---- gate: hooks ------------------------------------------------------------------------------------------------

local answer_error -- what a function given to gate.http raised

-- What a hook is called through; only what scripts may see is in the table itself.
local Hook = {}
local opened = setmetatable({}, {__mode = "k"}) -- hook: {host's, epoch of its last call}

-- scripts: a path, relative to the spec file, or a list of them (an empty one if conf has rules or a style). conf: keys
-- of a pipeline.
function gate.hook(scripts, conf)
  local paths = type(scripts) == "string" and {scripts} or scripts
  if type(paths) ~= "table" or (#paths == 0 and not conf) then
    error("gate.hook takes the path of a script, or a list of them, got " .. show(scripts), 2)
  end
  for _, path in ipairs(paths) do
    if type(path) ~= "string" then error("gate.hook: a path is a string, got " .. show(path), 2) end
  end
  if conf ~= nil and type(conf) ~= "table" then
    error("gate.hook: a table is wanted behind the path, got " .. show(conf), 2)
  end
  local state, why = host.open(paths, conf or {})
  if not state then error(why, 2) end
  local hook = setmetatable({last = nil}, Hook)
  opened[hook] = {state = state}
  return hook
end

-- The events that come out, or nil: not now (moongate.retry). Raises what the hook raised. Beside it, and as
-- hook.last: how it ended.
function Hook.__call(hook, event)
  if getmetatable(event) ~= Event then
    error("a hook of gate.hook takes an event of gate.workflow, node, task, action or event, got " .. show(event), 2)
  end
  local own = opened[hook]
  if own.epoch and own.epoch ~= epoch then host.reopen(own.state) end
  own.epoch = epoch
  answer_error = nil
  local result = host.call(own.state, event.kind, event:json(), world.time)
  if answer_error then error(answer_error, 0) end
  local events = result.events
  result.events = nil
  hook.last = result
  if result.verdict == "failed" then error(result.text, 0) end
  if result.verdict == "retry" then return nil, result end
  return events, result
end

-- ---- gate: the world --------------------------------------------------------------------------------------------

-- What moongate.now and received say from here on: seconds or RFC 3339; nil: the clock.
function gate.time(t)
  if t ~= nil and type(t) ~= "number" and type(t) ~= "string" then
    error("gate.time takes seconds or an RFC 3339 time, got " .. show(t), 2)
  end
  if type(t) == "string" then
    local ok, seconds = pcall(moongate.time, t)
    if not ok then error("gate.time: " .. seconds, 2) end
    t = seconds
  end
  world.time = t
end

-- "METHOD URL" or a URL, with * for any run of characters, as a Lua pattern.
local function url_pattern(text)
  local method, url = text:match("^(%u+) (.*)$")
  local pattern = (url or text):gsub("[^%w*]", "%%%0"):gsub("%*", ".*")
  return method, "^" .. pattern .. "$"
end

-- Answers moongate.http. url: with * for any part, "POST https://…" for one method. response: a body, a status, a
-- table {status=, body= or json=, headers=, error=}, or a function of the request that gives one of them. The last one
-- given wins. Gives the list of requests that it answered.
function gate.http(url, response)
  if type(url) ~= "string" then error("gate.http takes a URL, got " .. show(url), 2) end
  if response == nil then error("gate.http: what is the answer? a body, a status, a table or a function", 2) end
  local method, pattern = url_pattern(url)
  local answer = {method = method, pattern = pattern, response = response, calls = {}}
  table.insert(world.answers, answer)
  return answer.calls
end

local function read_response(r)
  if type(r) == "string" then return 200, r, {} end
  if type(r) == "number" then return r, "", {} end
  if type(r) ~= "table" then error("gate.http: an answer is a body, a status or a table, got " .. show(r), 0) end
  for name in pairs(r) do
    if name ~= "status" and name ~= "body" and name ~= "json" and name ~= "headers" and name ~= "error" then
      error("gate.http: an answer has no " .. show(name), 0)
    end
  end
  if r.error then return 0, tostring(r.error), {} end
  local headers = {}
  for name, value in pairs(r.headers or {}) do headers[#headers + 1] = {tostring(name):lower(), tostring(value)} end
  if r.json == nil then return r.status or 200, r.body or "", headers end
  headers[#headers + 1] = {"content-type", "application/json"}
  return r.status or 200, moongate.json.encode(r.json), headers
end

local RECORDS = {execution = true, workflow = true, task = true, task_execution = true}

local function check_records(records)
  if type(records) ~= "table" then
    error("gate.flyteadmin takes a table, or false: there is none; got " .. show(records), 3)
  end
  for kind, by_id in pairs(records) do
    if not RECORDS[kind] then
      error("gate.flyteadmin has no " .. show(kind) .. "; it has execution, workflow, task, task_execution", 3)
    end
    if type(by_id) ~= "table" then
      error("gate.flyteadmin: " .. kind .. " is a table of records by id, got " .. show(by_id), 3)
    end
  end
end

-- What moongate.flyte gets in place of a record.
local function no_record(why)
  if why == nil then return "FlyteAdmin: NOT_FOUND", "NOT_FOUND" end
  return "FlyteAdmin: " .. why, why:match("^[A-Z_]+") or "UNREACHABLE"
end

-- Answers moongate.flyte: {execution = {["project:domain:name"] = record}, workflow = {…},
-- task = {["project:domain:name:version"] = …}, task_execution = {["project:domain:name:node"] = …}}. A record is a
-- table by proto names, or a text: why there is none ("UNAVAILABLE: …"). false: no FlyteAdmin is configured. Gives the
-- list of what was asked for.
function gate.flyteadmin(records)
  if records ~= false then check_records(records) end
  local asked = {}
  table.insert(world.answers, {method = "ASK", pattern = "^flyteadmin%.", calls = {}, response = function(request)
    local kind, id = request.url:match("^flyteadmin%.([%a_]+):(.*)$")
    table.insert(asked, kind .. " " .. id)
    if not records then
      return {status = 404, body = "no FlyteAdmin is configured: flyteadmin.address", headers = {code = "UNCONFIGURED"}}
    end
    local record = (records[kind] or {})[id]
    if type(record) == "table" then return {json = record} end
    local why, code = no_record(record)
    return {status = 404, body = why, headers = {code = code}}
  end})
  return asked
end

-- Asked by the host: nothing, if there is no answer; else a status (0: the body says why there is none), body, headers.
local function answer(request)
  local ok, json = pcall(moongate.json.decode, request.body or "")
  if ok then request.json = json end
  for i = #world.answers, 1, -1 do
    local a = world.answers[i]
    if (not a.method or a.method == request.method) and request.url:find(a.pattern) then
      table.insert(a.calls, request)
      local function respond()
        local response = a.response
        if type(response) == "function" then response = response(request) end
        if response ~= nil then return read_response(response) end
      end
      local results = table.pack(pcall(respond))
      if not results[1] then
        answer_error = results[2]
        return 0, "the spec has no answer", {}
      end
      if results[2] then return table.unpack(results, 2, 4) end
    end
  end
end

return {run = run, gate = gate, env = env, answer = answer}
