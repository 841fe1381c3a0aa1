-- Random edits of event.data, done to a view and to a plain table alike: they must stay equal. `ops` says which.
-- Only inside of the second item of the list that event.data is; view_fuzz.c looks at the bytes around it.
local moongate = require "moongate"
local null = moongate.json.null

local function equal(v, t)
  if type(v) ~= "userdata" or v == null then return v == t or (v ~= v and t ~= t) end
  if type(t) ~= "table" then return false end
  if tostring(v):sub(1, 1) == "[" and #v ~= #t then return false end
  local n = 0
  for k in pairs(v) do
    if not equal(v[k], t[k]) then return false end
  end
  for k, x in pairs(t) do
    n = n + 1
    if not equal(v[k], x) then return false end
  end
  return n == 0 or next(t) ~= nil
end

local function copy(t)
  if type(t) ~= "table" then return t end
  local c = {}
  for k, x in pairs(t) do c[k] = copy(x) end
  return c
end

local function size(t)
  if type(t) ~= "table" then return 1 end
  local n = 1
  for _, x in pairs(t) do n = n + size(x) end
  return n
end

local function holds(t, inner)
  if t == inner then return true end
  for _, x in pairs(t) do
    if type(x) == "table" and holds(x, inner) then return true end
  end
  return false
end

return function(event)
  local ops, at = event.ops, 0
  local function choose(n)
    at = at + 1
    return (ops:byte(at) or 0) % n + 1
  end
  local root, tree = event.data, moongate.to_table(event.data)
  local held = {{v = root[2], t = tree[2]}}
  if type(tree[2]) ~= "table" then held[1] = {v = root, t = tree} end

  -- A place that is held, and still there: only what is no longer in the tree may raise.
  local function place()
    local h = held[choose(#held)]
    local ok, why = pcall(function() return #h.v end)
    local there = holds(tree, h.t)
    assert(ok == there, "MISMATCH: a place is " .. (there and "there, but: " .. tostring(why) or "not there"))
    return ok and h
  end

  local function keys(h)
    local list = {}
    for k in pairs(h.t) do list[#list + 1] = k end
    table.sort(list, function(a, b) return tostring(a) < tostring(b) end)
    return list
  end

  local function value()
    local n = choose(8)
    if n == 1 then return "é\"\n" end
    if n == 2 then return {} end
    if n == 3 then return {a = {1, "x"}, b = null} end
    if n == 4 then return {{}, 2, {c = {}}} end
    if n == 5 then return ("long"):rep(choose(60)) end
    return n == 6 and null or n == 7 and -1.5 or n
  end

  local function set(h, k, v, t)
    if h.v == root and k ~= 2 then return end
    h.v[k] = v
    h.t[k] = t
  end

  local function key(h)
    local there = keys(h)
    if tostring(h.v):sub(1, 1) == "[" then
      local i = choose(#h.t + 1)
      return i
    end
    if #there > 0 and choose(2) == 1 then return there[choose(#there)] end
    return ({"a", "é", "", "a\"b"})[choose(4)]
  end

  while at < #ops do
    local op, h = choose(7), place()
    if not h then
      held = {{v = root[2], t = tree[2]}}
      if type(tree[2]) ~= "table" then held[1] = {v = root, t = tree} end
    elseif op == 1 or op == 2 then                             -- hold a place inside
      local k = keys(h)
      k = h.v == root and 2 or #k > 0 and k[choose(#k)]
      if k and type(h.t[k]) == "table" and #held < 20 then held[#held + 1] = {v = h.v[k], t = h.t[k]} end
    elseif op == 3 or op == 4 then
      local x = value()
      set(h, key(h), x, copy(x))
    elseif op == 5 then                                        -- a part of one place to another
      local from = place()
      if from and size(from.t) + size(tree) < 300 then
        local k = key(h)
        set(h, k, from.v, h.t[k] == from.t and from.t or copy(from.t))   -- t.x = t.x changes nothing
      end
    elseif op == 6 and h.v ~= root then                        -- remove
      if tostring(h.v):sub(1, 1) == "[" then
        h.v[#h.v], h.t[#h.t] = nil, nil
      else
        local k = key(h)
        h.v[k], h.t[k] = nil, nil
      end
    elseif op == 7 then                                        -- a loop that changes what it goes over
      local n = 0
      for k, v in pairs(h.v) do
        n = n + 1
        if n > 50 then break end
        if choose(3) == 1 and type(k) == "string" then
          h.v[k], h.t[k] = nil, nil
        elseif choose(3) == 1 and h.v ~= root and type(v) ~= "userdata" then
          h.v[k], h.t[k] = n, n
        end
      end
    end
  end
  assert(equal(event.data, tree), "MISMATCH: " .. tostring(event.data) .. " is not " .. moongate.json.encode(tree))
end
