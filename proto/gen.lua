-- lua5.4 proto/gen.lua PROTO_DIR OUT_DIR FILES...
--
-- Makes OUT_DIR/X.pb-c.{c,h} of each PROTO_DIR/X.proto, OUT_DIR/schema_tables.c (the tables of
-- gateway/flyte/schema.h) and OUT_DIR/meta_flyte.lua (meta.lua). protobuf-c keeps strings as C strings, which a NUL cuts, and knows no
-- maps; so protoc-c gets the schema anew, with strings as bytes and maps as repeated entries (the
-- same on the wire), and the tables say what was what. They hang on `reserved1` of protobuf-c's
-- message descriptors, so that finding them costs a load.
local proto_dir, out_dir = arg[1], arg[2]
local files = {table.unpack(arg, 3)}

local function read_file(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read("a")
  f:close()
  return text
end

local function write_file(path, text)
  local f = assert(io.open(path, "wb"))
  f:write(text)
  f:close()
end

local function quote(s)
  return "'" .. s:gsub("'", "'\\''") .. "'"
end

local function run(...)
  local words = {}
  for i, w in ipairs {...} do words[i] = quote(w) end
  if not os.execute(table.concat(words, " ")) then os.exit(1) end
end

-- A protobuf message as a list by field number: {[3] = {v1, v2}}.
local function decode(bytes)
  local at, fields = 1, {}
  local function varint()
    local n, shift = 0, 0
    while true do
      local b = bytes:byte(at)
      at = at + 1
      n = n | (b & 127) << shift
      if b < 128 then return n end
      shift = shift + 7
    end
  end
  while at <= #bytes do
    local tag = varint()
    local wire, value = tag & 7, nil
    if wire == 0 then
      value = varint()
    elseif wire == 2 then
      local len = varint()
      value = bytes:sub(at, at + len - 1)
      at = at + len
    else
      error("wire type " .. wire .. " in a descriptor")
    end
    local list = fields[tag >> 3] or {}
    fields[tag >> 3] = list
    list[#list + 1] = value
  end
  return fields
end

local function one(fields, number, default)
  return fields[number] and fields[number][1] or default
end

local scalars = {
  "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", nil, nil,
  "bytes", "uint32", nil, "sfixed32", "sfixed64", "sint32", "sint64",
}
local TYPE_STRING, LABEL_REPEATED = 9, 3

-- FieldDescriptorProto.
local function read_field(bytes)
  local f = decode(bytes)
  local oneof = f[9] and one(f, 9) or nil
  return {
    name = one(f, 1), number = one(f, 3), repeated = one(f, 4) == LABEL_REPEATED,
    type = one(f, 5), type_name = one(f, 6), oneof = oneof, json = one(f, 10),
    optional = one(f, 17) == 1, -- a oneof made up for it, whose name nobody uses
  }
end

local function read_enum(bytes, scope)
  local e = decode(bytes)
  local enum = {name = one(e, 1), full = scope .. one(e, 1), values = {},
                alias = one(decode(one(e, 3, "")), 2)}
  for _, v in ipairs(e[2] or {}) do
    local value = decode(v)
    enum.values[#enum.values + 1] = {name = one(value, 1), number = one(value, 2, 0)}
  end
  return enum
end

-- DescriptorProto.
local function read_message(bytes, scope)
  local m = decode(bytes)
  local name = one(m, 1)
  local msg = {name = name, full = scope .. name, fields = {}, messages = {}, enums = {},
               oneofs = {}, map_entry = one(decode(one(m, 7, "")), 7) == 1}
  for _, f in ipairs(m[2] or {}) do msg.fields[#msg.fields + 1] = read_field(f) end
  for _, n in ipairs(m[3] or {}) do
    msg.messages[#msg.messages + 1] = read_message(n, msg.full .. ".")
  end
  for _, e in ipairs(m[4] or {}) do
    msg.enums[#msg.enums + 1] = read_enum(e, msg.full .. ".")
  end
  for _, o in ipairs(m[8] or {}) do msg.oneofs[#msg.oneofs + 1] = one(decode(o), 1) end
  return msg
end

-- FileDescriptorProto.
local function read_descriptor(bytes)
  local f = decode(bytes)
  local package = one(f, 2)
  local file = {name = one(f, 1), package = package, bytes = bytes, imports = f[3] or {},
                messages = {}, enums = {}, services = {}}
  assert(one(f, 12) == "proto3", file.name .. ": not proto3")
  for _, m in ipairs(f[4] or {}) do
    file.messages[#file.messages + 1] = read_message(m, package .. ".")
  end
  for _, e in ipairs(f[5] or {}) do file.enums[#file.enums + 1] = read_enum(e, package .. ".") end
  for _, s in ipairs(f[6] or {}) do
    local service = decode(s)
    local methods = {}
    for _, m in ipairs(service[2] or {}) do methods[#methods + 1] = one(decode(m), 1) end
    file.services[#file.services + 1] = {full = package .. "." .. one(service, 1),
                                         methods = methods}
  end
  return file
end

-- The schema as protoc-c takes it.
local function rewritten(file)
  local out = {}
  local function put(...) out[#out + 1] = string.format(...) end

  local function put_field(f)
    local kind = f.type_name or (f.type == TYPE_STRING and "bytes") or scalars[f.type]
    put("%s%s %s = %d;", f.repeated and "repeated " or "", kind, f.name, f.number)
  end
  local function put_enum(e)
    put("enum %s {", e.name)
    if e.alias then put("option allow_alias = true;") end
    for _, v in ipairs(e.values) do put("%s = %d;", v.name, v.number) end
    put("}")
  end
  local function put_message(m)
    put("message %s {", m.name)
    for _, e in ipairs(m.enums) do put_enum(e) end
    for _, n in ipairs(m.messages) do put_message(n) end
    for _, f in ipairs(m.fields) do
      if not f.oneof then put_field(f) end
    end
    for i, name in ipairs(m.oneofs) do
      put("oneof %s {", name)
      for _, f in ipairs(m.fields) do
        if f.oneof == i - 1 then put_field(f) end
      end
      put("}")
    end
    put("}")
  end

  put('syntax = "proto3";')
  put("package %s;", file.package)
  if #file.messages > 0 then
    for _, name in ipairs(file.imports) do put('import "%s";', name) end
  end
  for _, e in ipairs(file.enums) do put_enum(e) end
  for _, m in ipairs(file.messages) do put_message(m) end
  return table.concat(out, "\n") .. "\n"
end

local function each_message(list, fn)
  for _, m in ipairs(list) do
    fn(m)
    each_message(m.messages, fn)
  end
end

-- protobuf-c's spelling of a name: flyteidl__core__task_log.
local function c_name(full)
  local parts = {}
  for part in full:gmatch("[^.]+") do
    parts[#parts + 1] = part:gsub("([%l%d_])(%u)", "%1_%2"):lower()
  end
  return table.concat(parts, "__")
end

-- Hangs the tables on the message descriptors of a generated file.
local function patch(path)
  local text, names = read_file(path), {}
  text = text:gsub("(%(ProtobufCMessageInit%) ([%w_]+)__init,\n  )NULL,NULL,NULL",
                   function(before, name)
    names[#names + 1] = name
    return before .. "(void *)&gw_schema_" .. name .. ",NULL,NULL"
  end)
  local _, descriptors = text:gsub("\nconst ProtobufCMessageDescriptor ", "")
  assert(#names == descriptors, path .. ": not as protoc-c 1.4 writes it")
  for i, name in ipairs(names) do
    names[i] = "extern const struct gw_schema_message gw_schema_" .. name .. ";"
  end
  local includes_end = select(2, text:find('\n#include "[^"]+"\n'))
  write_file(path, text:sub(1, includes_end) .. table.concat(names, "\n") ..
                   "\n" .. text:sub(includes_end + 1))
end

-- The tables.
local tables = {}
local function put(...) tables[#tables + 1] = string.format(...) end

local well_known = {
  Timestamp = "TIMESTAMP", Duration = "DURATION", Struct = "STRUCT", Value = "VALUE",
  ListValue = "LIST", Any = "ANY",
}
for name in ("DoubleValue FloatValue Int64Value UInt64Value Int32Value UInt32Value BoolValue " ..
             "StringValue BytesValue"):gmatch("%S+") do
  well_known[name] = "WRAPPER"
end

local function field_kind(f, entries)
  if f.type == TYPE_STRING then return "GW_PB_STRING" end
  return entries[f.type_name] and "GW_PB_MAP" or "GW_PB_PLAIN"
end

local function put_message_table(m, entries)
  local name = c_name(m.full)
  local by_number = {table.unpack(m.fields)}
  table.sort(by_number, function(a, b) return a.number < b.number end)
  local places, declared, in_order = {}, {}, true
  for i, f in ipairs(by_number) do places[f] = i - 1 end
  for i, f in ipairs(m.fields) do
    declared[i] = places[f]
    in_order = in_order and places[f] == i - 1
  end
  if #m.oneofs > 0 then
    put('static const char *const oneofs_%s[] = {"%s"};', name, table.concat(m.oneofs, '", "'))
  end
  if #by_number > 0 then
    put("static const struct gw_schema_field fields_%s[] = {", name)
    for _, f in ipairs(by_number) do
      put('    {"%s", %d, %d, %d, %s},', f.json, #f.json, #f.name, f.oneof and not f.optional and f.oneof + 1 or 0,
          field_kind(f, entries))
    end
    put("};")
  end
  if not in_order then
    put("static const uint32_t declared_%s[] = {%s};", name, table.concat(declared, ", "))
  end
  local known = m.full:match("^google%.protobuf%.(%w+)$")
  put("extern const struct gw_schema_message gw_schema_%s;", name)
  put("const struct gw_schema_message gw_schema_%s = {", name)
  put("    %s, %s, GW_KNOWN_%s, %d, 0, %s};", #by_number > 0 and "fields_" .. name or "NULL",
      #m.oneofs > 0 and "oneofs_" .. name or "NULL", known and well_known[known] or "NONE",
      m.map_entry and 1 or 0, in_order and "NULL" or "declared_" .. name)
end

local function put_bytes(name, bytes)
  put("static const unsigned char %s[] = {", name)
  for i = 1, #bytes, 24 do
    put("%s,", table.concat({bytes:byte(i, math.min(i + 23, #bytes))}, ","))
  end
  put("};")
end

local function symbols_of(file)
  local list = {}
  each_message(file.messages, function(m)
    list[#list + 1] = m.full
    for _, f in ipairs(m.fields) do list[#list + 1] = m.full .. "." .. f.name end
    for _, o in ipairs(m.oneofs) do list[#list + 1] = m.full .. "." .. o end
    for _, e in ipairs(m.enums) do file.enums[#file.enums + 1] = e end
  end)
  for _, e in ipairs(file.enums) do
    list[#list + 1] = e.full
    for _, v in ipairs(e.values) do list[#list + 1] = e.full:match("^(.*%.)") .. v.name end
  end
  for _, s in ipairs(file.services) do
    list[#list + 1] = s.full
    for _, m in ipairs(s.methods) do list[#list + 1] = s.full .. "." .. m end
  end
  return list
end

local function put_reflection(all)
  local symbols = {}
  table.sort(all, function(a, b) return a.name < b.name end)
  for i, file in ipairs(all) do
    put_bytes("file_" .. i, file.bytes)
    for _, s in ipairs(symbols_of(file)) do symbols[#symbols + 1] = {s, i - 1} end
  end
  put("const struct gw_schema_file gw_schema_files[] = {")
  for i, file in ipairs(all) do
    put('    {"%s", file_%d, sizeof(file_%d)},', file.name, i, i)
  end
  put("};\nconst size_t gw_schema_n_files = %d;", #all)
  table.sort(symbols, function(a, b) return a[1] < b[1] end)
  put("const struct gw_schema_symbol gw_schema_symbols[] = {")
  for _, s in ipairs(symbols) do put('    {"%s", %d},', s[1], s[2]) end
  put("};\nconst size_t gw_schema_n_symbols = %d;", #symbols)
end

-- Messages by name, for moongate.proto.known.
local function put_messages(all)
  local names = {}
  for _, file in ipairs(all) do
    each_message(file.messages, function(m)
      if not m.map_entry then names[#names + 1] = m.full end
    end)
  end
  table.sort(names)
  for _, full in ipairs(names) do
    put("extern const ProtobufCMessageDescriptor %s__descriptor;", c_name(full))
  end
  put("const ProtobufCMessageDescriptor *const gw_schema_messages[] = {")
  for _, full in ipairs(names) do put("    &%s__descriptor,", c_name(full)) end
  put("};\nconst size_t gw_schema_n_messages = %d;", #names)
end

local set = out_dir .. "/schema.desc"
run("protoc", "--include_imports", "-I", proto_dir, "--descriptor_set_out=" .. set,
    table.unpack(files))

local all, entries = {}, {}
for _, bytes in ipairs(decode(read_file(set))[1]) do all[#all + 1] = read_descriptor(bytes) end
for _, file in ipairs(all) do
  each_message(file.messages, function(m)
    if m.map_entry then entries["." .. m.full] = true end
  end)
end

local rewritten_dir, names = out_dir .. "/rewritten", {}
for i, file in ipairs(all) do
  local path = rewritten_dir .. "/" .. file.name
  run("mkdir", "-p", path:match("^(.*)/"))
  write_file(path, rewritten(file))
  names[i] = path
end
run("protoc-c", "--c_out=" .. out_dir, "-I", rewritten_dir, table.unpack(names))

put('#include "flyte/schema.h"\n')
for _, file in ipairs(all) do
  patch(out_dir .. "/" .. file.name:gsub("%.proto$", ".pb-c.c"))
  each_message(file.messages, function(m) put_message_table(m, entries) end)
end
put_reflection(all)
put_messages(all)
write_file(out_dir .. "/schema_tables.c", table.concat(tables, "\n") .. "\n")

dofile(proto_dir .. "/meta.lua")(all, each_message, function(text) write_file(out_dir .. "/meta_flyte.lua", text) end)
