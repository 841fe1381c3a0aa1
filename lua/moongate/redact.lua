-- Takes out of events what their readers shall not see:
--   local redact = require "moongate.redact"
--   return function(event, request)
--     redact.literals(request)                                  -- inputs and outputs that travel inside the request
--     redact.data(event, {"password", "*_token"})               -- members of JSON data, wherever they stand
--     if event.errormessage then event.errormessage = redact.text(event.errormessage) end
--   end
local moongate = require "moongate"
local filters = require "moongate.filters"

local redact = {}

redact.hidden = "[redacted]"

-- A value that can be compared and not read: redact.digest(event.user, key). Without a key a short list of candidates
-- is quickly tried, so give one for names, numbers and addresses.
function redact.digest(value, key)
  local text = tostring(value)
  local sum = key and moongate.hmac_sha256(key, text) or moongate.sha256(text)
  return "sha256:" .. moongate.hex(sum:sub(1, 12))
end

-- What people paste into error messages, as patterns of Lua. Add your own.
redact.patterns = {
  "[%w._%%+-]+@[%w-]+%.[%w.-]+",                             -- an e-mail address
  "AKIA%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w",                    -- an AWS access key's id
  "[Bb]earer%s+[%w._~+/=-]+",                                -- a bearer token
  "eyJ[%w_-]+%.[%w_-]+%.[%w_-]+",                            -- a JSON web token
  "://[^/%s:@]+:[^/%s@]+@",                                  -- user and password of a URL
}

local function hide(found)
  return found:find("^://") and "://" .. redact.hidden .. "@" or redact.hidden
end

-- The text without them. A number of 13 to 19 digits, grouped or not, goes if it passes the card numbers' check digit.
local function is_card(text)
  local digits, sum = text:gsub("%D", ""), 0
  if #digits < 13 or #digits > 19 then return false end
  for i = 1, #digits do
    local d = math.tointeger(digits:sub(-i, -i)) or 0
    if i % 2 == 0 then d = d * 2 // 10 + d * 2 % 10 end
    sum = sum + d
  end
  return sum % 10 == 0
end

function redact.text(text)
  for _, pattern in ipairs(redact.patterns) do text = text:gsub(pattern, hide) end
  text = text:gsub("%d[%d -]+%d", function(found) return is_card(found) and redact.hidden or nil end)
  return text
end

-- Attributes by name: hidden, or what `how` makes of their values.
function redact.attributes(event, names, how)
  for _, name in ipairs(names) do
    local value = event[name]
    if value ~= nil then event[name] = how and how(value) or redact.hidden end
  end
end

local MAX_DEPTH = 50

-- A view of JSON, or a plain table. JSON's null is neither.
local function is_part(value)
  return type(value) == "table" or type(value) == "userdata" and value ~= moongate.json.null
end

local function walk(part, matches, how, depth)
  if depth > MAX_DEPTH then error("redact.data: nested more than " .. MAX_DEPTH .. " deep") end
  local found = {}
  for key, value in pairs(part) do
    if type(key) == "string" and matches(key) then
      found[#found + 1] = key
    elseif is_part(value) then
      walk(value, matches, how, depth + 1)
    end
  end
  for _, key in ipairs(found) do part[key] = how and how(part[key]) or redact.hidden end
end

-- Members of JSON data whose names are one of the globs, at any depth; all else is sent as it came.
function redact.data(event, globs, how)
  local data = event.data
  if is_part(data) then walk(data, filters.glob(table.unpack(globs)), how, 1) end
end

local HOLDS = {"input_data", "output_data"}

-- nil also where the kind of event has no such field: a workflow's has no inputs.
local function member(message, name)
  local is_there, value = pcall(function() return message[name] end)
  return is_there and value or nil
end

-- Inputs and outputs that Flyte put into the request itself ("raw" data, instead of a URI): every value is hidden, its
-- name stays. keep: names that may be seen. Gives how many were hidden.
function redact.literals(request, keep)
  local kept, n = {}, 0
  for _, name in ipairs(keep or {}) do kept[name] = true end
  for _, field in ipairs(HOLDS) do
    local map = request and member(request.event, field)
    local literals = map and moongate.to_table(map).literals
    if literals and next(literals) then
      for name in pairs(literals) do
        if not kept[name] then
          literals[name] = {scalar = {primitive = {string_value = redact.hidden}}}
          n = n + 1
        end
      end
      if n > 0 then request.event[field] = {literals = literals} end
    end
  end
  return n
end

return redact
