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
struct gw_sources;
struct gw_yaml;

/* What a pipeline runs on an event, in this order: rules that need none of the style's script and
 * leave it fewer events, that script, the other rules, the pipeline's own scripts. */
enum gw_role {
    GW_ROLE_HOOK,
    GW_ROLE_RULES,      /* match, rename, set, remove: no file */
    GW_ROLE_MATCH,      /* of match what asks facts alone, before a style's script */
    GW_ROLE_RULES_REST, /* what GW_ROLE_MATCH left */
    GW_ROLE_STYLE       /* makes the event: style.h */
};

/* One script of a pipeline as one Lua state has it; its address is its key in the registry. */
struct gw_script {
    const char *path, *name; /* name: of the file, as errors and `at` show it */
    enum gw_role role;
    unsigned kinds; /* 1 << enum gw_kind it is called for */
    int line;       /* where its function stands */
};

enum { GW_HEAP_UNIT = 16, GW_HEAP_SMALL = 256 };

/* A Lua state. refs: the hooks' own and one for every run that is not done. `run` and `running` are
 * set while that run is on the C stack, so what waits never pays for another. */
struct gw_hook_vm {
    lua_State *L;
    const struct gw_hooks_conf *conf;
    struct gw_hook_limits style_limits; /* of a style's script */
    char *style_path;                   /* NULL: there is none */
    struct gw_sources *sources;         /* held: what it loads from, now and later */
    struct gw_hook_shared *shared;      /* held */
    struct gw_uses *uses;               /* of what is shared; uses.c */
    struct gw_hook_run *run;            /* who is running now, and pays */
    lua_State *running;                 /* its current coroutine */
    lua_State *idle[8];                 /* finished threads, ready for the next calls */
    unsigned n_idle;
    size_t peak;            /* of memory, since gw_hooks_peak was asked */
    size_t memory, biggest; /* bytes in all; of the largest block there ever was */
    struct gw_heap_block *blocks;
    void
        *spared[GW_HEAP_SMALL / GW_HEAP_UNIT + 1]; /* heap.c: small blocks without a use, by size */
    size_t n_spared;                               /* bytes; they are part of memory */
    struct gw_watch *watch;
    int broken;      /* a step of Lua was left half done: only gw_heap_close may follow */
    uint64_t serial; /* of calls of a script; a handle holds its own */
    uint64_t unpaid; /* small things done, see gw_guard_charge */
    int loaded;      /* from then on globals are read-only */
    unsigned refs;
    struct gw_hook_vm *next;   /* of the states of a gw_hooks, the one in use and older ones */
    struct gw_arena *scratch;  /* of one function of the API at a time */
    struct gw_script *scripts; /* rules first, if there are any */
    size_t n_scripts;
};

/* An event on its way through the scripts. */
struct gw_hook_item {
    struct gw_event *ev;
    int follows;             /* its data is the request's */
    uint64_t data_at;        /* stamp of its last assignment of data */
    struct gw_view_doc *doc; /* what views of its data share; NULL: none was read */
};

/* The room's part of a call, or of a load (then call is NULL). */
struct gw_hook_run {
    struct gw_hook_vm *vm;
    struct gw_hooks *hooks;
    struct gw_hook_call *call;
    const struct gw_script *script; /* running now */
    struct gw_hook_item *item;      /* the event it was called with */
    lua_State *co;
    uint64_t serial;
    /* budget of this call of a script */
    const struct gw_hook_limits *limits;
    enum gw_hook_stop stop; /* sticky: once set, nothing in Lua can clear it */
    int64_t left;           /* instructions */
    int64_t deadline_ms;    /* 0: the clock was not looked at yet */
    int64_t until_ms;       /* the same for waiting, which is given no grace; 0: it never waited */
    uint64_t unpaid;        /* the state's, while it waits */
    int requiring;          /* modules that are loading */
    int64_t begin_ns;       /* of gw_hooks_clock; 0: not looked at yet */
    int closing;            /* coroutines being closed, one inside another */
    const char *c_stack;    /* where the C stack was when Lua was entered */
    char *text;             /* GW_HOOK_TEXT bytes: why it failed */
    /* of the whole record */
    uint64_t stamp, request_at;            /* assignments are numbered: the last one wins */
    const struct gw_hook_item *request_of; /* whose hook changed the request last: its data only */
    unsigned copies, uuids;
    struct gw_arena *mem; /* the record's, or a spec's own; NULL while a script loads */
    size_t mem_before;    /* bytes in it when the hooks began */
    /* chain.c: events before and after the current script */
    struct gw_hook_item **items, **next;
    size_t n_items, n_next, cap_next, index;
    size_t at, before; /* the item of the current call, and n_next when it began */
    struct gw_event *unchanged;
    /* wait.c */
    struct gw_wait *wait; /* what it waits for or waited for last; NULL: ended */
    struct gw_hook_run *wait_prev, *wait_next;
    int is_waiting;
    struct gw_pin *pins; /* uses.c: tables it goes on with */
};

enum { GW_HOOK_TEXT = sizeof(((struct gw_hook_call *)0)->text) };

static inline struct gw_hook_vm *gw_vm(lua_State *L)
{
    return *(struct gw_hook_vm **)lua_getextraspace(L);
}

static inline int gw_role_is_rules(enum gw_role role)
{
    return role != GW_ROLE_HOOK && role != GW_ROLE_STYLE;
}

/* vm.c: one Lua state, loading and entering it. NULL: err says FILE:LINE: why. */
struct gw_hook_vm *gw_vm_open(const struct gw_hooks_conf *conf, struct gw_sources *sources,
                              struct gw_err *err); /* sources NULL: the disk as it is now */
void gw_vm_release(struct gw_hook_vm *vm);
/* Calls script r->index with r->item. LUA_OK: n results are on top of r->co; LUA_YIELD: it waits;
 * anything else: it failed and r->text says why. gw_vm_end comes after all but waiting. */
int gw_vm_call(struct gw_hook_run *r, int *n);
int gw_vm_go_on(struct gw_hook_run *r, int *n); /* the same for one that waited */
void gw_vm_end(struct gw_hook_run *r, int status);
/* Bytes that are held for the scripts elsewhere; -1: they would be over the limit of memory. */
int gw_vm_take(struct gw_hook_vm *vm, size_t bytes);
void gw_vm_give(struct gw_hook_vm *vm, size_t bytes);
/* In place of going on: its time is over. Its __close handlers run, for GW_GRACE_MS at most. */
void gw_vm_expire(struct gw_hook_run *r);
enum { GW_GRACE_MS = 100 };
/* Collects garbage if so much is there that the pipeline's hooks would feel it. */
void gw_vm_collect(struct gw_hook_vm *vm);
/* Calls entry(light userdata arg) on a thread of its own, with a budget and without an event, as a
 * load is; no results. r has text and script. gw_vm_end comes after it. */
int gw_vm_enter(struct gw_hook_run *r, struct gw_hook_vm *vm, lua_CFunction entry, void *arg);

/* heap.c: the allocator of a Lua state. Close gives back everything, whatever state it is in. */
void gw_heap_open(struct gw_hook_vm *vm);
void gw_heap_close(struct gw_hook_vm *vm);
void *gw_heap_alloc(void *ud, void *ptr, size_t osize, size_t nsize);
size_t gw_heap_room(const struct gw_hook_vm *vm); /* bytes until the limit of memory */
/* 0: so many more are over it, also when nothing is spared any more. */
int gw_heap_has_room(struct gw_hook_vm *vm, size_t more);

/* watch.c: as lua_resume and lua_resetthread of r->co, but a step that takes far too long is left:
 * then vm->broken and r->stop are set. */
int gw_watch_resume(struct gw_hook_run *r, int nargs, int *n);
int gw_watch_reset(struct gw_hook_run *r);
void gw_watch_open(struct gw_hook_vm *vm);
void gw_watch_close(struct gw_hook_vm *vm);
/* This call runs for long, or begins something that may take long. */
void gw_watch_arm(struct gw_hook_run *r);
/* The time begins anew: the next look at the clock arms it. */
void gw_watch_disarm(struct gw_hook_vm *vm);
/* Which state this thread runs from here on; NULL: none, while one calls into another's. Returns
 * the one before. */
struct gw_hook_vm *gw_watch_turn(struct gw_hook_vm *vm);
/* So much of its time was not the script's. */
void gw_watch_postpone(struct gw_hook_run *r, int64_t ms);
/* Remembers the line, for the text of an error. */
void gw_watch_seen(struct gw_hook_run *r, lua_State *L, int64_t now_ms);

/* globals.c: globals and modules. Pushes the globals of a new script, its own but for libraries. */
void gw_globals_libraries(lua_State *L);
void gw_globals_push(lua_State *L, const struct gw_script *s);
/* Loads a text file with the globals at stack index env; pushes the chunk or raises. */
void gw_globals_load(lua_State *L, const char *path, const char *name, int env);

#endif
