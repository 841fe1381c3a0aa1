local gate = require "moongate.test"

describe("openlineage.lua", function()
  local hook = gate.hook("openlineage.lua", {params = {namespace = "prod"}})

  local function run_event(event)
    return hook(event)[1].data
  end

  it("tells of a workflow's start and end by one run", function()
    local start = run_event(gate.workflow {phase = "RUNNING", execution = "f1", time = "2026-01-02T03:04:05Z"})
    local uri = "s3://bucket/a/outputs.pb"
    local done = run_event(gate.workflow {phase = "SUCCEEDED", execution = "f1", output_uri = uri})
    assert.equal("START", start.eventType)
    assert.equal("2026-01-02T03:04:05Z", start.eventTime)
    assert.same({namespace = "prod", name = "flytesnacks.development"}, start.job)
    assert.matches("^%x+%-%x+%-8%x%x%x%-[89ab]%x+%-%x+$", start.run.runId)
    assert.equal("COMPLETE", done.eventType)
    assert.equal(start.run.runId, done.run.runId)
    assert.same({{namespace = "s3://bucket", name = "a/outputs.pb"}}, done.outputs)
    assert.not_equal(start.run.runId, run_event(gate.workflow {execution = "f2"}).run.runId)
  end)
  it("gives each attempt of a task a run of its own, below the workflow's", function()
    local workflow = run_event(gate.workflow {execution = "f1"})
    local first = run_event(gate.task {execution = "f1", task = "wf.train", attempt = 0, phase = "RETRYABLE_FAILED",
                                       error_message = "lost"})
    local second = run_event(gate.task {execution = "f1", task = "wf.train", attempt = 1})
    assert.equal("FAIL", first.eventType)
    assert.equal("lost", first.run.facets.errorMessage.message)
    assert.equal("START", second.eventType)
    assert.equal("wf.train", second.job.name)
    assert.not_equal(first.run.runId, second.run.runId)
    assert.equal(workflow.run.runId, second.run.facets.parent.run.runId)
    assert.same(workflow.job, second.run.facets.parent.job)
    assert.equal("RUNNING", run_event(gate.task {phase_version = 2}).eventType)
  end)
  it("drops what is no start and no end", function()
    assert.same({}, hook(gate.task {phase = "QUEUED"}))
    assert.same({}, hook(gate.workflow {phase = "SUCCEEDING"}))
  end)
end)
