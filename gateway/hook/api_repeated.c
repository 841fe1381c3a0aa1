/* Lists and maps of a request, by the field they are. */
#include "base/arena.h"
#include "flyte/reflect.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/request.h"
#include "hook/vm.h"

#include <string.h>

/* ---- lists --------------------------------------------------------------------------- */

static void *item_at(const struct gw_handle *h, lua_Integer i)
{
    const ProtobufCFieldDescriptor *f = h->field;

    return *(char **)gw_pb_member(h->p, f) + (size_t)(i - 1) * gw_pb_size(f);
}

static lua_Integer list_count(const struct gw_handle *h)
{
    return (lua_Integer)gw_pb_count(h->p, h->field);
}

/* The number at 2. */
static lua_Integer check_index(lua_State *L, const struct gw_handle *h)
{
    const ProtobufCFieldDescriptor *f = h->field;
    char shown[GW_SHOWN];
    int ok;
    lua_Integer i = lua_tointegerx(L, 2, &ok);

    if (!ok)
        luaL_error(L, "%s is a list: its items are [1] to [#%s], not %s", f->name, f->name,
                   gw_show(L, 2, shown));
    return i;
}

static int list_index(lua_State *L)
{
    const struct gw_handle *h = gw_handle_check(L, 1, GW_H_LIST);
    lua_Integer i = check_index(L, h);

    if (i < 1 || i > list_count(h))
        lua_pushnil(L);
    else
        gw_request_push(L, h, h->field, item_at(h, i));
    return 1;
}

/* Items are replaced, one is added behind the last, the last is taken off with nil. */
static int list_newindex(lua_State *L)
{
    const struct gw_handle *h = gw_handle_check(L, 1, GW_H_LIST);
    const ProtobufCFieldDescriptor *f = h->field;
    ProtobufCMessage *m = h->p;
    lua_Integer i = check_index(L, h), n = list_count(h);
    union gw_pb_value value = {0};

    if (i < 1 || i > n + 1)
        return luaL_error(L, "%s has %I items: [%I] cannot be assigned", f->name, (LUAI_UACINT)n,
                          (LUAI_UACINT)i);
    if (lua_isnil(L, 3) && i < n)
        return luaL_error(L, "%s: only the last item can be removed", f->name);
    if (lua_isnil(L, 3)) {
        if (i == n)
            *(size_t *)((char *)m + f->quantifier_offset) = (size_t)n - 1;
    } else {
        gw_request_put(L, m->descriptor, f, &value, 3, h->depth);
        gw_guard_take(L, i > n ? gw_pb_size(f) * (size_t)(n + 1) : 0);
        memcpy(i > n ? gw_pb_add(gw_vm(L)->run->mem, m, f) : item_at(h, i), &value, gw_pb_size(f));
    }
    gw_request_changed(L, h);
    return 0;
}

static int list_len(lua_State *L)
{
    lua_pushinteger(L, list_count(gw_handle_check(L, 1, GW_H_LIST)));
    return 1;
}

static int next_item(lua_State *L)
{
    const struct gw_handle *h = gw_handle_check(L, 1, GW_H_LIST);
    lua_Integer i = gw_check_integer(L, 2);

    if (i < 0 || i >= list_count(h)) { /* a script may call it with any number */
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, i + 1);
    gw_request_push(L, h, h->field, item_at(h, i + 1));
    return 2;
}

static int list_pairs(lua_State *L)
{
    gw_handle_check(L, 1, GW_H_LIST);
    lua_pushcfunction(L, next_item);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

/* The same field of the same message. */
static int field_eq(lua_State *L)
{
    const struct gw_handle *a = lua_touserdata(L, 1), *b = lua_touserdata(L, 2);

    lua_pushboolean(L, lua_type(L, 1) == LUA_TUSERDATA && lua_type(L, 2) == LUA_TUSERDATA &&
                           a->type == b->type && a->serial == b->serial && a->p == b->p &&
                           a->field == b->field);
    return 1;
}

/* ---- maps ---------------------------------------------------------------------------- */

static const ProtobufCFieldDescriptor *entry_field(const ProtobufCMessage *entry, int i)
{
    return &entry->descriptor->fields[i];
}

/* An entry that came without a message has an empty one. */
static void push_entry_value(lua_State *L, const struct gw_handle *h, ProtobufCMessage *entry)
{
    const ProtobufCFieldDescriptor *f = entry_field(entry, 1);
    ProtobufCMessage **m = gw_pb_member(entry, f);

    if (f->type == PROTOBUF_C_TYPE_MESSAGE && !*m) {
        gw_guard_take(L, ((const ProtobufCMessageDescriptor *)f->descriptor)->sizeof_message);
        *m = gw_pb_new(gw_vm(L)->run->mem, f->descriptor);
    }
    gw_request_push(L, h, f, m);
}

static int map_index(lua_State *L)
{
    const struct gw_handle *h = gw_handle_check(L, 1, GW_H_MAP);
    ProtobufCMessage *entry = gw_request_entry(L, h->p, h->field, 2);

    if (entry)
        push_entry_value(L, h, entry);
    else
        lua_pushnil(L);
    return 1;
}

static void remove_entries(lua_State *L, const struct gw_handle *h)
{
    ProtobufCMessage **entries = *(ProtobufCMessage ***)gw_pb_member(h->p, h->field), *entry;
    size_t *n =
        (size_t *)((char *)h->p + ((const ProtobufCFieldDescriptor *)h->field)->quantifier_offset);

    while ((entry = gw_request_entry(L, h->p, h->field, 2)) != NULL) {
        size_t i = 0;

        while (entries[i] != entry)
            i++;
        memmove(&entries[i], &entries[i + 1], (*n - i - 1) * sizeof(ProtobufCMessage *));
        --*n;
    }
}

static int map_newindex(lua_State *L)
{
    const struct gw_handle *h = gw_handle_check(L, 1, GW_H_MAP);
    const ProtobufCFieldDescriptor *f = h->field, *value_field;
    const ProtobufCMessageDescriptor *d = f->descriptor;
    struct gw_arena *mem = gw_vm(L)->run->mem;
    union gw_pb_value value = {0}, key = {0};
    ProtobufCMessage *entry;

    value_field = &d->fields[1];
    if (lua_isnil(L, 3)) {
        remove_entries(L, h);
        gw_request_changed(L, h);
        return 0;
    }
    entry = gw_request_entry(L, h->p, f, 2);
    gw_request_put(L, d, value_field, &value, 3, h->depth + 1);
    if (!entry) {
        gw_request_put(L, d, &d->fields[0], &key, 2, 0);
        gw_guard_take(L, d->sizeof_message + sizeof(void *) * (gw_pb_count(h->p, f) + 1));
        entry = gw_pb_new(mem, d);
        memcpy(gw_pb_member(entry, &d->fields[0]), &key, gw_pb_size(&d->fields[0]));
        *(ProtobufCMessage **)gw_pb_add(mem, h->p, f) = entry;
    }
    memcpy(gw_pb_member(entry, value_field), &value, gw_pb_size(value_field));
    gw_request_changed(L, h);
    return 0;
}

static int map_len(lua_State *L)
{
    const struct gw_handle *h = gw_handle_check(L, 1, GW_H_MAP);

    lua_pushinteger(L, (lua_Integer)gw_pb_count(h->p, h->field));
    return 1;
}

/* Upvalue: the number of the next entry, in the order of the message. Of entries with one key the
 * last one counts. */
static int next_entry(lua_State *L)
{
    const struct gw_handle *h = gw_handle_check(L, 1, GW_H_MAP);
    ProtobufCMessage **entries = *(ProtobufCMessage ***)gw_pb_member(h->p, h->field);
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(1));

    for (; i < (lua_Integer)gw_pb_count(h->p, h->field); i++) {
        ProtobufCMessage *e = entries[i];

        lua_settop(L, 1);
        gw_request_push_scalar(L, entry_field(e, 0), gw_pb_member(e, entry_field(e, 0)));
        if (gw_request_entry(L, h->p, h->field, 2) != e)
            continue;
        lua_pushinteger(L, i + 1);
        lua_replace(L, lua_upvalueindex(1));
        push_entry_value(L, h, e);
        return 2;
    }
    lua_pushnil(L);
    return 1;
}

static int map_pairs(lua_State *L)
{
    gw_handle_check(L, 1, GW_H_MAP);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_entry, 1);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

void gw_api_repeated_open(lua_State *L)
{
    static const luaL_Reg list[] = {{"__index", list_index}, {"__newindex", list_newindex},
                                    {"__len", list_len},     {"__pairs", list_pairs},
                                    {"__eq", field_eq},      {NULL, NULL}};
    static const luaL_Reg map[] = {{"__index", map_index}, {"__newindex", map_newindex},
                                   {"__len", map_len},     {"__pairs", map_pairs},
                                   {"__eq", field_eq},     {NULL, NULL}};

    gw_handle_meta(L, GW_H_LIST, "list", list);
    gw_handle_meta(L, GW_H_MAP, "map", map);
}
