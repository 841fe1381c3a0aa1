#ifndef GW_HOOK_API_H
#define GW_HOOK_API_H

#include "hook/vm.h"

/* api*.c: what scripts see. Every full userdata a script can reach starts with a handle. */
enum gw_handle_type {
    GW_H_EVENT = 0x4d470001,
    GW_H_MESSAGE,
    GW_H_LIST,
    GW_H_MAP,
    GW_H_FLYTE,
    GW_H_VIEW,
    GW_H_PROTO,
    GW_H_COUNTER, /* these live as long as their state */
    GW_H_CACHE,
    GW_H_LOOKUP,
    GW_H_ROW,
    GW_HANDLES_END,
    GW_HANDLES = GW_HANDLES_END - GW_H_EVENT
};
struct gw_handle {
    enum gw_handle_type type;
    uint64_t serial;   /* of the call it belongs to; 0: none */
    void *p;           /* gw_hook_item, ProtobufCMessage, gw_flyte, gw_view_doc, gw_pbset */
    const void *field; /* lists and maps: ProtobufCFieldDescriptor; a set: its path */
    /* of messages, lists and maps */
    unsigned depth; /* messages that this one lies in; what is decoded nests 100 deep at most */
    int made;       /* by the script, no part of the request */
};
struct gw_handle *gw_handle_push(lua_State *L, enum gw_handle_type type, void *p);
/* The same for a type that has more in it: size bytes that begin with the handle, p still NULL. */
struct gw_handle *gw_handle_new(lua_State *L, enum gw_handle_type type, size_t size, int values);
/* NULL: not such a handle. Raises if its call is over. */
struct gw_handle *gw_handle_test(lua_State *L, int idx, enum gw_handle_type type);
struct gw_handle *gw_handle_check(lua_State *L, int idx, enum gw_handle_type type);
/* "an event", "a message" …; NULL: idx is no handle. Never raises. */
const char *gw_handle_noun(lua_State *L, int idx);
/* Arguments: these raise with what was wanted and what came. */
int gw_arg_error(lua_State *L, int idx, const char *wanted);
struct gw_str gw_check_str(lua_State *L, int idx);
lua_Integer gw_check_integer(lua_State *L, int idx);
/* Makes the metatable of a type from functions; frozen. */
void gw_handle_meta(lua_State *L, enum gw_handle_type type, const char *name, const luaL_Reg *fns);
void gw_handle_push_meta(lua_State *L, enum gw_handle_type type);
/* What h:name() finds, instead of an __index. */
void gw_handle_methods(lua_State *L, enum gw_handle_type type, const luaL_Reg *methods);
struct gw_hook_run *gw_run_check(lua_State *L, const char *what); /* raises at load, in specs */
/* Where messages that a script makes live: they end with its call, or with the spec. */
struct gw_arena *gw_mem_check(lua_State *L, const char *what); /* raises at load */

void gw_api_open(lua_State *L); /* pushes the table `moongate`, frozen */
void gw_api_event_open(lua_State *L);
void gw_api_view_open(lua_State *L);
void gw_api_make_open(lua_State *L);
void gw_api_route_open(lua_State *L);
void gw_api_flyte_open(lua_State *L);
void gw_api_request_open(lua_State *L);
void gw_api_repeated_open(lua_State *L);
void gw_api_proto_open(lua_State *L);
void gw_api_json_open(lua_State *L); /* moongate on top, in each */
void gw_api_codec_open(lua_State *L);
void gw_api_text_open(lua_State *L);
void gw_api_log_open(lua_State *L);
void gw_api_counter_open(lua_State *L);
void gw_api_http_open(lua_State *L);
void gw_api_flyte_client_open(lua_State *L);
void gw_api_cache_open(lua_State *L);
void gw_api_lookup_open(lua_State *L);
void gw_api_print(lua_State *L);                              /* pushes print */
void gw_api_yaml_push(lua_State *L, const struct gw_yaml *y); /* plain Lua values */

/* The event behind an argument. */
struct gw_hook_item *gw_item_check(lua_State *L, int idx);
/* ev.data anew if the request was changed since; raises. */
void gw_item_refresh(lua_State *L, struct gw_hook_item *it);
/* The same at the end of a script; -1: err. */
int gw_item_settle(struct gw_hook_run *r, struct gw_hook_item *it, struct gw_err *err);
/* Encodes the value at idx as JSON into b; raises with its path. */
void gw_json_encode(lua_State *L, int idx, struct gw_buf *b);
void gw_json_decode(lua_State *L, struct gw_str text);
/* A number as it stands in JSON; an integer beyond 64 bits stays its text. */
void gw_json_push_number(lua_State *L, struct gw_str raw);
/* A message as plain Lua values, an allocated message's bytes. */
struct gw_str gw_request_bytes(lua_State *L, int idx);
/* A message as JSON into b; 0: it is no message. */
int gw_request_json(lua_State *L, int idx, struct gw_buf *b);

/* api_view.c: a part of event.data as it stands, into b, where it nests depth deep; as plain Lua
 * values, pushed. 0: the value at idx is no such part. */
int gw_view_json(lua_State *L, int idx, struct gw_buf *b, int depth);
int gw_view_push_plain(lua_State *L, int idx);

extern const char gw_spec_gate_key; /* registry: what require "moongate.test" gives in a spec */
/* Pushes a row of a lookup as a table; 0: it is none. */
int gw_lookup_plain(lua_State *L, int idx);

extern const char gw_retry_key, gw_null_key; /* light userdata: moongate.retry, json.null */

#endif
