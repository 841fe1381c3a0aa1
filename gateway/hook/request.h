#ifndef GW_HOOK_REQUEST_H
#define GW_HOOK_REQUEST_H

#include <lua.h>
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/* Between the files that show messages to Lua. */

/* Room for one value of any field. */
union gw_pb_value {
    ProtobufCBinaryData bytes;
    uint64_t number;
    ProtobufCMessage *message;
};

struct gw_handle;

/* One value of a field, at its place in memory. Messages become handles, one deeper than `of`. */
void gw_request_push(lua_State *L, const struct gw_handle *of, const ProtobufCFieldDescriptor *f,
                     const void *at);
/* The same of a value that is no message. */
void gw_request_push_scalar(lua_State *L, const ProtobufCFieldDescriptor *f, const void *at);
/* A message as plain Lua values. */
void gw_request_push_plain(lua_State *L, const ProtobufCMessage *m, int depth);
void gw_request_push_repeated(lua_State *L, const ProtobufCMessage *m,
                              const ProtobufCFieldDescriptor *f, int depth);
/* A Struct, Value or ListValue: 1, pushed as plain Lua values; else 0. */
int gw_request_push_known(lua_State *L, const ProtobufCMessage *m, int depth);
/* Writes the Lua value at idx into one value of the field, zeroed before. Raises with the name.
 * depth: messages that it will lie in. */
void gw_request_put(lua_State *L, const ProtobufCMessageDescriptor *d,
                    const ProtobufCFieldDescriptor *f, void *at, int idx, unsigned depth);
/* Assigns a whole field; nil clears it. */
void gw_request_assign(lua_State *L, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                       int idx, unsigned depth);
/* A message of its own from the table or message at idx. */
ProtobufCMessage *gw_request_make(lua_State *L, const ProtobufCMessageDescriptor *d, int idx);
/* Pushes a message's bytes. */
void gw_request_pack(lua_State *L, const ProtobufCMessage *m);
/* The entry of a map with the key at idx, NULL if none. Raises if it can be no key. */
ProtobufCMessage *gw_request_entry(lua_State *L, const ProtobufCMessage *m,
                                   const ProtobufCFieldDescriptor *f, int idx);
/* Notes that the request is no longer what came, if the handle is part of it. */
void gw_request_changed(lua_State *L, const struct gw_handle *h);
/* The field named at idx; raises with the nearest name. */
const ProtobufCFieldDescriptor *gw_request_field(lua_State *L, const ProtobufCMessageDescriptor *d,
                                                 int idx);
enum { GW_REQUEST_DEPTH = 90 }; /* what is assigned lies no deeper, counted from the top */

#endif
