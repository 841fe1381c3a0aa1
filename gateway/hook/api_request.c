/* `request`: protobuf messages by their descriptors. Nothing is converted until it is read. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "flyte/flyte.h"
#include "flyte/pbset.h"
#include "flyte/reflect.h"
#include "flyte/schema.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/request.h"
#include "hook/vm.h"

#include <stdio.h>
#include <string.h>

static const char *short_name(const ProtobufCMessageDescriptor *d)
{
    const char *dot = strrchr(d->name, '.');

    return dot ? dot + 1 : d->name;
}

static ProtobufCMessage *check_message(lua_State *L, int idx)
{
    return gw_handle_check(L, idx, GW_H_MESSAGE)->p;
}

/* A name that d's own fields do not come near may be one of a message in it, as `project` of a
 * workflow event is its execution_id's: that one, with `near` at its name. */
static const ProtobufCFieldDescriptor *nearest_inside(const ProtobufCMessageDescriptor *d,
                                                      struct gw_nearest *near)
{
    const ProtobufCFieldDescriptor *found = NULL;

    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        const ProtobufCMessageDescriptor *inner = f->descriptor;
        struct gw_str before = near->best;

        if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->label == PROTOBUF_C_LABEL_REPEATED)
            continue;
        for (unsigned n = 0; n < inner->n_fields; n++)
            gw_nearest_offer(near, gw_str_of(inner->fields[n].name));
        if (near->best.p != before.p)
            found = f;
    }
    return found;
}

static void no_such_field(lua_State *L, const ProtobufCMessageDescriptor *d, int idx)
{
    const ProtobufCFieldDescriptor *in = NULL;
    struct gw_nearest near = {0};
    char hint[80], where[200] = "", shown[GW_SHOWN];

    if (lua_type(L, idx) != LUA_TSTRING)
        luaL_error(L, "%s has no field %s", short_name(d), gw_show(L, idx, shown));
    near.wanted.p = lua_tolstring(L, idx, &near.wanted.len);
    for (unsigned i = 0; i < d->n_fields; i++)
        gw_nearest_offer(&near, gw_str_of(d->fields[i].name));
    if (!near.best.p)
        in = nearest_inside(d, &near);
    if (in)
        snprintf(where, sizeof(where), ", which is in %s", in->name);
    luaL_error(L, "%s has no field %s%s%s", short_name(d), gw_show(L, idx, shown),
               gw_nearest_hint(&near, hint, sizeof(hint)), where);
}

const ProtobufCFieldDescriptor *gw_request_field(lua_State *L, const ProtobufCMessageDescriptor *d,
                                                 int idx)
{
    const ProtobufCFieldDescriptor *f = NULL;
    struct gw_str name;

    if (lua_type(L, idx) == LUA_TSTRING) {
        name.p = lua_tolstring(L, idx, &name.len);
        f = gw_pb_field(d, name);
    }
    if (!f)
        no_such_field(L, d, idx);
    return f;
}

/* ---- values -------------------------------------------------------------------------- */

static void push_enum(lua_State *L, const ProtobufCEnumDescriptor *d, int32_t value)
{
    const char *name = gw_pb_enum_name(d, value);

    if (name)
        lua_pushstring(L, name);
    else
        lua_pushinteger(L, value);
}

void gw_request_push_scalar(lua_State *L, const ProtobufCFieldDescriptor *f, const void *at)
{
    const ProtobufCBinaryData *bytes = at;

    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        lua_pushinteger(L, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        lua_pushinteger(L, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        lua_pushinteger(L, *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        lua_pushnumber(L, (lua_Number) * (const float *)at);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        lua_pushnumber(L, *(const double *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        lua_pushboolean(L, *(const protobuf_c_boolean *)at);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        push_enum(L, f->descriptor, *(const int32_t *)at);
        break;
    default:
        lua_pushlstring(L, bytes->len ? (const char *)bytes->data : "", bytes->len);
        break;
    }
}

static void push_message(lua_State *L, const struct gw_handle *of, ProtobufCMessage *m)
{
    unsigned depth = of->depth + (of->type == GW_H_MAP ? 2 : 1); /* an entry is a message, too */
    int made = of->made;
    struct gw_handle *h;

    if (!m) {
        lua_pushnil(L);
    } else if (!gw_request_push_known(L, m, 0)) {
        h = gw_handle_push(L, GW_H_MESSAGE, m);
        h->depth = depth;
        h->made = made;
    }
}

void gw_request_push(lua_State *L, const struct gw_handle *of, const ProtobufCFieldDescriptor *f,
                     const void *at)
{
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        push_message(L, of, *(ProtobufCMessage *const *)at);
    else
        gw_request_push_scalar(L, f, at);
}

static int is_map(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    return gw_pb_kind(m->descriptor, f) == GW_PB_MAP;
}

static void push_field(lua_State *L, const struct gw_handle *of, const ProtobufCFieldDescriptor *f)
{
    ProtobufCMessage *m = of->p;
    struct gw_handle *h;

    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        h = gw_handle_push(L, is_map(m, f) ? GW_H_MAP : GW_H_LIST, m);
        h->field = f;
        h->depth = of->depth;
        h->made = of->made;
    } else if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && !gw_pb_has(m, f)) {
        lua_pushnil(L);
    } else {
        gw_request_push(L, of, f, gw_pb_member(m, f));
    }
}

/* ---- messages ------------------------------------------------------------------------ */

static int message_index(lua_State *L)
{
    const struct gw_handle *h = gw_handle_check(L, 1, GW_H_MESSAGE);

    push_field(L, h, gw_request_field(L, ((const ProtobufCMessage *)h->p)->descriptor, 2));
    return 1;
}

static int message_newindex(lua_State *L)
{
    const struct gw_handle *h = gw_handle_check(L, 1, GW_H_MESSAGE);
    ProtobufCMessage *m = h->p;

    gw_request_assign(L, m, gw_request_field(L, m->descriptor, 2), 3, h->depth);
    gw_request_changed(L, h);
    return 0;
}

static int message_eq(lua_State *L)
{
    const struct gw_handle *a = gw_handle_test(L, 1, GW_H_MESSAGE);
    const struct gw_handle *b = gw_handle_test(L, 2, GW_H_MESSAGE);

    lua_pushboolean(L, a && b && a->p == b->p);
    return 1;
}

/* Upvalue: the number of the next field. Over what is set, by number. */
static int next_field(lua_State *L)
{
    const struct gw_handle *h = gw_handle_check(L, 1, GW_H_MESSAGE);
    const ProtobufCMessage *m = h->p;
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(1));

    for (; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];

        if (!gw_pb_has(m, f)) {
            gw_guard_charge(L, 1);
            continue;
        }
        lua_pushinteger(L, i + 1);
        lua_replace(L, lua_upvalueindex(1));
        lua_pushstring(L, f->name);
        push_field(L, h, f);
        return 2;
    }
    lua_pushnil(L);
    return 1;
}

static int message_pairs(lua_State *L)
{
    check_message(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_field, 1);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

typedef int put_fn(struct gw_buf *out, const ProtobufCMessage *m, struct gw_err *err);

static void put_json(lua_State *L, const ProtobufCMessage *m, put_fn *put, struct gw_buf *b)
{
    struct gw_err err;

    gw_guard_charge(L, GW_QUANTUM);
    if (put(b, m, &err))
        luaL_error(L, "%s: %s", short_name(m->descriptor), err.msg);
}

int gw_request_json(lua_State *L, int idx, struct gw_buf *b)
{
    const struct gw_handle *h = gw_handle_test(L, idx, GW_H_MESSAGE);

    if (h)
        put_json(L, h->p, gw_pb_json_put, b);
    return h != NULL;
}

/* A Timestamp as RFC 3339, a Duration as "1.500s", both also when JSON could not tell them. */
static void push_time(lua_State *L, const ProtobufCMessage *m)
{
    struct gw_time t = gw_pb_time(m);
    char text[GW_TIME_TEXT + GW_DURATION_TEXT];
    size_t len = gw_pb_is_timestamp(m->descriptor) ? gw_time_format(t, text)
                                                   : gw_duration_format(t.sec, t.nanos, text);

    if (len)
        lua_pushlstring(L, text, len);
    else
        lua_pushfstring(L, "%s out of range: %I s", m->descriptor->short_name, (LUAI_UACINT)t.sec);
}

/* Any other message is JSON. */
static int message_tostring(lua_State *L)
{
    ProtobufCMessage *m = check_message(L, 1);
    struct gw_buf b;

    if (gw_pb_is_timestamp(m->descriptor) || gw_pb_is_duration(m->descriptor)) {
        push_time(L, m);
        return 1;
    }
    gw_scratch_buf(L, &b);
    gw_request_json(L, 1, &b);
    gw_guard_buf(L, &b);
    lua_pushlstring(L, b.p, b.len);
    return 1;
}

static void check_complete(lua_State *L, const ProtobufCMessage *m)
{
    const char *missing = gw_pb_missing(m);

    if (missing)
        luaL_error(L, "%s: %s is required and not set", short_name(m->descriptor), missing);
}

void gw_request_pack(lua_State *L, const ProtobufCMessage *m)
{
    size_t size = protobuf_c_message_get_packed_size(m);
    luaL_Buffer b;

    check_complete(L, m);
    gw_guard_charge(L, 10 + size / 16);
    protobuf_c_message_pack(m, (uint8_t *)luaL_buffinitsize(L, &b, size));
    luaL_pushresultsize(&b, size);
}

struct gw_str gw_request_bytes(lua_State *L, int idx)
{
    const ProtobufCMessage *m = check_message(L, idx);
    const struct gw_hook_run *r = gw_vm(L)->run;

    check_complete(L, m);
    gw_guard_take(L, protobuf_c_message_get_packed_size(m));
    return gw_flyte_encode(r->mem, m);
}

/* ---- moongate.which, u64, to_table, to_json ------------------------------------------ */

static int mg_which(lua_State *L)
{
    const ProtobufCMessage *m = check_message(L, 1);
    const char *name = gw_check_str(L, 2).p;
    struct gw_nearest near = {.wanted = gw_str_of(name)};
    char hint[80];
    int known = 0;

    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const char *oneof = gw_pb_oneof(m->descriptor, &m->descriptor->fields[i]);

        if (!oneof)
            continue;
        gw_nearest_offer(&near, gw_str_of(oneof));
        if (strcmp(oneof, name) != 0)
            continue;
        known = 1;
        if (gw_pb_has(m, &m->descriptor->fields[i])) {
            lua_pushstring(L, m->descriptor->fields[i].name);
            return 1;
        }
    }
    if (!known)
        return luaL_error(L, "%s has no oneof \"%s\"%s", short_name(m->descriptor), name,
                          gw_nearest_hint(&near, hint, sizeof(hint)));
    lua_pushnil(L);
    return 1;
}

static int mg_u64(lua_State *L)
{
    uint64_t n = (uint64_t)gw_check_integer(L, 1);
    char text[24];
    struct gw_buf b;

    gw_scratch_buf(L, &b);
    gw_buf_put_u64(&b, n);
    memcpy(text, b.p, b.len);
    lua_pushlstring(L, text, b.len);
    return 1;
}

static int mg_to_table(lua_State *L)
{
    const struct gw_handle *h;

    luaL_checkany(L, 1);
    lua_settop(L, 1);
    if (lua_type(L, 1) == LUA_TUSERDATA && (h = gw_handle_test(L, 1, GW_H_MESSAGE))) {
        gw_request_push_plain(L, h->p, 0);
        return 1;
    }
    if (lua_type(L, 1) == LUA_TUSERDATA &&
        (gw_handle_test(L, 1, GW_H_LIST) || gw_handle_test(L, 1, GW_H_MAP))) {
        h = lua_touserdata(L, 1);
        gw_request_push_repeated(L, h->p, h->field, 0);
        return 1;
    }
    if (gw_view_push_plain(L, 1) || gw_lookup_plain(L, 1))
        return 1;
    gw_thaw(L, 1);
    return 1; /* a plain value already */
}

/* The option at 2, {form = "jsonpb"}. */
static put_fn *check_form(lua_State *L)
{
    static const char *const forms[] = {"protojson", "jsonpb", NULL};
    static put_fn *const puts[] = {gw_pb_json_put, gw_pb_jsonpb_put};
    char shown[GW_SHOWN];
    int form = 0;

    if (lua_isnoneornil(L, 2))
        return puts[0];
    if (!lua_istable(L, 2))
        gw_arg_error(L, 2, "a table of options");
    gw_thaw(L, 2);
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || strcmp(lua_tostring(L, -2), "form") != 0)
            luaL_error(L, "moongate.to_json: there is no option %s", gw_show(L, -2, shown));
        for (form = 0; forms[form]; form++)
            if (lua_type(L, -1) == LUA_TSTRING && !strcmp(lua_tostring(L, -1), forms[form]))
                break;
        if (!forms[form]) {
            luaL_error(L, "moongate.to_json: form is \"protojson\" or \"jsonpb\", not %s",
                       gw_show(L, -1, shown));
            return NULL;
        }
    }
    return puts[form];
}

static int mg_to_json(lua_State *L)
{
    const ProtobufCMessage *m = check_message(L, 1);
    put_fn *put = check_form(L);
    struct gw_buf b;

    gw_scratch_buf(L, &b);
    put_json(L, m, put, &b);
    gw_guard_buf(L, &b);
    lua_pushlstring(L, b.p, b.len);
    return 1;
}

void gw_api_request_open(lua_State *L)
{
    static const luaL_Reg message[] = {
        {"__index", message_index}, {"__newindex", message_newindex}, {"__eq", message_eq},
        {"__pairs", message_pairs}, {"__tostring", message_tostring}, {NULL, NULL}};
    static const luaL_Reg fns[] = {{"which", mg_which},
                                   {"u64", mg_u64},
                                   {"to_table", mg_to_table},
                                   {"to_json", mg_to_json},
                                   {NULL, NULL}};

    gw_handle_meta(L, GW_H_MESSAGE, "message", message);
    luaL_setfuncs(L, fns, 0);
}
