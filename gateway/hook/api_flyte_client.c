/* moongate.flyte: execution, workflow, task. FlyteAdmin is asked, or what it said before is taken;
 * the hook waits, its worker goes on with other keys. */
#include "base/arena.h"
#include "base/err.h"
#include "flyte/reflect.h"
#include "flyteidl/admin/common.pb-c.h"
#include "flyteidl/admin/execution.pb-c.h"
#include "flyteidl/admin/task.pb-c.h"
#include "flyteidl/admin/workflow.pb-c.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/flyte_ask.h"
#include "hook/guard.h"
#include "hook/hooks.h"
#include "hook/request.h"
#include "hook/wait.h"

#include <stdio.h>
#include <string.h>

static const struct subject {
    const char *name, *resource; /* "moongate.flyte.task"; as an Identifier's resource_type */
    const ProtobufCMessageDescriptor *id, *request, *answer;
    const char *parts; /* of a text, the names that must be there */
    int n_parts;
} subjects[GW_ASKS] = {
    [GW_ASK_EXECUTION] = {"moongate.flyte.execution", NULL,
                          &flyteidl__core__workflow_execution_identifier__descriptor,
                          &flyteidl__admin__workflow_execution_get_request__descriptor,
                          &flyteidl__admin__execution__descriptor, "project:domain:name", 3},
    [GW_ASK_WORKFLOW] = {"moongate.flyte.workflow", "WORKFLOW",
                         &flyteidl__core__identifier__descriptor,
                         &flyteidl__admin__object_get_request__descriptor,
                         &flyteidl__admin__workflow__descriptor, "project:domain:name:version", 4},
    [GW_ASK_TASK] = {"moongate.flyte.task", "TASK", &flyteidl__core__identifier__descriptor,
                     &flyteidl__admin__object_get_request__descriptor,
                     &flyteidl__admin__task__descriptor, "project:domain:name:version", 4},
};
static const char *const part_names[] = {"project", "domain", "name", "version"};

/* ---- the id: whatever came is a table with a message's fields in the end ---- */

/* "p:d:n" at 1 becomes a table. */
static void split_text(lua_State *L, const struct subject *s)
{
    struct gw_str text = gw_check_str(L, 1);
    const char *p = text.p, *end = text.p + text.len;
    char shown[GW_SHOWN];

    lua_newtable(L);
    for (int i = 0; i < s->n_parts; i++) {
        const char *colon = end;

        if (i + 1 < s->n_parts && !(colon = strchr(p, ':'))) {
            luaL_error(L, "%s: %s is no \"%s\"", s->name, gw_show(L, 1, shown), s->parts);
            return;
        }
        lua_pushlstring(L, p, (size_t)(colon - p));
        lua_setfield(L, -2, part_names[i]);
        p = colon + 1;
    }
    lua_replace(L, 1);
}

static void check_parts(lua_State *L, const struct subject *s, const ProtobufCMessage *id)
{
    for (int i = 0; i < s->n_parts; i++) {
        const ProtobufCFieldDescriptor *f = gw_pb_field(s->id, gw_str_of(part_names[i]));

        if (!gw_pb_has(id, f))
            luaL_error(L, "%s: the id has no %s (it is a table {%s}, a message, or \"%s\")",
                       s->name, part_names[i],
                       s->n_parts == 3 ? "project=, domain=, name="
                                       : "project=, domain=, name=, version=",
                       s->parts);
    }
}

static const ProtobufCMessage *check_id(lua_State *L, const struct subject *s)
{
    const struct gw_handle *h;
    const ProtobufCMessage *id;
    char shown[GW_SHOWN];

    luaL_checkany(L, 1);
    lua_settop(L, 1);
    h = gw_handle_test(L, 1, GW_H_MESSAGE);
    if (lua_type(L, 1) == LUA_TSTRING)
        split_text(L, s);
    gw_thaw(L, 1);
    if (h && strcmp(((const ProtobufCMessage *)h->p)->descriptor->name, s->id->name) != 0)
        luaL_error(L, "%s: the id is a message %s, not %s", s->name, s->id->short_name,
                   ((const ProtobufCMessage *)h->p)->descriptor->short_name);
    if (!h && !lua_istable(L, 1))
        luaL_error(L, "%s: the id is a table, a message or \"%s\", not %s", s->name, s->parts,
                   gw_show(L, 1, shown));
    id = h ? h->p : gw_request_make(L, s->id, 1);
    check_parts(L, s, id);
    return id;
}

/* The request's bytes stay on the stack. */
static struct gw_str push_request(lua_State *L, const struct subject *s, const ProtobufCMessage *id)
{
    struct gw_str bytes;

    lua_createtable(L, 0, 1);
    gw_handle_push(L, GW_H_MESSAGE, (void *)id)->made = 1;
    if (s->resource) { /* a message of an event has it; one that is asked for must */
        ProtobufCMessage *copy = gw_request_make(L, s->id, -1);

        lua_pushstring(L, s->resource);
        gw_request_assign(L, copy, gw_pb_field(s->id, GW_STR("resource_type")), -1, 1);
        lua_pop(L, 2);
        gw_handle_push(L, GW_H_MESSAGE, copy)->made = 1;
    }
    lua_setfield(L, -2, "id");
    gw_request_pack(L, gw_request_make(L, s->request, -1));
    bytes.p = lua_tolstring(L, -1, &bytes.len);
    if (bytes.len > 4096)
        luaL_error(L, "%s: the id has %I bytes; 4096 at most", s->name, (LUAI_UACINT)bytes.len);
    return bytes;
}

/* ---- the answer ---- */

static int push_failure(lua_State *L, struct gw_str why)
{
    lua_pushnil(L);
    lua_pushlstring(L, why.p, why.len);
    return 2;
}

static int push_answer(lua_State *L, const struct subject *s, struct gw_str bytes)
{
    struct gw_arena *mem = gw_vm(L)->run->mem;
    ProtobufCMessage *m;
    struct gw_err err;

    gw_guard_take(L, bytes.len + s->answer->sizeof_message);
    bytes = gw_arena_str(mem, bytes); /* the message borrows them */
    m = gw_pb_decode_within(mem, s->answer, bytes, 0, gw_guard_left(L), &err);
    if (!m && err.kind == GW_ERR_TOO_LARGE)
        gw_guard_full(L);
    if (!m)
        return push_failure(L, gw_str_of(err.msg));
    gw_guard_take(L, 0);
    gw_handle_push(L, GW_H_MESSAGE, m)->made = 1;
    return 1;
}

static int answered(lua_State *L, int status, lua_KContext ctx)
{
    const struct gw_flyte_caller *c = (struct gw_flyte_caller *)gw_vm(L)->run->wait;
    const struct subject *s = lua_touserdata(L, 1);

    (void)status;
    (void)ctx;
    return c->answer.p ? push_answer(L, s, c->answer) : push_failure(L, gw_str_of(c->why));
}

/* As a spec answers it: "flyteadmin:task:project:domain:name:version", with JSON. */
static int outside(lua_State *L, const struct subject *s, const struct gw_hook_outside *o,
                   const ProtobufCMessage *id)
{
    struct gw_hook_answer answer = {.status = 0};
    struct gw_hook_request rq = {.method = GW_STR("ASK")};
    ProtobufCMessage *m;
    struct gw_err err;

    lua_pushfstring(L, "flyteadmin%s", s->name + strlen("moongate.flyte"));
    for (int i = 0; i < s->n_parts; i++) {
        const ProtobufCBinaryData *b =
            gw_pb_member(id, gw_pb_field(s->id, gw_str_of(part_names[i])));

        lua_pushliteral(L, ":");
        lua_pushlstring(L, (const char *)b->data, b->len);
        lua_concat(L, 3);
    }
    rq.url.p = lua_tolstring(L, -1, &rq.url.len);
    if (!o->http(o->ctx, &rq, &answer))
        return luaL_error(L, "%s: no answer was given: gate.flyteadmin {…} (%s)", s->name,
                          rq.url.p);
    if (answer.status != 200)
        return push_failure(L, answer.status ? answer.body : gw_str_of(answer.why));
    gw_guard_take(L, answer.body.len);
    m = gw_pb_json_read(gw_vm(L)->run->mem, s->answer,
                        gw_arena_str(gw_vm(L)->run->mem, answer.body), &err);
    if (!m)
        return luaL_error(L, "gate.flyteadmin: %s: %s", s->answer->short_name, err.msg);
    gw_handle_push(L, GW_H_MESSAGE, m)->made = 1;
    return 1;
}

static int ask(lua_State *L, enum gw_flyte_what what)
{
    const struct subject *s = &subjects[what];
    const int can_wait = gw_wait_check(L, s->name);
    struct gw_hooks *hooks = gw_vm(L)->run->hooks;
    struct gw_flyte_client *client = gw_hooks_flyte_client(hooks);
    const ProtobufCMessage *id = check_id(L, s);
    struct gw_flyte_caller *c;
    struct gw_str request, kept;

    if (gw_hooks_outside(hooks))
        return outside(L, s, gw_hooks_outside(hooks), id);
    if (!client)
        return push_failure(L, GW_STR("no FlyteAdmin is configured: flyteadmin.address"));
    request = push_request(L, s, id);
    switch (gw_flyte_client_get(client, what, request, gw_scratch(L), &kept)) {
    case 1:
        return push_answer(L, s, kept);
    case -1:
        return push_failure(L, kept);
    }
    if (!can_wait)
        return push_failure(L, GW_STR("there is no network here"));
    lua_pushlightuserdata(L, (void *)s);
    lua_replace(L, 1);
    c = gw_flyte_ask(gw_hooks_flyte(hooks), what, request);
    return gw_wait(L, &c->wait, gw_flyte_ask_end, answered, 0);
}

static int mg_execution(lua_State *L)
{
    return ask(L, GW_ASK_EXECUTION);
}

static int mg_workflow(lua_State *L)
{
    return ask(L, GW_ASK_WORKFLOW);
}

static int mg_task(lua_State *L)
{
    return ask(L, GW_ASK_TASK);
}

void gw_api_flyte_client_open(lua_State *L)
{
    static const luaL_Reg fns[] = {
        {"execution", mg_execution}, {"workflow", mg_workflow}, {"task", mg_task}, {NULL, NULL}};

    luaL_newlib(L, fns);
    gw_freeze(L, "moongate.flyte");
    lua_setfield(L, -2, "flyte");
}
