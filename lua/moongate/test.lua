-- What spec files see: `describe`, `it`, `assert` and the others by busted's names, and `gate`, which makes hooks and events.
-- `moongate test` runs it in the sandbox that hooks run in; `require "moongate.test"` is there in *_spec.lua files alone.
-- `host` is what the runner gives: the only way out, kept from spec files.
local host = ...
local moongate = require "moongate"

-- ---- values -----------------------------------------------------------------------------------------------------

local MAX_TEXT, MAX_ITEMS, MAX_DEPTH, MAX_NODES = 1000, 40, 8, 400

-- At most MAX_TEXT bytes, never half a character.
local function cut(s)
  if #s <= MAX_TEXT then return s end
  return s:sub(1, MAX_TEXT):gsub("[\xc2-\xf4][\x80-\xbf]*$", "") .. "… (" .. #s .. " bytes)"
end

local function scalar(v)
  if type(v) == "string" then return "'" .. cut(v) .. "'" end
  if v == moongate.json.null then return "moongate.json.null" end
  if type(v) == "number" or type(v) == "boolean" or v == nil then return tostring(v) end
  return "a " .. type(v)
end

local function before(a, b)
  if type(a) == "number" and type(b) == "number" then return a < b end
  if type(a) ~= type(b) then return type(a) < type(b) end
  return tostring(a) < tostring(b)
end

local function sorted_keys(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys, before)
  return keys
end

-- A table over several lines; keys on the way to where two differ (`path`, outermost first) have a star.
local function tree(t, path, level, budget)
  local keys, out = sorted_keys(t), {}
  if #keys == 0 then return "{ }" end
  if level > MAX_DEPTH then return "{ … }" end
  for i, k in ipairs(keys) do
    local star = path and path[level] == k
    budget.left = budget.left - 1
    if i > MAX_ITEMS or budget.left < 0 then
      out[#out + 1] = "\n" .. (" "):rep(2 * level) .. "… (" .. (#keys - i + 1) .. " more)"
      break
    end
    local v = t[k]
    out[#out + 1] = "\n" .. (" "):rep(2 * level - 1) .. (star and "*" or " ") ..
      "[" .. (type(k) == "string" and cut(k) or scalar(k)) .. "] = " ..
      (type(v) == "table" and tree(v, star and path or nil, level + 1, budget) or scalar(v))
  end
  return "{" .. table.concat(out) .. " }"
end

local function show(v, path)
  if v == nil then return "(nil)" end
  if type(v) == "table" then return "(table) " .. tree(v, path, 1, {left = MAX_NODES}) end
  local text = scalar(v)
  return text == "a " .. type(v) and "(" .. type(v) .. ")" or "(" .. type(v) .. ") " .. text
end

-- The keys that lead to the first place where a and b differ, outermost first; nil: they are the same.
local function difference(a, b, seen, path)
  if a == b then return nil end
  if type(a) ~= "table" or type(b) ~= "table" then return path end
  if seen[a] and seen[a][b] then return nil end
  seen[a] = seen[a] or {}
  seen[a][b] = true
  local level = #path + 1
  for _, k in ipairs(sorted_keys(a)) do
    path[level] = k
    local found = difference(a[k], b[k], seen, path)
    if found then return found end
  end
  for _, k in ipairs(sorted_keys(b)) do
    path[level] = k
    if a[k] == nil then return path end
  end
  path[level] = nil
  return nil
end

local function same(a, b)
  local path = difference(a, b, {}, {})
  return path == nil, path
end

-- ---- what is raised ---------------------------------------------------------------------------------------------

-- Of an assertion; of pending() in an `it`. Others are errors.
local Failure = {__tostring = function(f) return f.message end}
local Pending = {__tostring = function(p) return p.message end}

local function fail(text)
  error(setmetatable({message = (host.where() or "?") .. ": " .. text}, Failure))
end

local function is(e, what)
  return type(e) == "table" and getmetatable(e) == what
end

-- Any error as text.
local function text_of(e)
  if type(e) == "string" then return e end
  local meta = type(e) == "table" and getmetatable(e)
  if type(meta) == "table" and meta.__tostring then return tostring(e) end
  return show(e)
end

-- ---- assert -----------------------------------------------------------------------------------------------------

-- Each check: n, the least number of values; test(a) gives whether it holds, and a note for its text; text(a, note,
-- no) says what is wrong, `no` when it should not have held; message, where the author's own text is among the values.
local checks = {}

local function two(a, b, no)
  return "\nPassed in:\n" .. a .. (no and "\nDid not expect:\n" or "\nExpected:\n") .. b
end

checks.equal = {n = 2, message = 3,
  test = function(a) return a[1] == a[2] end,
  text = function(a, _, no)
    return (no and "These should not be equal." or "These should be equal.") .. two(show(a[2]), show(a[1]), no)
  end}
checks.same = {n = 2, message = 3,
  test = function(a) return same(a[1], a[2]) end,
  text = function(a, path, no)
    return (no and "These should not be the same." or "These should be the same.") ..
      two(show(a[2], path), show(a[1], path), no)
  end}
checks.truthy = {n = 0, message = 2,
  test = function(a) return a[1] ~= nil and a[1] ~= false end,
  text = function(a, _, no) return (no and "This should be false or nil:\n" or "This should be neither false nor nil:\n") .. show(a[1]) end}
checks.falsy = {n = 0, message = 2,
  test = function(a) return not a[1] end,
  text = function(a, _, no) return checks.truthy.text(a, nil, not no) end}

for _, value in ipairs {true, false} do
  checks[tostring(value)] = {n = 0, message = 2,
    test = function(a) return a[1] == value end,
    text = function(a, _, no)
      return (no and "This value was not wanted." or "Another value was wanted.") .. two(show(a[1]), show(value), no)
    end}
end
for _, name in ipairs {"nil", "boolean", "number", "string", "table", "function", "userdata", "thread"} do
  checks[name] = {n = 0, message = 2,
    test = function(a) return type(a[1]) == name end,
    text = function(a, _, no)
      return (no and "Another type was wanted." or "This has the wrong type.") .. two(show(a[1]), "type " .. name, no)
    end}
end

-- Of the optional values from `first` on: init and plain of string.find, and the author's text.
local function find_options(a, first)
  local init, plain, message
  for i = first, a.n do
    local v = a[i]
    if type(v) == "boolean" then plain = v
    elseif math.type(v) then init = v
    elseif v ~= nil then message = v end
  end
  return init, plain, message
end

local function found(text, pattern, init, plain)
  if plain then return text:find(pattern, init or 1, true) ~= nil, {} end
  local captures = table.pack(text:match(pattern, init or 1))
  return captures[1] ~= nil, captures
end

checks.matches = {n = 2,
  test = function(a)
    local init, plain, message = find_options(a, 3)
    a.message = message
    if type(a[1]) ~= "string" then fail("assert.matches: the pattern is no string:\n" .. show(a[1])) end
    local text = type(a[2]) == "number" and tostring(a[2]) or a[2]
    if type(text) ~= "string" then return false end
    local ok, captures = found(text, a[1], init, plain)
    a.results = captures
    return ok
  end,
  text = function(a, _, no)
    return (no and "The text should not match." or "The text should match.") .. two(show(a[2]), show(a[1]), no)
  end}

checks.near = {n = 3, message = 4,
  test = function(a)
    for i = 1, 3 do
      if not tonumber(a[i]) then fail("assert.near: value " .. i .. " is no number:\n" .. show(a[i])) end
    end
    return math.abs(a[1] - a[2]) <= tonumber(a[3])
  end,
  text = function(a, _, no)
    return (no and "These should not be near." or "These should be near.") ..
      two(show(a[2]), show(a[1]) .. " ± " .. tostring(a[3]), no)
  end}

checks.unique = {n = 1,
  test = function(a)
    local deep = a[2] == true or a[3] == true
    a.message = type(a[2]) == "string" and a[2] or type(a[3]) == "string" and a[3] or nil
    local keys = sorted_keys(a[1])
    for i, k in ipairs(keys) do
      for j = 1, i - 1 do
        local v, w = a[1][k], a[1][keys[j]]
        if v == w or (deep and same(v, w)) then return false end
      end
    end
    return true
  end,
  text = function(a, _, no)
    return (no and "Two of these should be alike:\n" or "No two of these should be alike:\n") .. show(a[1])
  end}

local function callable(f)
  local meta = type(f) == "table" and getmetatable(f)
  return type(f) == "function" or (type(meta) == "table" and meta.__call ~= nil)
end

-- Calls the function: nil if it ended well, else a table with the error, its text without the place.
local function caught(a, name)
  if not callable(a[1]) then fail("assert." .. name .. ": the first value is no function:\n" .. show(a[1])) end
  local ok, e = pcall(a[1])
  if ok then return nil end
  if type(e) == "string" then e = e:gsub("^[^\n]-:%d+: ", "", 1) end
  return {error = e}
end

local function error_text(a, e, no)
  if no then return "There should be no error, but there was:\n" .. show(e.error) end
  return (a[2] == nil and "There should be an error." or "There should be another error.") ..
    "\nCaught:\n" .. (e and show(e.error) or "(no error)") .. "\nExpected:\n" .. (a[2] == nil and "(error)" or show(a[2]))
end

checks.error = {n = 1, message = 3,
  test = function(a)
    local e = caught(a, "error")
    a.results = {e and e.error}
    if not e or a[2] == nil then return e ~= nil, e end
    if type(a[2]) == "string" then return text_of(e.error) == a[2], e end
    return same(a[2], e.error), e
  end,
  text = error_text}
checks.error_matches = {n = 2,
  test = function(a)
    local init, plain, message = find_options(a, 3)
    a.message = message
    if type(a[2]) ~= "string" then fail("assert.error_matches: the pattern is no string:\n" .. show(a[2])) end
    local e = caught(a, "error_matches")
    if not e then return false, e end
    local ok, captures = found(text_of(e.error), a[2], init, plain)
    a.results = ok and captures or {e.error}
    return ok, e
  end,
  text = error_text}

checks.equals, checks.match, checks.errors, checks.error_match =
  checks.equal, checks.matches, checks.error, checks.error_matches

local POSITIVE = {is = true, are = true, was = true, has = true, does = true, have = true}
local NEGATIVE = {["not"] = true, no = true}

local assert_names = {"message"}
for name in pairs(checks) do assert_names[#assert_names + 1] = name end

-- What the second result of a hook adds to a failure: how it ended.
local function note_of(message)
  if message == nil then return "", "" end
  if type(message) == "table" and message.verdict then
    return "", "\nThe hook:\n" .. message.verdict .. (message.reason and ": " .. message.reason or "") ..
      (message.text and "\n" .. message.text or "")
  end
  return (type(message) == "table" and show(message) or tostring(message)) .. "\n", ""
end

local function run_check(check, name, state, ...)
  local a = table.pack(...)
  if a.n < check.n then fail(("assert.%s takes %d values, got %d"):format(name, check.n, a.n)) end
  local ok, note = check.test(a)
  if ok ~= state.no then return table.unpack(a.results or a, 1, a.results and #a.results or a.n) end
  local message = state.message
  if message == nil then message = a.message end
  if message == nil and check.message then message = a[check.message] end
  local first, last = note_of(message)
  fail(first .. check.text(a, note, state.no) .. last)
end

local Chain = {}

-- `are_not` turns the sense, what is left is the name of a check.
local function step(state, key)
  local new = {no = state.no, message = state.message}
  local rest = tostring(key):lower()
  while rest ~= "" do
    local word, after = rest:match("^([^_]*)_?(.*)$")
    if NEGATIVE[word] then new.no = not new.no
    elseif not POSITIVE[word] then break end
    rest = after
  end
  if rest == "message" then
    new.takes_message = true
  elseif rest ~= "" then
    new.check, new.name = checks[rest], rest
    if not new.check then
      error(("assert has no %s%s"):format(tostring(key), host.nearest(rest, assert_names)), 3)
    end
  end
  return setmetatable({state = new}, Chain)
end

function Chain.__index(chain, key)
  return step(rawget(chain, "state"), key)
end

function Chain.__call(chain, ...)
  local state = rawget(chain, "state")
  if state.takes_message then return setmetatable({state = {no = state.no, message = (...)}}, Chain) end
  if not state.check then error("this is no check: a name is missing behind it", 2) end
  return run_check(state.check, state.name, state, ...)
end

local START = {no = false}

local assert = setmetatable({}, {
  __index = function(_, key) return step(START, key) end,
  __newindex = function(_, key) error("assert." .. tostring(key) .. ": assert takes no checks of your own", 2) end,
  __call = function(_, value, message, ...)
    if value then return value, message, ... end
    fail(message == nil and "assertion failed!" or text_of(message))
  end,
})

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
    error(setmetatable({message = (host.where() or "?") .. ": " .. (name == nil and "pending" or tostring(name))}, Pending))
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
env.lazy_setup, env.strict_setup, env.lazy_teardown, env.strict_teardown = env.setup, env.setup, env.teardown, env.teardown

-- ---- running ----------------------------------------------------------------------------------------------------

local function on_error(e)
  if is(e, Failure) or is(e, Pending) then return e end
  local frames, n = host.frames()
  return {raised = e, where = host.where(), frames = frames, n = n}
end

-- With its place, if it does not start with one.
local function located(text, where)
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

-- What an `it` has of the world outside: what was given before it, in blocks around it, is there; what it gives itself is not
-- there for the next one.
local world = {answers = {}, calls = {}}
local epoch = 0 -- of the `it`, so that each has fresh hooks

local function copy_world(w)
  return {time = w.time, answers = table.move(w.answers, 1, #w.answers, 1, {}), calls = {}}
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
  local root = new_block(nil, 0, nil)
  collecting = root
  local ok = do_step("", 0, chunk)
  collecting = nil
  if ok then run_inside(root) end
end

-- ---- gate: events -----------------------------------------------------------------------------------------------

local gate = {}
local Event = {} -- what gate.workflow and the others give

local TIME = "2026-01-02T03:04:05Z"
local FAILING = {FAILED = true, FAILING = true, RETRYABLE_FAILED = true, TIMED_OUT = true}

local function check_table(what, t)
  if t == nil then return {} end
  if type(t) ~= "table" then error(what .. " takes a table, got " .. show(t), 3) end
  return t
end

local function check_names(what, t, names)
  for name in pairs(t) do
    local known = false
    for _, n in ipairs(names) do known = known or n == name end
    if not known then error(("%s has no %s%s"):format(what, scalar(name), host.nearest(tostring(name), names)), 3) end
  end
end

-- Lays b over a: tables member by member, lists and values whole; json.null takes away.
local function merge(a, b)
  for k, v in pairs(b) do
    if v == moongate.json.null then
      a[k] = nil
    elseif type(v) == "table" and v[1] == nil and type(a[k]) == "table" then
      merge(a[k], v)
    else
      a[k] = type(v) == "table" and v[1] == nil and next(v) ~= nil and merge({}, v) or v
    end
  end
  return a
end

local function made(what, event)
  setmetatable(event, Event)
  local why = host.check(event.kind, event:json())
  if why then error(what .. ": " .. why, 3) end
  return event
end

Event.__index = Event

-- The proto3 JSON of a request, the structured JSON of a CloudEvent.
function Event:json()
  if self.request then return moongate.json.encode(self.request) end
  local members, data = {specversion = "1.0"}, self.event.data
  for k, v in pairs(self.event) do members[k] = v end
  members.data = nil
  local type_of_data = self.event.datacontenttype
  if type(data) == "table" then
    members.datacontenttype = type_of_data or "application/json"
    members.data = data
  elseif data ~= nil and type_of_data and type_of_data:find("json") then
    return moongate.json.encode(members):sub(1, -2) .. ',"data":' .. tostring(data) .. "}"
  elseif data ~= nil then
    members.data_base64 = moongate.base64.encode(tostring(data))
  end
  return moongate.json.encode(members)
end

local function execution_of(t)
  return {org = t.org, project = t.project or "flytesnacks", domain = t.domain or "development",
          name = t.execution or t.name or "f6w9tr41bnnk0"}
end

local function uri(t, node, file)
  local e = execution_of(t)
  return ("s3://flyte/metadata/propeller/%s-%s-%s/%s/data/%s"):format(e.project, e.domain, e.name, node, file)
end

-- A failing phase comes with an error, as FlytePropeller sends it; a success with its outputs.
local function outcome(event, t, phase, node)
  if t.error_code or t.error_message or t.error_kind or (FAILING[phase] and not t.output_uri) then
    event.error = {code = t.error_code or "USER:ValueError", kind = t.error_kind or "USER",
                   message = t.error_message or "ValueError: column 'user_id' not found"}
  else
    event.output_uri = t.output_uri or (phase == "SUCCEEDED" and uri(t, node, "0/outputs.pb") or nil)
  end
  return event
end

local COMMON = {"request", "org", "project", "domain", "execution", "name", "phase", "time", "producer", "output_uri",
                "error_code", "error_message", "error_kind"}

local function names_with(...)
  local names = table.move(COMMON, 1, #COMMON, 1, {})
  for _, name in ipairs {...} do names[#names + 1] = name end
  return names
end

local WORKFLOW = names_with("request_id")
local NODE = names_with("request_id", "node", "node_name", "retry_group")
local TASK = names_with("request_id", "node", "task", "version", "attempt", "phase_version", "task_type", "reason")

function gate.workflow(t)
  t = check_table("gate.workflow", t)
  check_names("gate.workflow", t, WORKFLOW)
  local phase = t.phase or "RUNNING"
  local event = outcome({execution_id = execution_of(t), phase = phase, occurred_at = t.time or TIME,
                         producer_id = t.producer or "propeller"}, t, phase, "end-node")
  return made("gate.workflow", {kind = "workflow", request = merge({request_id = t.request_id, event = event}, t.request or {})})
end

function gate.node(t)
  t = check_table("gate.node", t)
  check_names("gate.node", t, NODE)
  local phase, node = t.phase or "RUNNING", t.node or "n0"
  local event = outcome({
    id = {node_id = node, execution_id = execution_of(t)}, phase = phase, occurred_at = t.time or TIME,
    reported_at = t.time or TIME, producer_id = t.producer or "propeller", node_name = t.node_name or "train",
    spec_node_id = node, retry_group = tostring(t.retry_group or 0), event_version = 1,
    input_uri = phase ~= "QUEUED" and uri(t, node, "inputs.pb") or nil}, t, phase, node)
  return made("gate.node", {kind = "node", request = merge({request_id = t.request_id, event = event}, t.request or {})})
end

function gate.task(t)
  t = check_table("gate.task", t)
  check_names("gate.task", t, TASK)
  local phase, node, execution = t.phase or "RUNNING", t.node or "n0", execution_of(t)
  local event = outcome({
    task_id = {resource_type = "TASK", project = execution.project, domain = execution.domain,
               name = t.task or "workflows.train.fit", version = t.version or "v1"},
    parent_node_execution_id = {node_id = node, execution_id = execution}, retry_attempt = t.attempt or 0, phase = phase,
    phase_version = t.phase_version or 0, occurred_at = t.time or TIME, reported_at = t.time or TIME,
    producer_id = t.producer or "propeller", task_type = t.task_type or "python-task", event_version = 1,
    input_uri = uri(t, node, "inputs.pb"), reason = t.reason, reasons = t.reason and {{reason = t.reason, occurred_at = t.time or TIME}},
    metadata = {generated_name = ("%s-%s-%s"):format(execution.name, node, t.attempt or 0), plugin_identifier = "container"},
  }, t, phase, node)
  return made("gate.task", {kind = "task", request = merge({request_id = t.request_id, event = event}, t.request or {})})
end

-- Any CloudEvent: attributes by name, and data (a table is JSON).
function gate.event(t)
  t = check_table("gate.event", t)
  local event = {id = "e1", source = "/spec", type = "com.example.spec"}
  for k, v in pairs(t) do event[k] = v end
  return made("gate.event", {kind = "other", event = event})
end

-- ---- gate: hooks ------------------------------------------------------------------------------------------------

-- What a hook is called through; only what scripts may see is in the table itself.
local Hook = {}
local opened = setmetatable({}, {__mode = "k"}) -- hook: {host's, epoch of its last call}

-- scripts: a path, relative to the spec file, or a list of them. conf: keys of a pipeline.
function gate.hook(scripts, conf)
  local paths = type(scripts) == "string" and {scripts} or scripts
  if type(paths) ~= "table" or #paths == 0 then
    error("gate.hook takes the path of a script, or a list of them, got " .. show(scripts), 2)
  end
  for _, path in ipairs(paths) do
    if type(path) ~= "string" then error("gate.hook: a path is a string, got " .. show(path), 2) end
  end
  if conf ~= nil and type(conf) ~= "table" then error("gate.hook: a table is wanted behind the path, got " .. show(conf), 2) end
  local state, why = host.open(paths, conf or {})
  if not state then error(why, 2) end
  local hook = setmetatable({last = nil}, Hook)
  opened[hook] = {state = state}
  return hook
end

-- The events that come out, or nil: not now (moongate.retry). Raises what the hook raised. Beside it, and as hook.last: how
-- it ended.
function Hook.__call(hook, event)
  if getmetatable(event) ~= Event then
    error("a hook of gate.hook takes an event of gate.workflow, node, task or event, got " .. show(event), 2)
  end
  local own = opened[hook]
  if own.epoch and own.epoch ~= epoch then host.reopen(own.state) end
  own.epoch = epoch
  local result = host.call(own.state, event.kind, event:json(), world.time)
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
  world.time = type(t) == "string" and moongate.time(t) or t
end

return {run = run, gate = gate, env = env}
