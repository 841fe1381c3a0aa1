#ifndef GW_HOOK_SPEC_H
#define GW_HOOK_SPEC_H

#include "base/str.h"
#include "hook/hook.h"

#include <stddef.h>
#include <stdint.h>

/* Runs tests of scripts: files named *_spec.lua, in the sandbox that hooks run in. Any thread; no
 * state of the process is used, so several may run at once.
 *
 * Invariants
 *  S1 Each spec file has a Lua state of its own. Each step of it (its body, the body of a describe,
 *     a setup, an `it` with what belongs to it) has the whole of `limits`.
 *  S2 A step that is stopped is an error with its place; the file goes on behind it, in a new
 * state. S3 A hook of gate.hook has its own Lua state and pays from the step's budget, too. All
 * hooks of a file have no more memory than `limits` says. S4 Each `it` meets fresh hooks, no
 * answers but those given outside of every `it`, and the clock. S5 Nothing outside is touched:
 * files are only read, HTTP is answered by the spec or not at all. */
enum { GW_SPEC_NAME = 300, GW_SPEC_TEXT = 6000 };

enum gw_spec_kind { GW_SPEC_SUCCESS, GW_SPEC_FAILURE, GW_SPEC_ERROR, GW_SPEC_PENDING };

/* How one `it` (or a setup, a file …) ended. Valid during `each`. */
struct gw_spec_result {
    enum gw_spec_kind kind;
    const char *file; /* as conf->files has it */
    int line;         /* of the `it` or the describe; 0: of no line */
    const char *name; /* "outer inner name"; "" of a file that does not load */
    const char *text; /* FILE:LINE: why, values, frames; "" of a success */
};

struct gw_spec_conf {
    const struct gw_strs *files;  /* paths of specs */
    struct gw_hook_limits limits; /* of one step; zeroes: gw_spec_limits */
    int64_t total_ms;             /* of everything together; 0: no limit */
    const atomic_int *over; /* once it is not 0, all ends with an error; NULL: nothing ends it */
    struct gw_sources *sources; /* what all files are read from; NULL: the disk */
    const char *lua_path;       /* as struct gw_hooks_conf has it */
    const char *filter;         /* a Lua pattern of names; NULL: all of them */
    int list;                   /* nothing is run: each `it` is told as pending */
    void (*each)(void *ctx, const struct gw_spec_result *r); /* may be NULL */
    void *ctx;
};

struct gw_spec_report {
    unsigned successes, failures, errors, pending;
    char first[1024]; /* of the first failure or error: FILE:LINE: why, on one line; "" if none */
};

/* 100 million instructions, 256 MiB, 10 s. */
extern const struct gw_hook_limits gw_spec_limits;

/* 0: no failure and no error; -1: some. */
int gw_spec_run(const struct gw_spec_conf *conf, struct gw_spec_report *report);

#endif
