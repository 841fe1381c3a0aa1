/* Messages as plain Lua values: to_table, and google.protobuf.Struct wherever it is read. */
#include "flyte/reflect.h"
#include "flyte/schema.h"
#include "hook/api.h"
#include "hook/guard.h"
#include "hook/request.h"
#include "hook/vm.h"

static void push_plain_value(lua_State *L, const ProtobufCFieldDescriptor *f, const void *at,
                             int depth)
{
    const ProtobufCMessage *m;

    if (f->type != PROTOBUF_C_TYPE_MESSAGE) {
        gw_request_push_scalar(L, f, at);
        return;
    }
    m = *(ProtobufCMessage *const *)at;
    if (m)
        gw_request_push_plain(L, m, depth + 1);
    else
        lua_newtable(L);
}

static void push_map(lua_State *L, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                     int depth)
{
    ProtobufCMessage *const *entries = *(ProtobufCMessage *const **)gw_pb_member(m, f);
    size_t n = gw_pb_count(m, f);

    lua_createtable(L, 0, (int)(n < 1000 ? n : 1000));
    for (size_t i = 0; i < n; i++) {
        const ProtobufCMessageDescriptor *d = entries[i]->descriptor;

        gw_request_push_scalar(L, &d->fields[0], gw_pb_member(entries[i], &d->fields[0]));
        push_plain_value(L, &d->fields[1], gw_pb_member(entries[i], &d->fields[1]), depth);
        lua_rawset(L, -3);
    }
}

static void push_list(lua_State *L, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                      int depth)
{
    const char *at = *(char *const *)gw_pb_member(m, f);
    size_t n = gw_pb_count(m, f), size = gw_pb_size(f);

    lua_createtable(L, (int)(n < 1000 ? n : 1000), 0);
    for (size_t i = 0; i < n; i++, at += size) {
        push_plain_value(L, f, at, depth);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

void gw_request_push_repeated(lua_State *L, const ProtobufCMessage *m,
                              const ProtobufCFieldDescriptor *f, int depth)
{
    gw_guard_charge(L, gw_pb_count(m, f));
    luaL_checkstack(L, 6, "message");
    if (gw_pb_kind(m->descriptor, f) == GW_PB_MAP)
        push_map(L, m, f, depth);
    else
        push_list(L, m, f, depth);
}

/* google.protobuf.Value: its one member, bare; null is moongate.json.null. */
static void push_bare(lua_State *L, const ProtobufCMessage *m, int depth)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;

    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];

        if (!gw_pb_has(m, f) || f->type == PROTOBUF_C_TYPE_ENUM)
            continue;
        push_plain_value(L, f, gw_pb_member(m, f), depth);
        return;
    }
    lua_pushlightuserdata(L, (void *)&gw_null_key);
}

int gw_request_push_known(lua_State *L, const ProtobufCMessage *m, int depth)
{
    luaL_checkstack(L, 6, "message");
    switch (gw_schema_of(m->descriptor)->known) {
    case GW_KNOWN_STRUCT:
    case GW_KNOWN_LIST:
        gw_request_push_repeated(L, m, m->descriptor->fields, depth);
        return 1;
    case GW_KNOWN_VALUE:
        push_bare(L, m, depth);
        return 1;
    default:
        return 0;
    }
}

void gw_request_push_plain(lua_State *L, const ProtobufCMessage *m, int depth)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;

    if (gw_request_push_known(L, m, depth))
        return;
    gw_guard_charge(L, d->n_fields);
    lua_newtable(L);
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];

        if (!gw_pb_has(m, f))
            continue;
        if (f->label == PROTOBUF_C_LABEL_REPEATED)
            gw_request_push_repeated(L, m, f, depth);
        else
            push_plain_value(L, f, gw_pb_member(m, f), depth);
        lua_setfield(L, -2, f->name);
    }
}
