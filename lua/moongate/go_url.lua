-- What Go's net/url (of Go 1.26) makes of a text that is parsed and printed again, byte for byte:
--   local go_url = require "moongate.go_url"
--   go_url.again("run 1/n0")        --> "run%201/n0"
--   go_url.again("1a:b/n0")         --> nil, "a colon in the first segment, and what stands before it is no scheme"
-- FlyteAdmin v2's `source` goes through it. A text is taken apart as
-- scheme:[//[user@]host]/path?query#fragment or scheme:opaque?query#fragment.
local go_url = {}

-- Bytes that stand for themselves, by part. What is `kept` in a path or fragment does not change it; a part with
-- anything else in it is decoded and encoded anew, and then only what is `plain` stays as it is.
local unreserved = "A-Za-z0-9%-_.~"
local host_plain = unreserved .. "!$&'()*+,;=:%[%]<>\""
local path = {plain = "[^" .. unreserved .. "$&+,/:;=@]", kept = "[^" .. unreserved .. "$&+,/:;=@!'()*%[%]%%]"}
local fragment = {plain = "[^" .. unreserved .. "$&+,/:;=?@!()*]",
                  kept = "[^" .. unreserved .. "$&+,/:;=?@!()*'%[%]%%]"}
local host_odd, user_odd = "[^" .. host_plain .. "]", "[^" .. unreserved .. "$&+,;=]"
local host_odd_ascii = "[^" .. host_plain .. "%%\x80-\xff]"

local function hex_of(byte) return ("%%%02X"):format(byte:byte()) end
local function byte_of(hex) return string.char(tonumber(hex, 16)) end

local function encode(s, odd) return (s:gsub(odd, hex_of)) end

-- nil: a % without two hex digits.
local function decode(s)
  if s:find "%%%X" or s:find "%%%x%X" or s:find "%%%x?$" then return nil end
  return (s:gsub("%%(%x%x)", byte_of))
end

-- The text of a path or fragment as it is printed; nil: it cannot be decoded.
local function again(s, part)
  local decoded = decode(s)
  if not decoded or not s:find(part.kept) then return decoded and s end
  return encode(decoded, part.plain)
end

-- ---- hosts --------------------------------------------------------------------------------------

-- In a host, %XX may stand for bytes that are no ASCII; in a zone, for what a host may have, a space and %.
local function decode_host(s, is_zone)
  if s:find(host_odd_ascii) or not decode(s) then return nil end
  for hex in s:gmatch "%%(%x%x)" do
    local byte = byte_of(hex)
    local fine
    if is_zone then
      fine = hex == "25" or byte == " " or not byte:find(host_odd)
    else
      fine = hex == "25" or byte:byte() >= 0x80
    end
    if not fine then return nil end
  end
  return decode(s)
end

local function is_ipv4(s)
  local n = 0
  for part in (s .. "."):gmatch "([^.]*)%." do
    if not part:find "^%d%d?%d?$" or tonumber(part) > 255 or part:find "^0%d" then return false end
    n = n + 1
  end
  return n == 4
end

-- Groups of one to four hex digits; how many, nil if it is something else. The last may be an IPv4 address.
local function count_groups(s, may_end_in_ipv4)
  if s == "" then return 0 end
  local n, rest = 0, s .. ":"
  for group in rest:gmatch "([^:]*):" do
    n = n + 1
    rest = rest:sub(#group + 2)
    if not group:find "^%x%x?%x?%x?$" then
      if rest == "" and may_end_in_ipv4 and is_ipv4(group) then return n + 1 end
      return nil
    end
  end
  return n
end

-- What may stand between brackets.
local function is_ipv6(s)
  local address, percent, zone = s:match "^([^%%]*)(%%?)(.*)$"
  if address:match "[.:]" ~= ":" or (percent == "%" and zone == "") then return false end
  local at = address:find("::", 1, true)
  if not at then return count_groups(address, true) == 8 end
  local before, after = count_groups(address:sub(1, at - 1), false), count_groups(address:sub(at + 2), true)
  return before ~= nil and after ~= nil and before + after < 8
end

local function is_port(s) return s == "" or s:find "^:%d*$" ~= nil end

-- "[address]:port" as it is kept.
local function bracketed(text)
  local close = text:match "^.*()%]"
  if not close or not is_port(text:sub(close + 1)) then return nil end
  local inside = text:sub(2, close - 1)
  local at = inside:find("%25", 1, true)
  local host, zone = decode_host(at and inside:sub(1, at - 1) or inside, false), ""
  if at then zone = decode_host(inside:sub(at), true) end
  if not host or not zone or not is_ipv6(host .. zone) then return nil end
  return "[" .. host .. zone .. "]" .. text:sub(close + 1)
end

-- A host with its port; nil: it is refused. Only http and https want a single colon.
local function host_of(scheme, text)
  local open = text:match "^.*()%["
  if open then
    if open > 1 then return nil end
    return bracketed(text)
  end
  local is_strict = scheme == "http" or scheme == "https"
  local port = text:match(is_strict and "^[^:]*(:.*)$" or "^.*(:.*)$")
  if port and not is_port(port) then return nil end
  return decode_host(text, false)
end

-- "user:password" as it is printed; nil: it is refused.
local function user_of(text)
  if text:find("[^" .. unreserved .. ":!$&'()*+,;=%%@]") then return nil end
  local name, password = text:match "^([^:]*):(.*)$"
  local n, p = decode(name or text), decode(password or "")
  if not n or not p then return nil end
  return encode(n, user_odd) .. (password and ":" .. encode(p, user_odd) or "")
end

-- What stands behind "//" up to the path, as it is printed, and whether it has a host.
local function authority_of(scheme, text)
  local user, host = text:match "^(.*)@(.*)$"
  host = host_of(scheme, host or text)
  local printed = user and user_of(user)
  if not host or (user and not printed) then return nil end
  return (printed and printed .. "@" or "") .. encode(host, host_odd), host ~= "" or user ~= nil
end

-- ---- the whole ----------------------------------------------------------------------------------

local function has_control(s) return s:find "[\0-\x1f\x7f]" ~= nil end

-- The scheme, in lower case, and the rest; nil alone: a colon that nothing stands before.
local function split_scheme(s)
  local scheme, rest = s:match "^(%a[%a%d+.-]*):(.*)$"
  if scheme then return scheme:lower(), rest end
  if s:sub(1, 1) == ":" then return nil end
  return "", s
end

local function split_query(s)
  local before, query = s:match "^([^?]*)%?(.*)$"
  if not before then return s, "" end
  return before, "?" .. query
end

-- "//host" with what belongs before it, and the path behind it; nil and why.
local function split_authority(scheme, rest)
  if rest:sub(1, 2) ~= "//" or (scheme == "" and rest:sub(1, 3) == "///") then
    return scheme ~= "" and scheme .. ":" or "", rest
  end
  local text, behind = rest:match "^//([^/]*)(.*)$"
  local printed, is_there = authority_of(scheme, text)
  if not printed then return nil, "a host, port or user that cannot be" end
  local slashes = (is_there or (scheme ~= "" and behind ~= "")) and "//" or ""
  return (scheme ~= "" and scheme .. ":" or "") .. slashes .. printed, behind
end

-- The text as it is printed; nil, and why it cannot be parsed.
function go_url.again(text)
  local front, behind = text:match "^([^#]*)#?(.*)$"
  if has_control(front) then return nil, "a control character" end
  local scheme, rest = split_scheme(front)
  if not scheme then return nil, "a colon that nothing stands before" end
  local query, printed_fragment
  rest, query = split_query(rest)
  printed_fragment = again(behind, fragment)
  if not printed_fragment then return nil, "a % without two hex digits" end
  if behind ~= "" then printed_fragment = "#" .. printed_fragment end
  if scheme ~= "" and rest ~= "" and rest:sub(1, 1) ~= "/" then
    return scheme .. ":" .. rest .. query .. printed_fragment
  end
  if scheme == "" and rest:find "^[^/]*:" then
    return nil, "a colon in the first segment, and what stands before it is no scheme"
  end
  local before, path_text = split_authority(scheme, rest)
  if not before then return nil, path_text end
  local printed = again(path_text, path)
  if not printed then return nil, "a % without two hex digits" end
  if before == "" and printed:find "^[^/]*:" then before = "./" end -- or it would be read as a scheme
  return before .. printed .. query .. printed_fragment
end

return go_url
