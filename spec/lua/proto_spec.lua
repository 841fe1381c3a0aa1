local gate = require "gate"

-- The set that protoc makes of spec/lua/proto; scripts stand beside it.
local set = os.tmpname() .. ".desc"
local name = set:match("[^/]+$")
assert(os.execute("protoc --include_imports -I spec/lua/proto -I proto --descriptor_set_out=" .. set .. " v2.proto"))

local function run(body, input, conf)
  return gate.run("local pb = m.proto.load('" .. name .. "')\n" .. body, input, conf)
end

describe("moongate.proto", function()
  it("makes, encodes and decodes messages of a descriptor set", function()
    run([[
      local r = pb:new("team.v2.Run", {name = "f1", state = "STATE_RUNNING", attempt = 2})
      assert(r.name == "f1" and r.state == "STATE_RUNNING" and r.attempt == 2 and r.project == "")
      local bytes = pb:encode("team.v2.Run", r)
      assert(bytes == "\x0a\x02f1\x18\x01\x20\x02" and bytes == pb:encode("team.v2.Run", {name = "f1", state = 1, attempt = 2}))
      local back = pb:decode("team.v2.Run", bytes)
      assert(back.name == "f1" and m.to_json(back) == m.to_json(r))]])
  end)
end)

os.remove(set)
