---@meta moongate
-- What hook scripts see, for editors that speak LuaLS. Nothing here runs.

---@class moongate.Event A CloudEvent. Fields are attributes; `data` is the payload.
---@field id string
---@field source string
---@field type string
---@field specversion string read-only, always "1.0"
---@field subject? string
---@field time? string RFC 3339
---@field datacontenttype? string
---@field dataschema? string
---@field data? string|moongate.View|table|moongate.Message a view (JSON) or bytes; a table becomes JSON
---@field [string] string|boolean|integer|nil extension attributes: 1 to 20 of a-z and 0-9

---@class moongate.Message A protobuf message: fields by their proto names; meta_flyte.lua has those of Flyte's.

---@class moongate.AnyMessage: moongate.Message A message of a descriptor set.
---@field [string] any

---@class moongate.View A part of JSON data: read, assign, `#`, `pairs`, `ipairs`; the rest stays byte for byte.
---@field [string|integer] any

---@class moongate.Flyte Facts that every kind of Flyte event has. Read-only.
---@field kind "workflow"|"node"|"task"|"action"
---@field org? string
---@field project? string
---@field domain? string
---@field execution? string
---@field node? string
---@field task? string
---@field attempt? integer
---@field phase string "FAILED"
---@field terminal boolean
---@field failed boolean
---@field error_code? string
---@field error_message? string

---@alias moongate.WorkflowRequest moongate.flyteidl.admin.WorkflowExecutionEventRequest
---@alias moongate.NodeRequest moongate.flyteidl.admin.NodeExecutionEventRequest
---@alias moongate.TaskRequest moongate.flyteidl.admin.TaskExecutionEventRequest
---@alias moongate.ActionEvent moongate.flyteidl2.workflow.ActionEvent
---@alias moongate.Request moongate.WorkflowRequest|moongate.NodeRequest|moongate.TaskRequest|moongate.ActionEvent
---@alias moongate.Hook fun(event: moongate.Event, request: moongate.Request, flyte: moongate.Flyte): ...any

---@class moongate.Script What a script may return instead of a function.
---@field on_event moongate.Hook
---@field on_load? fun() once a load
---@field event_types? string[] workflow, node, task, action, other; others skip this script
---@field description? string

---@class moongate.Retry

---@class moongate
---@field params table the pipeline's `params`, read-only
---@field pipeline string the pipeline's name
---@field version string the gateway's
---@field retry moongate.Retry `return moongate.retry, "why"`: run this event's hooks again later
local moongate = {}

---Moves an attribute's value. An absent old does nothing, an existing new is replaced.
---@param event moongate.Event
---@param old string
---@param new string
function moongate.rename(event, old, new) end

---An independent event for splitting; its id is `<id>:<n>`.
---@param event moongate.Event
---@return moongate.Event
function moongate.copy(event) end

---@class moongate.Route What it leaves out is the publisher's.
---@field topic? string Kafka: a topic; HTTP: a URL; one of publisher.routes has to allow it
---@field key? string Kafka's message key
---@field headers? table<string, string>

---Where this event goes. The last call counts, as a whole.
---@param event moongate.Event
---@param route moongate.Route
function moongate.route(event, route) end

---A new event; id, source and type are needed.
---@param fields table<string, any>
---@return moongate.Event
function moongate.new(fields) end

---A legal attribute value: control characters become spaces, at most max bytes are kept.
---@param s? string
---@param max? integer
---@return string?
function moongate.clean(s, max) end

---0 to n-1, the same for the same s on every machine.
---@param s string
---@param n integer
---@return integer
function moongate.hash(s, n) end

---The same again for the same record and the same call.
---@return string
function moongate.uuid() end

---When the gateway took the event; seconds since 1970.
---@return number
function moongate.received() end

---Now; not the same when the event is tried again.
---@return number
function moongate.now() end

---@param x? string|moongate.Message RFC 3339, a Timestamp or a Duration
---@return number? seconds (since 1970, for a time)
function moongate.time(x) end

---@param seconds number
---@return string
function moongate.rfc3339(seconds) end

---Lower-case hexadecimal.
---@param bytes string
---@return string
function moongate.hex(bytes) end

---@param s string
---@return string bytes
function moongate.sha256(s) end

---@param key string
---@param s string
---@return string bytes
function moongate.hmac_sha256(key, s) end

---A uint64 as decimal text.
---@param n integer
---@return string
function moongate.u64(n) end

---The member of a oneof that is set.
---@param message moongate.Message
---@param oneof string
---@return string?
function moongate.which(message, oneof) end

---What is set in a message, or a view, as plain tables; a message's Timestamp has seconds and nanos.
---@param message moongate.Message|moongate.View|table
---@return table
function moongate.to_table(message) end

---@class moongate.JsonOptions
---@field form? "protojson"|"jsonpb" jsonpb: byte for byte as Go's golang/protobuf writes it, and FlyteAdmin

---proto3 JSON. jsonpb raises on what Go refuses: a Value without a kind, a Duration out of range.
---@param message moongate.Message
---@param opts? moongate.JsonOptions
---@return string
function moongate.to_json(message, opts) end

---@class moongate.Counter May be kept over calls.
local Counter = {}

---@param n? number from 0 on, default 1; fractions count
function Counter:add(n) end

---A metric of the script's own, `moongate_script_<name>_total`.
---@param name string a-z, 0-9 and _
---@param labels? table<string, string|number|boolean> up to 8; the same names wherever this counter is used
---@return moongate.Counter
function moongate.counter(name, labels) end

---@class moongate.Cache May be kept over calls.
local Cache = {}

---@param k string|number
---@return any value a copy; nil: not there, or too old
function Cache:get(k) end

---@param k string|number
---@param v any strings, numbers, booleans and plain tables of them; nil deletes
function Cache:set(k, v) end

---@param k string|number
function Cache:delete(k) end

---@class moongate.CacheOptions
---@field max? integer entries, default 10000
---@field ttl? number seconds from the last set, default 300; math.huge: for ever

---What the workers of this pipeline remember together.
---@param name string
---@param options? moongate.CacheOptions
---@return moongate.Cache
function moongate.cache(name, options) end

---@class moongate.Row Columns to values; read-only.
---@field [string] any

---@class moongate.Lookup Keys to rows; read-only, `#` counts them, `pairs` goes over them.
---@field [string|integer] moongate.Row?

---A CSV, JSON or YAML file that hook_limits.files allows, read again when it changes.
---@param path string beside the script
---@param key_column? string not needed for an object of objects
---@return moongate.Lookup
function moongate.lookup(path, key_column) end

---@class moongate.json
---@field null lightuserdata JSON's null
moongate.json = {}

---Keys are sorted. A table with keys 1 to n is a list, an empty one an object; a view is its text.
---@param value any
---@return string
function moongate.json.encode(value) end

---Raises on bad text. Integers beyond 64 bits become strings. A view becomes a table.
---@param text string|moongate.View
---@return any
function moongate.json.decode(text) end

---@class moongate.base64
moongate.base64 = {}

---@param bytes string
---@return string
function moongate.base64.encode(bytes) end

---Raises on bad text.
---@param text string
---@return string
function moongate.base64.decode(text) end

---@class moongate.ProtoSet What a descriptor set declares.
local ProtoSet = {}

---A message of the set, as `request` is; valid until the hook returns.
---@param type string full name, "team.v2.Run"
---@param fields? table<string, any>|moongate.Message
---@return moongate.AnyMessage
function ProtoSet:new(type, fields) end

---@param type string
---@param fields table<string, any>|moongate.Message
---@return string bytes
function ProtoSet:encode(type, fields) end

---Raises on bytes that are no such message.
---@param type string
---@param bytes string
---@return moongate.AnyMessage
function ProtoSet:decode(type, bytes) end

---@class moongate.proto
---@field known moongate.ProtoSet what is compiled in: flyteidl's messages, CloudEvents', google.protobuf's
moongate.proto = {}

---A descriptor set (protoc --include_imports --descriptor_set_out); the path is relative to the script.
---@param path string
---@return moongate.ProtoSet
function moongate.proto.load(path) end

---@class moongate.log
moongate.log = {}

---@param message string
---@param fields? table<string, string|number|boolean>
function moongate.log.debug(message, fields) end

---@param message string
---@param fields? table<string, string|number|boolean>
function moongate.log.info(message, fields) end

---@param message string
---@param fields? table<string, string|number|boolean>
function moongate.log.warn(message, fields) end

---@param message string
---@param fields? table<string, string|number|boolean>
function moongate.log.error(message, fields) end

---@class moongate.HttpOptions
---@field timeout? number seconds, fractions allowed; without it, as long as the hook may run
---@field headers? table<string, string|number>
---@field body? string
---@field json? any sent as JSON, in place of body
---@field method? string for request: "GET" "HEAD" "POST" "PUT" "PATCH" "DELETE" "OPTIONS"

---@class moongate.HttpAnswer
---@field status integer
---@field headers table<string, string> names in lower case
---@field body string

---@class moongate.http Waits for hosts in `hook_limits.allow_hosts`; nil and a message if no whole answer came.
moongate.http = {}

---@param url string
---@param opts? moongate.HttpOptions
---@return moongate.HttpAnswer?, string?
function moongate.http.get(url, opts) end

---@param url string
---@param opts? moongate.HttpOptions
---@return moongate.HttpAnswer?, string?
function moongate.http.post(url, opts) end

---@param url string
---@param opts? moongate.HttpOptions
---@return moongate.HttpAnswer?, string?
function moongate.http.request(url, opts) end

---@class moongate.FlyteOptions
---@field max_age? number seconds that an answer may be old; of an execution 10, of a workflow or task 3600, of a task execution 0

---@class moongate.WorkflowOptions: moongate.FlyteOptions
---@field stored? boolean as FlyteAdmin keeps it, with its interface alone

---FlyteAdmin's records (`flyteadmin:` of the configuration). The hook waits; answers are kept.
---@class moongate.flyte
moongate.flyte = {}

---@param id string|table|moongate.Message "project:domain:name", {project=, domain=, name=}, or a message
---@param opts? moongate.FlyteOptions
---@return moongate.flyteidl.admin.Execution? execution
---@return string? why there is none
---@return string? code "NOT_FOUND", "UNREACHABLE", "UNCONFIGURED", …
function moongate.flyte.execution(id, opts) end

---@param id string|table|moongate.Message "project:domain:name:version", {project=, domain=, name=, version=}, or a message
---@param opts? moongate.WorkflowOptions
---@return moongate.flyteidl.admin.Workflow? workflow
---@return string? why there is none
---@return string? code
function moongate.flyte.workflow(id, opts) end

---@param id string|table|moongate.Message "project:domain:name:version", {project=, domain=, name=, version=}, or a message
---@param opts? moongate.FlyteOptions
---@return moongate.flyteidl.admin.Task? task
---@return string? why there is none
---@return string? code
function moongate.flyte.task(id, opts) end

---The last attempt of a node's task.
---@param node string|table|moongate.Message "project:domain:name:node", {execution_id={…}, node_id=}, or a message
---@param opts? moongate.FlyteOptions
---@return moongate.flyteidl.admin.TaskExecution? task_execution
---@return string? why there is none
---@return string? code
function moongate.flyte.task_execution(node, opts) end

return moongate
