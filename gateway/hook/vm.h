#ifndef GW_HOOK_VM_H
#define GW_HOOK_VM_H

/* Shared by the files of hook/ only. The rule that keeps longjmp safe: a function that takes a
 * lua_State may raise, so it holds no malloc, descriptor or lock; any other never raises, so
 * outside lua_pcall and lua_resume it uses only calls that cannot allocate. */
#include "base/str.h"
#include "hook/hook.h"

#include <lauxlib.h>
#include <lua.h>

struct gw_arena;
struct gw_buf;
struct gw_err;
struct gw_yaml;

/* One script of a pipeline as one Lua state has it; its address is its key in the registry. */
struct gw_script {
    const char *path, *name; /* name: of the file, as errors and `at` show it */
    int is_rules;            /* compiled from the configuration, no file */
    unsigned kinds;          /* 1 << enum gw_kind it is called for */
    int line;                /* where its function stands */
};

/* A Lua state. refs: the hooks' own and one for every run that is not done. */
struct gw_hook_vm {
    lua_State *L;
    const struct gw_hooks_conf *conf;
    struct gw_hook_run *run; /* who is running now, and pays */
    lua_State *running;      /* its current coroutine */
    lua_State *idle;         /* a finished thread, ready for the next call; NULL: none */
    size_t memory, biggest;  /* bytes in all; of the largest block there ever was */
    uint64_t serial;         /* of calls of a script; a handle holds its own */
    uint64_t unpaid;         /* small things done, see gw_guard_charge */
    int loaded;              /* from then on globals are read-only */
    unsigned refs;
    struct gw_arena *scratch;  /* of one function of the API at a time */
    struct gw_script *scripts; /* rules first, if there are any */
    size_t n_scripts;
};

/* An event on its way through the scripts. */
struct gw_item {
    struct gw_event *ev;
    int follows;      /* its data is the request's */
    uint64_t data_at; /* stamp of its last assignment of data */
};

/* The room's part of a call, or of a load (then call is NULL). */
struct gw_hook_run {
    struct gw_hook_vm *vm;
    struct gw_hooks *hooks;
    struct gw_hook_call *call;
    const struct gw_script *script; /* running now */
    struct gw_item *item;           /* the event it was called with */
    lua_State *co;
    uint64_t serial;
    /* budget of this call of a script */
    enum gw_hook_stop stop; /* sticky: once set, nothing in Lua can clear it */
    int64_t left;           /* instructions */
    int64_t deadline_ms;    /* 0: the clock was not looked at yet */
    int closing;            /* coroutines being closed, one inside another */
    char *text;             /* GW_HOOK_TEXT bytes: why it failed */
    /* of the whole record */
    uint64_t stamp, request_at; /* assignments are numbered: the last one wins */
    unsigned copies, uuids;
    size_t mem_before; /* bytes of the record's arena when the hooks began */
    /* chain.c: events before and after the current script */
    struct gw_item **items, **next;
    size_t n_items, n_next, cap_next, at, index;
    struct gw_event *unchanged;
};

enum { GW_HOOK_TEXT = sizeof(((struct gw_hook_call *)0)->text) };

static inline struct gw_hook_vm *gw_vm(lua_State *L)
{
    return *(struct gw_hook_vm **)lua_getextraspace(L);
}

/* vm.c: one Lua state, loading and entering it. NULL: err says FILE:LINE: why. */
struct gw_hook_vm *gw_vm_open(const struct gw_hooks_conf *conf, struct gw_err *err);
void gw_vm_release(struct gw_hook_vm *vm);
/* Calls script r->index with r->item. LUA_OK: n results are on top of r->co; anything else: it
 * failed and r->text says why. gw_vm_end comes after either. */
int gw_vm_call(struct gw_hook_run *r, int *n);
void gw_vm_end(struct gw_hook_run *r, int status);

/* globals.c: globals and modules. Pushes the globals of a new script, its own but for libraries. */
void gw_globals_libraries(lua_State *L);
void gw_globals_push(lua_State *L, const struct gw_script *s);
/* Loads a text file with the globals at stack index env; pushes the chunk or raises. */
void gw_globals_load(lua_State *L, const char *path, const char *name, int env);

/* guard.c: budgets. Open puts the guarded functions into the table on top. */
void gw_guard_open(lua_State *L);
void gw_guard_arm(lua_State *L); /* never raises */
void gw_guard_spend(lua_State *L, uint64_t n);
/* The same for small things: they are summed up, and the clock is looked at once a quantum. */
void gw_guard_charge(lua_State *L, uint64_t n);
/* After anything that catches: out of memory becomes a stop, and a stop goes on to the host. */
void gw_guard_check(lua_State *L, int status);
void gw_guard_stop(struct gw_hook_run *r, lua_State *L, enum gw_hook_stop why);
/* Before bytes of the record's arena are taken: they count as memory, too. */
void gw_guard_take(lua_State *L, size_t bytes);
/* A buffer reached the limit of memory: stops. Does nothing else. */
void gw_guard_buf(lua_State *L, const struct gw_buf *b);
/* An empty arena for one function of the API, and a buffer in it. */
struct gw_arena *gw_scratch(lua_State *L);
void gw_scratch_buf(lua_State *L, struct gw_buf *b);
void gw_guard_grown(struct gw_hook_vm *vm); /* the allocator met its largest block yet */
enum { GW_QUANTUM = 1000 };

/* guard_co.c, guard_lib.c, patterns.c: the library functions that are ours. Library or globals on
 * top. */
void gw_guard_coroutines(lua_State *L);
void gw_guard_base(lua_State *L);
void gw_guard_paid(lua_State *L);
void gw_patterns_open(lua_State *L);
/* load with the globals on top: pushes the function. */
void gw_guard_push_load(lua_State *L);

/* freeze.c: replaces the table on top by a read-only view of it. */
void gw_freeze(lua_State *L, const char *what);
/* The table behind a view, in its place on the stack; other values stay. */
void gw_thaw(lua_State *L, int idx);
int gw_is_frozen(lua_State *L, int idx);

/* explain.c: texts of errors; nothing here allocates. Writes r->text: position, what, the event
 * and the Lua frames of L. */
void gw_explain(struct gw_hook_run *r, lua_State *L, const char *what);
/* The same with the place of the script's function, when it has returned. */
void gw_explain_result(struct gw_hook_run *r, const char *what);
const char *gw_error_text(lua_State *L, int idx, char *out, size_t size);
enum { GW_SHOWN = 80 };
/* A value for an error's text, cut: "abc…", 12, a table. */
const char *gw_show(lua_State *L, int idx, char out[GW_SHOWN]);
const char *gw_show_str(struct gw_str s, char out[GW_SHOWN]);
/* "team.lua:7" of the nearest Lua frame; "" if none. */
const char *gw_where(lua_State *L, char out[GW_SHOWN]);

/* api*.c: what scripts see. Every full userdata a script can reach starts with a handle. */
enum gw_handle_type {
    GW_H_EVENT = 0x4d470001,
    GW_H_MESSAGE,
    GW_H_LIST,
    GW_H_MAP,
    GW_H_FLYTE,
    GW_HANDLES = 5
};
struct gw_handle {
    enum gw_handle_type type;
    uint64_t serial;   /* of the call it belongs to */
    void *p;           /* gw_item, ProtobufCMessage, gw_flyte */
    const void *field; /* lists and maps: ProtobufCFieldDescriptor */
};
struct gw_handle *gw_handle_push(lua_State *L, enum gw_handle_type type, void *p);
/* NULL: not such a handle. Raises if its call is over. */
struct gw_handle *gw_handle_test(lua_State *L, int idx, enum gw_handle_type type);
struct gw_handle *gw_handle_check(lua_State *L, int idx, enum gw_handle_type type);
/* Makes the metatable of a type from functions; frozen. */
void gw_handle_meta(lua_State *L, enum gw_handle_type type, const char *name, const luaL_Reg *fns);
struct gw_hook_run *gw_run_check(lua_State *L, const char *what); /* raises at load */

void gw_api_open(lua_State *L); /* pushes the table `moongate`, frozen */
void gw_api_event_open(lua_State *L);
void gw_api_flyte_open(lua_State *L);
void gw_api_request_open(lua_State *L);
void gw_api_json_open(lua_State *L); /* moongate on top, in each */
void gw_api_codec_open(lua_State *L);
void gw_api_text_open(lua_State *L);
void gw_api_log_open(lua_State *L);
void gw_api_print(lua_State *L);                              /* pushes print */
void gw_api_yaml_push(lua_State *L, const struct gw_yaml *y); /* plain Lua values */

/* The event behind an argument. */
struct gw_item *gw_item_check(lua_State *L, int idx);
/* ev.data anew if the request was changed since; raises. */
void gw_item_refresh(lua_State *L, struct gw_item *it);
/* The same at the end of a script; -1: err. */
int gw_item_settle(struct gw_hook_run *r, struct gw_item *it, struct gw_err *err);
/* Encodes the value at idx as JSON into b; raises with its path. */
void gw_json_encode(lua_State *L, int idx, struct gw_buf *b);
void gw_json_decode(lua_State *L, struct gw_str text);
/* A message as plain Lua values, an allocated message's bytes. */
struct gw_str gw_request_bytes(lua_State *L, int idx);
/* A message as JSON into b; 0: it is no message. */
int gw_request_json(lua_State *L, int idx, struct gw_buf *b);

extern const char gw_retry_key, gw_null_key; /* light userdata: moongate.retry, json.null */

#endif
