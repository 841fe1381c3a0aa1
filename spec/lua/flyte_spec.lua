local gate = require "gate"

describe("flyte", function()
  local facts = [[
    local t = {}
    for k, v in pairs(flyte) do t[#t + 1] = k .. "=" .. tostring(v) end
    e.facts = table.concat(t, " ")]]

  local function has(want, input)
    assert.equal(want, gate.run(facts, input)[1].facts)
  end

  it("has the same fields for every kind", function()
    local where = "org= project=p domain=d execution=x"
    local t = {project = "p", domain = "d", name = "x", phase = "FAILED", error = "no memory", code = "OOM", node = "n1", task = "t1",
               attempt = 3}
    local failure = " phase=FAILED terminal=true failed=true error_code=OOM error_message=no memory"
    has("kind=workflow " .. where .. failure, gate.workflow(t))
    has("kind=node " .. where .. " node=n1" .. failure, gate.node(t))
    has("kind=task " .. where .. " node=n1 task=t1 attempt=3" .. failure, gate.task(t))
    has("kind=action " .. where .. " node=n1 attempt=3" .. failure, gate.action(t))
    gate.run("request.event.execution_id.org = 'o' assert(flyte.org == '')", gate.workflow {})
  end)

  it("has nil where a kind has none", function()
    gate.run("assert(flyte.node == nil and flyte.task == nil and flyte.attempt == nil and flyte.error_code == nil and flyte.error_message == nil)",
      gate.workflow {})
    gate.run("assert(flyte.node == 'n0' and flyte.task == nil and flyte.attempt == nil and flyte.error_code == nil)", gate.node {})
    gate.run("assert(flyte.node == 'a0' and flyte.execution == 'r1' and flyte.task == nil and flyte.attempt == 1 and flyte.error_code == nil)",
      gate.action {})
    gate.run("assert(flyte.attempt == 0 and math.type(flyte.attempt) == 'integer' and flyte.task == 'wf.t')", gate.task {})
  end)

  -- Every phase of every kind: f fails, t ends, both or neither.
  local phases = {
    workflow = {UNDEFINED = "", QUEUED = "", RUNNING = "", SUCCEEDING = "", SUCCEEDED = "t", FAILING = "", FAILED = "ft", ABORTED = "t",
                TIMED_OUT = "ft", ABORTING = ""},
    node = {UNDEFINED = "", QUEUED = "", RUNNING = "", SUCCEEDED = "t", FAILING = "", FAILED = "ft", ABORTED = "t", SKIPPED = "t",
            TIMED_OUT = "ft", DYNAMIC_RUNNING = "", RECOVERED = "t"},
    task = {UNDEFINED = "", QUEUED = "", RUNNING = "", SUCCEEDED = "t", ABORTED = "t", FAILED = "ft", INITIALIZING = "",
            WAITING_FOR_RESOURCES = "", RETRYABLE_FAILED = "f"},
    action = {UNSPECIFIED = "", QUEUED = "", WAITING_FOR_RESOURCES = "", INITIALIZING = "", RUNNING = "", SUCCEEDED = "t", FAILED = "ft",
              ABORTED = "t", TIMED_OUT = "ft", PAUSED = "", RECOVERED = "t"},
  }

  it("knows of every phase whether it failed and whether it ended", function()
    for kind, all in pairs(phases) do
      for phase, want in pairs(all) do
        local out = gate.run("e.got = flyte.phase .. ' ' .. (flyte.failed and 'f' or '') .. (flyte.terminal and 't' or '')",
          gate[kind] {phase = phase})
        assert.equal(phase .. " " .. want, out[1].got)
      end
    end
  end)

  it("knows every phase that there is", function()
    for kind, all in pairs(phases) do
      local n, last = 0, 0
      for _ in pairs(all) do n = n + 1 end
      for i = 0, 40 do
        local script = "local v = flyte.kind == 'action' and request or request.event v.phase = %d e.p = tostring(v.phase):gsub('^ACTION_PHASE_', '')"
        local phase = gate.run(script:format(i), gate[kind] {})[1].p
        if phase ~= tostring(i) then
          assert(all[phase], kind .. " " .. phase)
          last = last + 1
        end
      end
      assert.equal(n, last)
    end
  end)

  it("is read-only and knows its names", function()
    assert.error(function() gate.run("flyte.project = 'x'", gate.node {}) end, 'flyte is read-only (field "project")')
    assert.error(function() gate.run("flyte.new = 1", gate.node {}) end, 'flyte is read-only (field "new")')
    assert.error(function() gate.run("local x = flyte.projct", gate.node {}) end, 'flyte has no field "projct" (did you mean "project"?)')
    assert.error(function() gate.run("local x = flyte[1]", gate.node {}) end, "flyte has no field 1")
    assert.error(function() gate.run("rawset(flyte, 'x', 1)", gate.node {}) end, "")
    gate.run("assert(getmetatable(flyte) == false and type(flyte) == 'userdata')", gate.node {})
  end)

  it("is told in a line", function()
    gate.run("assert(tostring(flyte) == 'node flytesnacks development f1 n0 FAILED', tostring(flyte))", gate.node {phase = "FAILED"})
    gate.run("assert(tostring(flyte) == 'workflow flytesnacks development f1 RUNNING', tostring(flyte))", gate.workflow {})
  end)

  it("says what came, also when the request was changed", function()
    gate.run("request.event.phase = 'RUNNING' assert(flyte.phase == 'FAILED' and flyte.failed)", gate.task {phase = "FAILED"})
  end)

  it("is there for the fields that a request leaves out", function()
    gate.run("request.event = nil assert(flyte.project == 'flytesnacks')", gate.task {})
  end)

  it("is nil for other events", function()
    gate.run("assert(flyte == nil)")
  end)

  it("is what match reads, by the same names", function()
    local t = {project = "p", domain = "d", name = "x", phase = "FAILED", error = "no memory", code = "OOM", node = "n1", task = "t1", attempt = 3}
    local rules = {kind = "task", project = "p", domain = "d", execution = "x", node = "n?", task = "t*", phase = "FAILED", error_code = "OOM",
                   error_message = "no *", attempt = 3, terminal = true, failed = true}
    for name, value in pairs(rules) do
      local match = {[name] = value}
      assert.equal("publish", gate.hook("\nreturn function() end", {match = match})(gate.task(t)).verdict)
      match[name] = type(value) == "boolean" and not value or type(value) == "number" and value + 1 or type(value) == "string" and "other" or false
      assert.equal("filter", gate.hook("\nreturn function() end", {match = match})(gate.task(t)).verdict)
    end
  end)
end)
