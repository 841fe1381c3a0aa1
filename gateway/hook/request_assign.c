/* Lua values into fields of messages. What is assigned is copied, so no message is in two places
 * and none in itself. */
#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "flyte/flyte.h"
#include "flyte/reflect.h"
#include "flyte/schema.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/request.h"
#include "hook/vm.h"

#include <math.h>
#include <string.h>

struct target {
    lua_State *L;
    const ProtobufCMessageDescriptor *d;
    const ProtobufCFieldDescriptor *f;
    unsigned depth; /* messages that it will lie in */
};

static void put_value(const struct target *t, void *at, int idx);
static ProtobufCMessage *make_message(const struct target *t, int idx);

static struct gw_arena *mem_of(lua_State *L)
{
    return gw_mem_check(L, "a message");
}

void gw_request_changed(lua_State *L, const struct gw_handle *h)
{
    struct gw_hook_run *r = gw_vm(L)->run;

    if (h->made)
        return;
    r->call->request->changed = 1;
    r->request_at = ++r->stamp;
    r->request_of = r->item;
}

static void wrong_type(const struct target *t, const char *wanted, int idx)
{
    char shown[GW_SHOWN];

    luaL_error(t->L, "%s is %s, not %s", t->f->name, wanted, gw_show(t->L, idx, shown));
}

/* ---- scalars ------------------------------------------------------------------------- */

static lua_Integer check_integer(const struct target *t, int idx, lua_Integer min, lua_Integer max)
{
    char shown[GW_SHOWN];
    int ok = 0;
    lua_Integer i = 0;

    if (lua_type(t->L, idx) == LUA_TNUMBER)
        i = lua_tointegerx(t->L, idx, &ok);
    if (!ok)
        wrong_type(t, "an integer", idx);
    if (i < min || i > max)
        luaL_error(t->L, "%s: %s is out of range (%I to %I)", t->f->name, gw_show(t->L, idx, shown),
                   (LUAI_UACINT)min, (LUAI_UACINT)max);
    return i;
}

/* Also the decimal string that moongate.u64 gives. */
static uint64_t check_u64(const struct target *t, int idx)
{
    struct gw_str s;
    uint64_t n = 0;

    if (lua_type(t->L, idx) != LUA_TSTRING)
        return (uint64_t)check_integer(t, idx, INT64_MIN, INT64_MAX);
    s.p = lua_tolstring(t->L, idx, &s.len);
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.p[i] - '0';

        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            wrong_type(t, "an integer of 64 bits", idx);
        n = n * 10 + digit;
    }
    if (!s.len)
        wrong_type(t, "an integer of 64 bits", idx);
    return n;
}

static double check_double(const struct target *t, int idx)
{
    if (lua_type(t->L, idx) != LUA_TNUMBER)
        wrong_type(t, "a number", idx);
    return lua_tonumber(t->L, idx);
}

static int32_t check_enum(const struct target *t, int idx)
{
    const ProtobufCEnumDescriptor *d = t->f->descriptor;
    const ProtobufCEnumValue *v;
    struct gw_nearest near = {0};
    char hint[80], shown[GW_SHOWN];

    if (lua_type(t->L, idx) == LUA_TNUMBER)
        return (int32_t)check_integer(t, idx, INT32_MIN, INT32_MAX);
    if (lua_type(t->L, idx) != LUA_TSTRING)
        wrong_type(t, "a name or a number", idx);
    v = protobuf_c_enum_descriptor_get_value_by_name(d, lua_tostring(t->L, idx));
    if (v)
        return v->value;
    near.wanted.p = lua_tolstring(t->L, idx, &near.wanted.len);
    for (unsigned i = 0; i < d->n_value_names; i++)
        gw_nearest_offer(&near, gw_str_of(d->values_by_name[i].name));
    return luaL_error(t->L, "%s: %s has no value %s%s", t->f->name, d->short_name,
                      gw_show(t->L, idx, shown), gw_nearest_hint(&near, hint, sizeof(hint)));
}

static void put_bytes(const struct target *t, ProtobufCBinaryData *at, int idx)
{
    char shown[GW_SHOWN];
    struct gw_str s;
    size_t ok;

    if (lua_type(t->L, idx) != LUA_TSTRING)
        wrong_type(t, "a string", idx);
    s.p = lua_tolstring(t->L, idx, &s.len);
    gw_guard_take(t->L, s.len);
    if (gw_pb_kind(t->d, t->f) == GW_PB_STRING) {
        ok = gw_utf8_valid(s);
        if (ok < s.len)
            luaL_error(t->L, "%s: not UTF-8 at byte %d: %s", t->f->name, (int)ok + 1,
                       gw_show_str(s, shown));
    }
    at->len = s.len;
    at->data = s.len ? (uint8_t *)gw_arena_strndup(mem_of(t->L), s.p, s.len) : NULL;
}

static void put_bool(const struct target *t, protobuf_c_boolean *at, int idx)
{
    if (!lua_isboolean(t->L, idx))
        wrong_type(t, "a boolean", idx);
    *at = lua_toboolean(t->L, idx);
}

static void put_value(const struct target *t, void *at, int idx)
{
    switch (t->f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        *(int32_t *)at = (int32_t)check_integer(t, idx, INT32_MIN, INT32_MAX);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        *(uint32_t *)at = (uint32_t)check_integer(t, idx, 0, UINT32_MAX);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        *(int64_t *)at = check_integer(t, idx, INT64_MIN, INT64_MAX);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        *(uint64_t *)at = check_u64(t, idx);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        *(float *)at = (float)check_double(t, idx);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)at = check_double(t, idx);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        put_bool(t, at, idx);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        *(int32_t *)at = check_enum(t, idx);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)at = make_message(t, idx);
        break;
    default:
        put_bytes(t, at, idx);
        break;
    }
}

/* ---- messages ------------------------------------------------------------------------ */

static ProtobufCMessage *new_message(const struct target *t)
{
    const ProtobufCMessageDescriptor *d = t->f->descriptor;

    gw_guard_take(t->L, d->sizeof_message);
    return gw_pb_new(mem_of(t->L), d);
}

/* What is compiled in and what a descriptor set says of the same message are the same. */
static int same_type(const ProtobufCMessageDescriptor *a, const ProtobufCMessageDescriptor *b)
{
    return a == b || !strcmp(a->name, b->name);
}

static ProtobufCMessage *copy_message(const struct target *t, int idx)
{
    const ProtobufCMessage *from = gw_handle_check(t->L, idx, GW_H_MESSAGE)->p;
    ProtobufCMessage *m;
    struct gw_str bytes;
    struct gw_err err;

    if (!same_type(from->descriptor, t->f->descriptor))
        luaL_error(t->L, "%s is a %s, not a %s", t->f->name,
                   ((const ProtobufCMessageDescriptor *)t->f->descriptor)->short_name,
                   from->descriptor->short_name);
    bytes = gw_request_bytes(t->L, idx);
    m = gw_pb_decode_within(mem_of(t->L), t->f->descriptor, bytes, t->depth, gw_guard_left(t->L),
                            &err);
    if (!m && err.kind == GW_ERR_TOO_LARGE)
        gw_guard_full(t->L);
    if (!m)
        luaL_error(t->L, "%s: %s", t->f->name, err.msg);
    return m;
}

static void put_time(ProtobufCMessage *m, struct gw_time time)
{
    *(int64_t *)gw_pb_member(m, &m->descriptor->fields[0]) = time.sec;
    *(int32_t *)gw_pb_member(m, &m->descriptor->fields[1]) = time.nanos;
}

/* A Timestamp from RFC 3339 text or seconds, a Duration from seconds. */
static int make_time(const struct target *t, ProtobufCMessage *m, int idx)
{
    enum gw_known known = gw_schema_of(m->descriptor)->known;
    struct gw_time time;
    lua_Number n;
    struct gw_str s;

    if (lua_type(t->L, idx) == LUA_TSTRING && known == GW_KNOWN_TIMESTAMP) {
        s.p = lua_tolstring(t->L, idx, &s.len);
        if (gw_time_parse(s, &time))
            wrong_type(t, "an RFC 3339 time", idx);
        put_time(m, time);
        return 1;
    }
    if (lua_type(t->L, idx) != LUA_TNUMBER ||
        (known != GW_KNOWN_TIMESTAMP && known != GW_KNOWN_DURATION))
        return 0;
    n = lua_tonumber(t->L, idx);
    if (!(n > -1e11 && n < 1e12))
        wrong_type(t, "a number of seconds", idx);
    time = gw_time_of_ns((int64_t)round((n - floor(n)) * 1e6) * 1000);
    time.sec += (int64_t)floor(n);
    if (known == GW_KNOWN_DURATION && time.sec < 0 && time.nanos) {
        time.sec++; /* both of one sign */
        time.nanos -= 1000000000;
    }
    put_time(m, time);
    return 1;
}

/* A table has no order, so of two members of a oneof neither would be the last. */
static void refuse_two(lua_State *L, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const char *oneof = gw_pb_oneof(m->descriptor, f);

    for (unsigned i = 0; oneof && i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *other = &m->descriptor->fields[i];
        const char *its = gw_pb_oneof(m->descriptor, other);

        if (its && !strcmp(its, oneof) && gw_pb_has(m, other))
            luaL_error(L, "%s and %s are both of the oneof %s: only one can be set", other->name,
                       f->name, oneof);
    }
}

static void put_fields(const struct target *t, ProtobufCMessage *m, int idx)
{
    lua_State *L = t->L;

    for (lua_pushnil(L); lua_next(L, idx); lua_settop(L, idx + 1)) {
        const ProtobufCFieldDescriptor *f;

        f = gw_request_field(L, m->descriptor, lua_gettop(L) - 1);
        refuse_two(L, m, f);
        gw_request_assign(L, m, f, lua_gettop(L), t->depth + 1);
    }
}

static void put_struct_value(const struct target *t, ProtobufCMessage *m, int idx);

static int is_list(lua_State *L, int idx)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, idx), members = 0;

    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
        members++;
    return n > 0 && members == n;
}

/* Value's members, by name. */
static const ProtobufCFieldDescriptor *member(const ProtobufCMessage *m, const char *name)
{
    return gw_pb_field(m->descriptor, gw_str_of(name));
}

/* google.protobuf.Value of a plain Lua value. */
static void put_struct_value(const struct target *t, ProtobufCMessage *m, int idx)
{
    const ProtobufCFieldDescriptor *f;
    lua_State *L = t->L;

    switch (lua_type(L, idx)) {
    case LUA_TBOOLEAN:
        f = member(m, "bool_value");
        break;
    case LUA_TNUMBER:
        if (!isfinite(lua_tonumber(L, idx)))
            wrong_type(t, "a number that JSON has", idx);
        f = member(m, "number_value");
        break;
    case LUA_TSTRING:
        f = member(m, "string_value");
        break;
    case LUA_TTABLE:
        lua_pushvalue(L, idx);
        gw_thaw(L, -1);
        f = member(m, is_list(L, lua_gettop(L)) ? "list_value" : "struct_value");
        lua_pop(L, 1);
        break;
    default:
        f = member(m, "null_value");
        if (lua_touserdata(L, idx) != &gw_null_key)
            wrong_type(t, "plain Lua values", idx);
        gw_pb_choose(m, f);
        return;
    }
    gw_pb_choose(m, f);
    put_value(&(struct target){L, m->descriptor, f, t->depth + 1}, gw_pb_member(m, f), idx);
}

static ProtobufCMessage *make_message(const struct target *t, int idx)
{
    lua_State *L = t->L;
    enum gw_known known = gw_schema_of(t->f->descriptor)->known;
    ProtobufCMessage *m;

    idx = lua_absindex(L, idx);
    if (t->depth > GW_REQUEST_DEPTH)
        luaL_error(L, "%s: messages nest more than %d deep", t->f->name, GW_REQUEST_DEPTH);
    luaL_checkstack(L, 8, "message");
    if (gw_handle_test(L, idx, GW_H_MESSAGE))
        return copy_message(t, idx);
    m = new_message(t);
    if (known == GW_KNOWN_VALUE) {
        put_struct_value(t, m, idx);
        return m;
    }
    if (make_time(t, m, idx))
        return m;
    if (lua_type(L, idx) != LUA_TTABLE)
        wrong_type(t, "a table or a message", idx);
    lua_pushvalue(L, idx);
    gw_thaw(L, -1);
    if (known == GW_KNOWN_STRUCT || known == GW_KNOWN_LIST)
        gw_request_assign(L, m, m->descriptor->fields, lua_gettop(L), t->depth + 1);
    else
        put_fields(t, m, lua_gettop(L));
    lua_settop(L, lua_gettop(L) - 1);
    return m;
}

/* ---- whole fields -------------------------------------------------------------------- */

static void put_list(const struct target *t, ProtobufCMessage *m, int idx)
{
    lua_Integer n = luaL_len(t->L, idx);

    gw_guard_take(t->L, (size_t)(n > 0 ? n : 0) * gw_pb_size(t->f) * 2);
    for (lua_Integer i = 1; i <= n; i++) {
        union gw_pb_value value = {0};

        lua_geti(t->L, idx, i);
        put_value(t, &value, lua_gettop(t->L));
        lua_pop(t->L, 1);
        memcpy(gw_pb_add(mem_of(t->L), m, t->f), &value, gw_pb_size(t->f));
    }
}

static void put_map(const struct target *t, ProtobufCMessage *m, int idx)
{
    const ProtobufCMessageDescriptor *d = t->f->descriptor;
    struct target key = {t->L, d, &d->fields[0], t->depth},
                  value = {t->L, d, &d->fields[1], t->depth + 1};
    lua_State *L = t->L;

    for (lua_pushnil(L); lua_next(L, idx); lua_settop(L, idx + 1)) {
        ProtobufCMessage *entry;
        int top = lua_gettop(L);

        gw_guard_take(L, d->sizeof_message + 2 * sizeof(void *));
        entry = gw_pb_new(mem_of(L), d);
        put_value(&key, gw_pb_member(entry, key.f), top - 1);
        put_value(&value, gw_pb_member(entry, value.f), top);
        *(ProtobufCMessage **)gw_pb_add(mem_of(L), m, t->f) = entry;
    }
}

/* A list or map of its own in place of what was there. */
static void put_repeated(const struct target *t, ProtobufCMessage *m, int idx)
{
    ProtobufCMessage *fresh;
    lua_State *L = t->L;
    const struct gw_handle *h = lua_type(L, idx) == LUA_TUSERDATA ? lua_touserdata(L, idx) : NULL;

    lua_pushvalue(L, idx);
    if (h && (gw_handle_test(L, idx, GW_H_LIST) || gw_handle_test(L, idx, GW_H_MAP))) {
        gw_request_push_repeated(L, h->p, h->field, 0);
        lua_replace(L, -2);
    } else if (lua_type(L, idx) != LUA_TTABLE) {
        wrong_type(t, gw_pb_kind(t->d, t->f) == GW_PB_MAP ? "a table" : "a list", idx);
    }
    gw_thaw(L, -1);
    gw_guard_take(L, t->d->sizeof_message);
    fresh = gw_pb_new(mem_of(L), t->d);
    if (gw_pb_kind(t->d, t->f) == GW_PB_MAP)
        put_map(t, fresh, lua_gettop(L));
    else
        put_list(t, fresh, lua_gettop(L));
    gw_pb_clear(m, t->f);
    *(void **)gw_pb_member(m, t->f) = *(void **)gw_pb_member(fresh, t->f);
    *(size_t *)((char *)m + t->f->quantifier_offset) = gw_pb_count(fresh, t->f);
    lua_pop(L, 1);
}

void gw_request_assign(lua_State *L, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                       int idx, unsigned depth)
{
    const struct target t = {L, m->descriptor, f, depth};
    union gw_pb_value value = {0};

    luaL_checkstack(L, 8, "message");
    if (lua_isnil(L, idx)) {
        gw_pb_clear(m, f);
    } else if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        put_repeated(&t, m, idx);
    } else {
        put_value(&t, &value, idx); /* raises before anything changes */
        gw_pb_choose(m, f);
        memcpy(gw_pb_member(m, f), &value, gw_pb_size(f));
    }
}

void gw_request_put(lua_State *L, const ProtobufCMessageDescriptor *d,
                    const ProtobufCFieldDescriptor *f, void *at, int idx, unsigned depth)
{
    put_value(&(struct target){L, d, f, depth}, at, idx);
}

ProtobufCMessage *gw_request_make(lua_State *L, const ProtobufCMessageDescriptor *d, int idx)
{
    /* As if it were the value of a field with the message's name. */
    const ProtobufCFieldDescriptor f = {
        .name = d->short_name, .type = PROTOBUF_C_TYPE_MESSAGE, .descriptor = d};

    return make_message(&(struct target){L, NULL, &f, 0}, idx);
}

/* ---- maps ---------------------------------------------------------------------------- */

static int same_key(const ProtobufCFieldDescriptor *f, const void *a, const void *b)
{
    const ProtobufCBinaryData *x = a, *y = b;

    if (f->type == PROTOBUF_C_TYPE_BYTES)
        return x->len == y->len && (!x->len || !memcmp(x->data, y->data, x->len));
    return !memcmp(a, b, gw_pb_size(f));
}

/* A key for looking up: a string is borrowed from Lua. */
static void read_key(lua_State *L, const ProtobufCMessageDescriptor *d, void *at, int idx)
{
    const ProtobufCFieldDescriptor *f = &d->fields[0];
    ProtobufCBinaryData *bytes = at;

    if (f->type == PROTOBUF_C_TYPE_BYTES && lua_type(L, idx) == LUA_TSTRING)
        bytes->data = (uint8_t *)lua_tolstring(L, idx, &bytes->len);
    else
        put_value(&(struct target){L, d, f, 0}, at, idx);
}

ProtobufCMessage *gw_request_entry(lua_State *L, const ProtobufCMessage *m,
                                   const ProtobufCFieldDescriptor *f, int idx)
{
    const ProtobufCMessageDescriptor *d = f->descriptor;
    ProtobufCMessage *const *entries = *(ProtobufCMessage *const **)gw_pb_member(m, f);
    size_t n = gw_pb_count(m, f);
    union gw_pb_value key = {0};

    read_key(L, d, &key, idx);
    gw_guard_charge(L, n / 8);
    while (n-- > 0) /* of entries with one key the last one counts */
        if (same_key(&d->fields[0], gw_pb_member(entries[n], &d->fields[0]), &key))
            return entries[n];
    return NULL;
}
