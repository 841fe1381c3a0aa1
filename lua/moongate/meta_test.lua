---@meta moongate.test
-- What spec files see, for editors that speak LuaLS. Nothing here runs.

---@class moongate.test.Event An event for a hook, of gate.workflow, node, task, action or event.
---@field kind "workflow"|"node"|"task"|"action"|"other"
---@field request? table the request by proto names; may be changed
---@field event? table the CloudEvent's attributes and data; may be changed

---@class moongate.test.Fields What gate.workflow, node, task and action take; all are optional.
---@field org? string
---@field project? string
---@field domain? string
---@field execution? string
---@field name? string the same as execution
---@field phase? string "RUNNING"
---@field time? string RFC 3339
---@field error_code? string
---@field error_message? string
---@field error_kind? "USER"|"SYSTEM"|"UNKNOWN"
---@field request? table by proto names, laid over the rest

---@class moongate.test.WorkflowFields: moongate.test.Fields
---@field producer? string
---@field output_uri? string
---@field request_id? string

---@class moongate.test.ActionFields: moongate.test.Fields
---@field node? string
---@field attempt? integer
---@field version? integer

---@class moongate.test.NodeFields: moongate.test.WorkflowFields
---@field node? string
---@field node_name? string
---@field retry_group? integer|string

---@class moongate.test.TaskFields: moongate.test.WorkflowFields
---@field node? string
---@field task? string
---@field version? string
---@field attempt? integer
---@field phase_version? integer
---@field task_type? string
---@field reason? string

---@class moongate.test.Out An event that came out: attributes by name.
---@field data? any JSON as a table, else bytes
---@field route? {topic: string?, key: string?, headers: table<string, string>} what moongate.route said
---@field [string] string|boolean|integer|nil

---@class moongate.test.Line A line of moongate.log or print.
---@field level "debug"|"info"|"warn"|"error"
---@field msg string
---@field at string "team.lua:7"
---@field [string] any

---@class moongate.test.Result How a hook ended.
---@field verdict "published"|"filtered"|"retry"|"failed"
---@field reason? string of filtered and failed
---@field text? string of failed and retry
---@field log moongate.test.Line[]
---@field counters table<string, number> since the test began: seen, by{kind="x"}

---@class moongate.test.Hook Gives the events that come out (nil, which tests do not check for, is moongate.retry).
---@field last moongate.test.Result of the last call
---@overload fun(event: moongate.test.Event): moongate.test.Out[], moongate.test.Result

---@class moongate.test.HookConf A pipeline's keys.
---@field params? table
---@field match? table
---@field rename? table
---@field set? table
---@field remove? string|string[]
---@field hook_limits? table
---@field format? {data: "protobuf"|"json"?, style: string?, id_spacing: 1|2|nil, enrich_all: boolean?}
---@field name? string the pipeline's
---@field source? string

---@class moongate.test.Request What a hook asked by moongate.http.
---@field method string
---@field url string
---@field headers table<string, string>
---@field body? string
---@field json? any the body, if it is JSON

---@class moongate.test.Answer
---@field status? integer 200
---@field body? string
---@field json? any in place of body
---@field headers? table<string, string>
---@field error? string there is none: the hook gets nil and this

---@alias moongate.test.Response string|integer|moongate.test.Answer

---@class moongate.test
local gate = {}

---A hook, fresh in each test. Paths are relative to the spec file.
---@param scripts string|string[] none of them: rules and style alone
---@param conf? moongate.test.HookConf
---@return moongate.test.Hook
function gate.hook(scripts, conf) end

---@param t? moongate.test.WorkflowFields
---@return moongate.test.Event
function gate.workflow(t) end

---@param t? moongate.test.NodeFields
---@return moongate.test.Event
function gate.node(t) end

---@param t? moongate.test.TaskFields
---@return moongate.test.Event
function gate.task(t) end

---An ActionEvent of Flyte 2; `execution` is the run, `node` the action.
---@param t? moongate.test.ActionFields
---@return moongate.test.Event
function gate.action(t) end

---Any CloudEvent; `data` may be a table (JSON) or a string.
---@param t? table<string, any>
---@return moongate.test.Event
function gate.event(t) end

---Answers moongate.http; `url` with * for any part, "POST https://…" for one method.
---@param url string
---@param response moongate.test.Response|fun(request: moongate.test.Request): moongate.test.Response?
---@return moongate.test.Request[] calls what it answered
function gate.http(url, response) end

---@class moongate.test.Records
---@field execution? table<string, table|string>
---@field workflow? table<string, table|string> of both forms
---@field task? table<string, table|string>
---@field task_execution? table<string, table|string>

---Answers moongate.flyte. Ids are "project:domain:name", of workflows and tasks "project:domain:name:version", of task
---executions "project:domain:name:node"; a record is a table by proto names, or a text: why there is none. false: no
---FlyteAdmin is configured.
---@param records moongate.test.Records|false
---@return string[] asked "execution project:domain:name"
function gate.flyteadmin(records) end

---What moongate.now and moongate.received say; nil: the clock.
---@param t? number|string
function gate.time(t) end

---@param name string
---@param body fun()
function describe(name, body) end

---@param name string
---@param body fun()
function context(name, body) end

---@param name string
---@param body? fun()
function it(name, body) end

---@param name string
---@param body? fun()
function spec(name, body) end

---@param name string
---@param body? fun()
function test(name, body) end

---@param name? string
---@param body? fun()
function pending(name, body) end

---@param f fun()
function before_each(f) end

---@param f fun()
function after_each(f) end

---@param f fun()
function setup(f) end

---@param f fun()
function teardown(f) end

---@param f fun()
function lazy_setup(f) end

---@param f fun()
function lazy_teardown(f) end

---@param f fun()
function strict_setup(f) end

---@param f fun()
function strict_teardown(f) end

---@param f fun()
function finally(f) end

---What assertions there are, each also with is_, are_, has_ or was_ before it and `not`: assert.is_not_nil(v).
---@class moongate.test.Checks
---@field equal fun(want: any, got: any, message?: any): ...any
---@field not_equal fun(want: any, got: any, message?: any): ...any
---@field are_equal fun(want: any, got: any, message?: any): ...any
---@field are_not_equal fun(want: any, got: any, message?: any): ...any
---@field is_not_equal fun(want: any, got: any, message?: any): ...any
---@field equals fun(want: any, got: any, message?: any): ...any
---@field not_equals fun(want: any, got: any, message?: any): ...any
---@field are_equals fun(want: any, got: any, message?: any): ...any
---@field are_not_equals fun(want: any, got: any, message?: any): ...any
---@field is_not_equals fun(want: any, got: any, message?: any): ...any
---@field same fun(want: any, got: any, message?: any): ...any
---@field not_same fun(want: any, got: any, message?: any): ...any
---@field are_same fun(want: any, got: any, message?: any): ...any
---@field are_not_same fun(want: any, got: any, message?: any): ...any
---@field is_not_same fun(want: any, got: any, message?: any): ...any
---@field truthy fun(value: any, message?: any): ...any
---@field is_truthy fun(value: any, message?: any): ...any
---@field is_not_truthy fun(value: any, message?: any): ...any
---@field not_truthy fun(value: any, message?: any): ...any
---@field falsy fun(value: any, message?: any): ...any
---@field is_falsy fun(value: any, message?: any): ...any
---@field is_not_falsy fun(value: any, message?: any): ...any
---@field not_falsy fun(value: any, message?: any): ...any
---@field is_true fun(value: any, message?: any): ...any
---@field is_not_true fun(value: any, message?: any): ...any
---@field not_true fun(value: any, message?: any): ...any
---@field is_false fun(value: any, message?: any): ...any
---@field is_not_false fun(value: any, message?: any): ...any
---@field not_false fun(value: any, message?: any): ...any
---@field is_nil fun(value: any, message?: any): ...any
---@field is_not_nil fun(value: any, message?: any): ...any
---@field not_nil fun(value: any, message?: any): ...any
---@field boolean fun(value: any, message?: any): ...any
---@field is_boolean fun(value: any, message?: any): ...any
---@field is_not_boolean fun(value: any, message?: any): ...any
---@field not_boolean fun(value: any, message?: any): ...any
---@field number fun(value: any, message?: any): ...any
---@field is_number fun(value: any, message?: any): ...any
---@field is_not_number fun(value: any, message?: any): ...any
---@field not_number fun(value: any, message?: any): ...any
---@field string fun(value: any, message?: any): ...any
---@field is_string fun(value: any, message?: any): ...any
---@field is_not_string fun(value: any, message?: any): ...any
---@field not_string fun(value: any, message?: any): ...any
---@field table fun(value: any, message?: any): ...any
---@field is_table fun(value: any, message?: any): ...any
---@field is_not_table fun(value: any, message?: any): ...any
---@field not_table fun(value: any, message?: any): ...any
---@field is_function fun(value: any, message?: any): ...any
---@field is_not_function fun(value: any, message?: any): ...any
---@field not_function fun(value: any, message?: any): ...any
---@field thread fun(value: any, message?: any): ...any
---@field is_thread fun(value: any, message?: any): ...any
---@field is_not_thread fun(value: any, message?: any): ...any
---@field not_thread fun(value: any, message?: any): ...any
---@field userdata fun(value: any, message?: any): ...any
---@field is_userdata fun(value: any, message?: any): ...any
---@field is_not_userdata fun(value: any, message?: any): ...any
---@field not_userdata fun(value: any, message?: any): ...any
---@field ["true"] fun(value: any, message?: any): ...any
---@field ["false"] fun(value: any, message?: any): ...any
---@field ["nil"] fun(value: any, message?: any): ...any
---@field ["function"] fun(value: any, message?: any): ...any
---@field matches fun(pattern: string, text: any, ...): ...any
---@field not_matches fun(pattern: string, text: any, ...): ...any
---@field has_matches fun(pattern: string, text: any, ...): ...any
---@field has_no_matches fun(pattern: string, text: any, ...): ...any
---@field does_not_matches fun(pattern: string, text: any, ...): ...any
---@field match fun(pattern: string, text: any, ...): ...any
---@field not_match fun(pattern: string, text: any, ...): ...any
---@field has_match fun(pattern: string, text: any, ...): ...any
---@field has_no_match fun(pattern: string, text: any, ...): ...any
---@field does_not_match fun(pattern: string, text: any, ...): ...any
---@field near fun(want: number, got: number, tolerance: number, message?: any): ...any
---@field is_near fun(want: number, got: number, tolerance: number, message?: any): ...any
---@field not_near fun(want: number, got: number, tolerance: number, message?: any): ...any
---@field is_not_near fun(want: number, got: number, tolerance: number, message?: any): ...any
---@field unique fun(list: table, deep?: boolean|string, message?: any): ...any
---@field is_unique fun(list: table, deep?: boolean|string, message?: any): ...any
---@field not_unique fun(list: table, deep?: boolean|string, message?: any): ...any
---@field are_unique fun(list: table, deep?: boolean|string, message?: any): ...any
---@field error fun(f: function, want?: any, message?: any): ...any
---@field has_error fun(f: function, want?: any, message?: any): ...any
---@field has_no_error fun(f: function, want?: any, message?: any): ...any
---@field no_error fun(f: function, want?: any, message?: any): ...any
---@field not_error fun(f: function, want?: any, message?: any): ...any
---@field errors fun(f: function, want?: any, message?: any): ...any
---@field has_errors fun(f: function, want?: any, message?: any): ...any
---@field has_no_errors fun(f: function, want?: any, message?: any): ...any
---@field no_errors fun(f: function, want?: any, message?: any): ...any
---@field not_errors fun(f: function, want?: any, message?: any): ...any
---@field error_matches fun(f: function, pattern: string, ...): ...any
---@field has_error_matches fun(f: function, pattern: string, ...): ...any
---@field has_no_error_matches fun(f: function, pattern: string, ...): ...any
---@field not_error_matches fun(f: function, pattern: string, ...): ...any
---@field error_match fun(f: function, pattern: string, ...): ...any
---@field has_error_match fun(f: function, pattern: string, ...): ...any
---@field has_no_error_match fun(f: function, pattern: string, ...): ...any
---@field not_error_match fun(f: function, pattern: string, ...): ...any

---`assert(v, why)` is Lua's own.
---@class moongate.test.Assert: moongate.test.Checks
---@field is moongate.test.Assert
---@field are moongate.test.Assert
---@field was moongate.test.Assert
---@field has moongate.test.Assert
---@field does moongate.test.Assert
---@field have moongate.test.Assert
---@field no moongate.test.Assert
---@field ["not"] moongate.test.Assert
---@field message fun(text: any): moongate.test.Assert
---@overload fun(v: any, message?: any, ...): ...any
assert = {}

return gate
