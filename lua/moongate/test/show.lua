-- How the tests of scripts show and compare values.
local moongate = require "moongate"

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

return {show = show, scalar = scalar, same = same, sorted_keys = sorted_keys}
