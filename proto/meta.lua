-- Writes meta_flyte.lua for editors: a class for each message that `request` can lead to, with every field
-- as a script reads it. Called by gen.lua with what it read of the descriptors; lua/moongate/meta_flyte.lua
-- is a copy of what comes out (make meta), and a spec fails when the two differ.
local roots = {
  "flyteidl.admin.WorkflowExecutionEventRequest", "flyteidl.admin.NodeExecutionEventRequest",
  "flyteidl.admin.TaskExecutionEventRequest", "flyteidl2.workflow.ActionEvent",
  "flyteidl.admin.Execution", "flyteidl.admin.Workflow", "flyteidl.admin.Task", "flyteidl.admin.TaskExecution",
  "flyteidl.event.CloudEventWorkflowExecution", "flyteidl.event.CloudEventNodeExecution",
  "flyteidl.event.CloudEventTaskExecution",
}

local scalars = {
  "number", "number", "integer", "integer", "integer", "integer", "integer", "boolean", "string", nil, nil,
  "string", "integer", nil, "integer", "integer", "integer", "integer",
}

-- What a script gets for these is no message of that name.
local plain = {["google.protobuf.Struct"] = "table", ["google.protobuf.ListValue"] = "table",
               ["google.protobuf.Value"] = "any"}

return function(all, each_message, write)
  local messages, enums, seen, out = {}, {}, {}, {}
  for _, file in ipairs(all) do
    for _, e in ipairs(file.enums) do enums[e.full] = e end
    each_message(file.messages, function(m)
      messages[m.full] = m
      for _, e in ipairs(m.enums) do enums[e.full] = e end
    end)
  end

  local function name_of(full) return plain[full] or "moongate." .. full end

  local visit
  local function type_of(f)
    if not f.type_name then return scalars[f.type] end
    local full = f.type_name:sub(2)
    visit(full)
    return name_of(full)
  end

  local function field_type(f)
    local entry = f.type_name and messages[f.type_name:sub(2)]
    if entry and entry.map_entry then
      return ("table<%s, %s>"):format((type_of(entry.fields[1])), (type_of(entry.fields[2])))
    end
    local kind = type_of(f)
    if f.repeated then return kind .. "[]" end
    return kind, f.oneof ~= nil
  end

  function visit(full)
    if seen[full] or plain[full] then return end
    seen[full] = true
    if enums[full] then
      local names = {}
      for i, v in ipairs(enums[full].values) do names[i] = '---| "' .. v.name .. '"' end
      out[#out + 1] = {full, ("---@alias %s\n%s\n---| integer"):format(name_of(full), table.concat(names, "\n"))}
      return
    end
    local lines = {"---@class " .. name_of(full) .. ": moongate.Message"}
    for _, f in ipairs(messages[full].fields) do
      local kind, optional = field_type(f)
      lines[#lines + 1] = ("---@field %s%s %s"):format(f.name, optional and "?" or "", kind)
    end
    out[#out + 1] = {full, table.concat(lines, "\n")}
  end

  for _, full in ipairs(roots) do
    if messages[full] then visit(full) end
  end
  table.sort(out, function(a, b) return a[1] < b[1] end)
  local text = {[[---@meta moongate.flyte
-- Flyte's messages as scripts see them. Made by proto/meta.lua (make meta): do not edit.
-- Of a oneof one member is there. Another message that was not set is nil, too; editors are not told so,
-- or they would ask for a check of each part of request.event.execution_id.project.]]}
  for _, o in ipairs(out) do text[#text + 1] = o[2] end
  write(table.concat(text, "\n\n") .. "\n")
end
