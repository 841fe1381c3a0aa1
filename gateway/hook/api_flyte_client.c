/* moongate.flyte: execution, workflow, task, task_execution. FlyteAdmin is asked, or what it said
 * before is taken; the hook waits, its worker goes on with other keys. */
#include "base/arena.h"
#include "base/err.h"
#include "flyte/reflect.h"
#include "flyteidl/admin/common.pb-c.h"
#include "flyteidl/admin/execution.pb-c.h"
#include "flyteidl/admin/task.pb-c.h"
#include "flyteidl/admin/task_execution.pb-c.h"
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

enum { MAX_ID = 4096, MAX_PARTS = 4, SECONDS = 1000000000, HOUR = 3600 };

/* What an id has to say: a text of its own, or one of a message in it. */
struct part {
    const char *in, *name;
};
#define OBJECT                                                                                     \
    {                                                                                              \
        {NULL, "project"}, {NULL, "domain"}, {NULL, "name"},                                       \
        {                                                                                          \
            NULL, "version"                                                                        \
        }                                                                                          \
    }

static const struct subject {
    const char *name;     /* "moongate.flyte.task" */
    const char *resource; /* as an Identifier's resource_type */
    const ProtobufCMessageDescriptor *id, *request, *answer;
    const ProtobufCMessageDescriptor *list; /* what comes is a list, of which the first is meant */
    const char *text, *table;               /* an id as scripts may write it */
    struct part parts[MAX_PARTS];
    int n_parts;
    int64_t max_age_s; /* of an answer, if a script does not say */
} subjects[GW_ASKS] = {
    [GW_ASK_EXECUTION] = {"moongate.flyte.execution", NULL,
                          &flyteidl__core__workflow_execution_identifier__descriptor,
                          &flyteidl__admin__workflow_execution_get_request__descriptor,
                          &flyteidl__admin__execution__descriptor, NULL, "project:domain:name",
                          "{project=, domain=, name=}", OBJECT, 3, 10},
    [GW_ASK_WORKFLOW] = {"moongate.flyte.workflow", "WORKFLOW",
                         &flyteidl__core__identifier__descriptor,
                         &flyteidl__admin__object_get_request__descriptor,
                         &flyteidl__admin__workflow__descriptor, NULL,
                         "project:domain:name:version", "{project=, domain=, name=, version=}",
                         OBJECT, 4, HOUR},
    [GW_ASK_STORED] = {"moongate.flyte.workflow", "WORKFLOW",
                       &flyteidl__core__identifier__descriptor,
                       &flyteidl__admin__resource_list_request__descriptor,
                       &flyteidl__admin__workflow__descriptor,
                       &flyteidl__admin__workflow_list__descriptor, "project:domain:name:version",
                       "{project=, domain=, name=, version=}", OBJECT, 4, HOUR},
    [GW_ASK_TASK] = {"moongate.flyte.task", "TASK", &flyteidl__core__identifier__descriptor,
                     &flyteidl__admin__object_get_request__descriptor,
                     &flyteidl__admin__task__descriptor, NULL, "project:domain:name:version",
                     "{project=, domain=, name=, version=}", OBJECT, 4, HOUR},
    [GW_ASK_ATTEMPT] = {"moongate.flyte.task_execution",
                        NULL,
                        &flyteidl__core__node_execution_identifier__descriptor,
                        &flyteidl__admin__task_execution_list_request__descriptor,
                        &flyteidl__admin__task_execution__descriptor,
                        &flyteidl__admin__task_execution_list__descriptor,
                        "project:domain:name:node",
                        "{execution_id={project=, domain=, name=}, node_id=}",
                        {{"execution_id", "project"},
                         {"execution_id", "domain"},
                         {"execution_id", "name"},
                         {NULL, "node_id"}},
                        4,
                        0},
};

/* ---- the id: whatever came is a table with a message's fields in the end ---- */

/* The table at 1, or the one in it that the part is in, on top. */
static void push_home(lua_State *L, const struct part *part)
{
    lua_pushvalue(L, 1);
    if (!part->in)
        return;
    if (lua_getfield(L, 1, part->in) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, 1, part->in);
    }
    lua_remove(L, -2);
}

/* "p:d:n" at 1 becomes a table. */
static void split_text(lua_State *L, const struct subject *s)
{
    struct gw_str text = gw_check_str(L, 1);
    const char *p = text.p, *end = text.p + text.len;
    char shown[GW_SHOWN];

    lua_newtable(L);
    lua_insert(L, 1); /* the text stays where p points */
    for (int i = 0; i < s->n_parts; i++) {
        const char *colon = end;

        if (i + 1 < s->n_parts && !(colon = strchr(p, ':'))) {
            luaL_error(L, "%s: %s is no \"%s\"", s->name, gw_show(L, 2, shown), s->text);
            return;
        }
        push_home(L, &s->parts[i]);
        lua_pushlstring(L, p, (size_t)(colon - p));
        lua_setfield(L, -2, s->parts[i].name);
        lua_pop(L, 1);
        p = colon + 1;
    }
    lua_remove(L, 2);
}

/* The text of a part; empty if it is not there. */
static struct gw_str part_of(const ProtobufCMessage *id, const struct part *part)
{
    const ProtobufCBinaryData *b;

    if (part->in)
        id = *(ProtobufCMessage *const *)gw_pb_member(
            id, gw_pb_field(id->descriptor, gw_str_of(part->in)));
    if (!id)
        return GW_STR("");
    b = gw_pb_member(id, gw_pb_field(id->descriptor, gw_str_of(part->name)));
    return (struct gw_str){b->len ? (const char *)b->data : "", b->len};
}

/* The name of a part that is not there. */
static const char *missing_part(const struct subject *s, const ProtobufCMessage *id)
{
    for (int i = 0; i < s->n_parts; i++)
        if (!part_of(id, &s->parts[i]).len)
            return s->parts[i].name;
    return NULL;
}

/* *lacks: the part that a message lacks: nobody has such a thing, and the script is not at fault.
 */
static const ProtobufCMessage *check_id(lua_State *L, const struct subject *s, const char **lacks)
{
    const struct gw_handle *h = gw_handle_test(L, 1, GW_H_MESSAGE);
    const ProtobufCMessage *id;
    char shown[GW_SHOWN];

    if (lua_type(L, 1) == LUA_TSTRING)
        split_text(L, s);
    gw_thaw(L, 1);
    if (h && strcmp(((const ProtobufCMessage *)h->p)->descriptor->name, s->id->name) != 0)
        luaL_error(L, "%s: the id is a message %s, not %s", s->name, s->id->short_name,
                   ((const ProtobufCMessage *)h->p)->descriptor->short_name);
    if (!h && !lua_istable(L, 1))
        luaL_error(L, "%s: the id is a table, a message or \"%s\", not %s", s->name, s->text,
                   gw_show(L, 1, shown));
    id = h ? h->p : gw_request_make(L, s->id, 1);
    *lacks = missing_part(s, id);
    if (*lacks && !h)
        luaL_error(L, "%s: the id has no %s (it is a table %s, a message, or \"%s\")", s->name,
                   *lacks, s->table, s->text);
    return id;
}

/* ---- the request ---- */

/* Sets field `name` of the table on top to a message. */
static void set_message(lua_State *L, const char *name, const ProtobufCMessage *m)
{
    gw_handle_push(L, GW_H_MESSAGE, (void *)m)->made = 1;
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, struct gw_str s)
{
    lua_pushlstring(L, s.p, s.len);
    lua_setfield(L, -2, name);
}

/* A message of an event says what it is; one that is asked for must. */
static const ProtobufCMessage *with_resource(lua_State *L, const struct subject *s,
                                             const ProtobufCMessage *id)
{
    ProtobufCMessage *copy;

    gw_handle_push(L, GW_H_MESSAGE, (void *)id)->made = 1;
    copy = gw_request_make(L, s->id, -1);
    lua_pushstring(L, s->resource);
    gw_request_assign(L, copy, gw_pb_field(s->id, GW_STR("resource_type")), -1, 1);
    lua_pop(L, 2);
    return copy;
}

/* One of a list. */
static void put_list(lua_State *L, const struct subject *s, const ProtobufCMessage *id)
{
    lua_pushinteger(L, 1);
    lua_setfield(L, -2, "limit");
    lua_newtable(L);
    if (s->id == &flyteidl__core__identifier__descriptor) {
        for (int i = 0; i < 3; i++)
            set_text(L, s->parts[i].name, part_of(id, &s->parts[i]));
        lua_setfield(L, -2, "id");
        lua_pushliteral(L, "eq(version,");
        lua_pushlstring(L, part_of(id, &s->parts[3]).p, part_of(id, &s->parts[3]).len);
        lua_pushliteral(L, ")");
        lua_concat(L, 3);
        lua_setfield(L, -2, "filters");
    } else {
        set_text(L, "key", GW_STR("retry_attempt")); /* the highest first, as sorting goes */
        lua_setfield(L, -2, "sort_by");
        set_message(L, "node_execution_id", id);
    }
}

/* The request's bytes stay on the stack. */
static struct gw_str push_request(lua_State *L, const struct subject *s, const ProtobufCMessage *id)
{
    struct gw_str bytes;

    lua_newtable(L);
    if (s->list)
        put_list(L, s, id);
    else
        set_message(L, "id", s->resource ? with_resource(L, s, id) : id);
    gw_request_pack(L, gw_request_make(L, s->request, -1));
    bytes.p = lua_tolstring(L, -1, &bytes.len);
    if (bytes.len > MAX_ID)
        luaL_error(L, "%s: the id has %I bytes; %d at most", s->name, (LUAI_UACINT)bytes.len,
                   MAX_ID);
    return bytes;
}

/* FlyteAdmin takes no other version, and its filters could not be asked for one. */
static int may_be_version(struct gw_str v)
{
    for (size_t i = 0; i < v.len; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~", v.p[i]) ||
            !v.p[i])
            return 0;
    return 1;
}

/* ---- the answer ---- */

static int push_failure(lua_State *L, struct gw_str why, const char *code)
{
    lua_pushnil(L);
    lua_pushlstring(L, why.p, why.len);
    lua_pushstring(L, code);
    return 3;
}

static int push_none(lua_State *L, const char *why)
{
    lua_pushnil(L);
    lua_pushfstring(L, "FlyteAdmin: NOT_FOUND: %s", why);
    lua_pushliteral(L, "NOT_FOUND");
    return 3;
}

/* The first of a list; NULL: it is empty. */
static ProtobufCMessage *first_of(const ProtobufCMessage *list)
{
    const ProtobufCFieldDescriptor *f = &list->descriptor->fields[0];

    return gw_pb_count(list, f) ? **(ProtobufCMessage ***)gw_pb_member(list, f) : NULL;
}

static int push_answer(lua_State *L, const struct subject *s, struct gw_str bytes)
{
    const ProtobufCMessageDescriptor *d = s->list ? s->list : s->answer;
    struct gw_arena *mem = gw_vm(L)->run->mem;
    ProtobufCMessage *m;
    struct gw_err err;

    gw_guard_take(L, bytes.len + d->sizeof_message);
    bytes = gw_arena_str(mem, bytes); /* the message borrows them */
    m = gw_pb_decode_within(mem, d, bytes, 0, gw_guard_left(L), &err);
    if (!m && err.kind == GW_ERR_TOO_LARGE)
        gw_guard_full(L);
    if (!m)
        return push_failure(L, gw_str_of(err.msg), GW_FLYTE_UNREACHABLE);
    gw_guard_take(L, 0);
    if (s->list && !(m = first_of(m)))
        return push_none(L, "the list is empty");
    gw_handle_push(L, GW_H_MESSAGE, m)->made = 1;
    return 1;
}

static int answered(lua_State *L, int status, lua_KContext ctx)
{
    const struct gw_flyte_caller *c = (struct gw_flyte_caller *)gw_vm(L)->run->wait;
    const struct subject *s = lua_touserdata(L, 1);

    (void)status;
    (void)ctx;
    return c->answer.p ? push_answer(L, s, c->answer) : push_failure(L, gw_str_of(c->why), c->code);
}

/* ---- in specs ---- */

/* What a spec's answer calls it. */
static const char *code_of(const struct gw_hook_answer *a)
{
    for (size_t i = 0; i < a->n_headers; i++)
        if (gw_str_is(a->headers[i].name, "code"))
            return a->headers[i].value.p;
    return GW_FLYTE_UNREACHABLE;
}

/* As a spec answers it: "flyteadmin.task:project:domain:name:version", with JSON. */
static int outside(lua_State *L, const struct subject *s, const struct gw_hook_outside *o,
                   const ProtobufCMessage *id)
{
    struct gw_hook_answer answer = {.status = 0};
    struct gw_hook_request rq = {.method = GW_STR("ASK")};
    ProtobufCMessage *m;
    struct gw_err err;

    lua_pushfstring(L, "flyteadmin%s", s->name + strlen("moongate.flyte"));
    for (int i = 0; i < s->n_parts; i++) {
        const struct gw_str part = part_of(id, &s->parts[i]);

        lua_pushliteral(L, ":");
        lua_pushlstring(L, part.p, part.len);
        lua_concat(L, 3);
    }
    rq.url.p = lua_tolstring(L, -1, &rq.url.len);
    if (!o->http(o->ctx, &rq, &answer))
        return luaL_error(L, "%s: no answer was given: gate.flyteadmin {…} (%s)", s->name,
                          rq.url.p);
    if (answer.status != 200)
        return push_failure(L, answer.status ? answer.body : gw_str_of(answer.why),
                            code_of(&answer));
    gw_guard_take(L, answer.body.len);
    m = gw_pb_json_read(gw_vm(L)->run->mem, s->answer,
                        gw_arena_str(gw_vm(L)->run->mem, answer.body), &err);
    if (!m)
        return luaL_error(L, "gate.flyteadmin: %s: %s", s->answer->short_name, err.msg);
    gw_handle_push(L, GW_H_MESSAGE, m)->made = 1;
    return 1;
}

/* ---- asking ---- */

struct asked {
    const struct subject *s;
    enum gw_flyte_what what;
    int64_t max_age_ns;
};

static int64_t check_age(lua_State *L, const char *name)
{
    char shown[GW_SHOWN];
    lua_Number n = lua_tonumber(L, -1);

    if (lua_type(L, -1) != LUA_TNUMBER || !(n >= 0))
        luaL_error(L, "%s: max_age is a number of seconds from 0 on, not %s", name,
                   gw_show(L, -1, shown));
    return n < HOUR ? (int64_t)(n * SECONDS) : (int64_t)HOUR * SECONDS;
}

static void check_option(lua_State *L, struct asked *a)
{
    char shown[GW_SHOWN];
    struct gw_str name = GW_STR("");

    if (lua_type(L, -2) == LUA_TSTRING)
        name.p = lua_tolstring(L, -2, &name.len);
    if (gw_str_is(name, "max_age"))
        a->max_age_ns = check_age(L, a->s->name);
    else if (gw_str_is(name, "stored") && a->s->answer == &flyteidl__admin__workflow__descriptor)
        a->what = lua_toboolean(L, -1) ? GW_ASK_STORED : GW_ASK_WORKFLOW;
    else
        luaL_error(L, "%s: there is no option %s", a->s->name, gw_show(L, -2, shown));
}

/* The table at 2, if there is one. */
static struct asked check_asked(lua_State *L, enum gw_flyte_what what)
{
    struct asked a = {.s = &subjects[what], .what = what};

    a.max_age_ns = a.s->max_age_s * SECONDS;
    if (!lua_isnoneornil(L, 2)) {
        if (!lua_istable(L, 2))
            gw_arg_error(L, 2, "a table of options");
        gw_thaw(L, 2);
        for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1))
            check_option(L, &a);
    }
    a.s = &subjects[a.what];
    lua_settop(L, 1);
    return a;
}

/* 0: it has to be asked for; else results are pushed. */
static int known(lua_State *L, const struct asked *a, struct gw_flyte_client *client,
                 struct gw_str request)
{
    struct gw_str kept;

    switch (gw_flyte_client_get(client, a->what, request, a->max_age_ns, gw_scratch(L), &kept)) {
    case 1:
        return push_answer(L, a->s, kept);
    case -1:
        return push_failure(L, kept, "NOT_FOUND");
    default:
        return 0;
    }
}

static int ask(lua_State *L, enum gw_flyte_what what)
{
    const int can_wait = gw_wait_check(L, subjects[what].name);
    struct gw_hooks *hooks = gw_vm(L)->run->hooks;
    struct gw_flyte_client *client = gw_hooks_flyte_client(hooks);
    const ProtobufCMessage *id;
    struct gw_flyte_caller *c;
    struct gw_str request;
    const char *lacks;
    struct asked a;
    int n;

    luaL_checkany(L, 1);
    a = check_asked(L, what);
    id = check_id(L, a.s, &lacks);
    if (gw_hooks_outside(hooks))
        return outside(L, a.s, gw_hooks_outside(hooks), id);
    if (!client)
        return push_failure(L, GW_STR("no FlyteAdmin is configured: flyteadmin.address"),
                            GW_FLYTE_UNCONFIGURED);
    if (lacks)
        return push_none(L, lua_pushfstring(L, "the id has no %s", lacks));
    if (a.what == GW_ASK_STORED && !may_be_version(part_of(id, &a.s->parts[3])))
        return push_none(L, "no version has such characters");
    request = push_request(L, a.s, id);
    if ((n = known(L, &a, client, request)))
        return n;
    if (!can_wait)
        return push_failure(L, GW_STR("there is no network here"), GW_FLYTE_UNREACHABLE);
    lua_pushlightuserdata(L, (void *)a.s);
    lua_replace(L, 1);
    c = gw_flyte_ask(gw_hooks_flyte(hooks), a.what, request, !a.max_age_ns);
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

static int mg_task_execution(lua_State *L)
{
    return ask(L, GW_ASK_ATTEMPT);
}

void gw_api_flyte_client_open(lua_State *L)
{
    static const luaL_Reg fns[] = {{"execution", mg_execution},
                                   {"workflow", mg_workflow},
                                   {"task", mg_task},
                                   {"task_execution", mg_task_execution},
                                   {NULL, NULL}};

    luaL_newlib(L, fns);
    gw_freeze(L, "moongate.flyte");
    lua_setfield(L, -2, "flyte");
}
