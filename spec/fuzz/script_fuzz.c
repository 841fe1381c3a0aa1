/* A hook script made of the input, loaded and run twice with small budgets: a script raises or is
 * stopped, and each start is done once. The clock stands still, so a run is the same each time. */
#include "hook_sample.h"

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/field.h"
#include "event/event.h"
#include "event/format.h"
#include "flyte/flyte.h"
#include "hook/hook.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char script[64];
static int dones;

static int64_t now_0(void)
{
    return 0;
}

static void log_nowhere(const char *text, size_t len)
{
    (void)text;
    (void)len;
}

static void remove_script(void)
{
    unlink(script);
}

static void on_done(struct gw_hook_call *c)
{
    assert(c->verdict >= GW_HOOK_PUBLISH && c->verdict <= GW_HOOK_FAILED);
    assert(c->verdict != GW_HOOK_PUBLISH || c->n_events >= 1);
    assert(c->verdict != GW_HOOK_FAILED || c->text[0]);
    dones++;
}

static void prepare(void)
{
    snprintf(script, sizeof(script), "/dev/shm/gw_script_fuzz_%d.lua", (int)getpid());
    atexit(remove_script);
    gw_diag_sink = log_nowhere;
    gw_hook_now_ms = now_0;
}

static int write_script(const uint8_t *p, size_t len)
{
    int fd = open(script, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int whole = fd >= 0 && write(fd, p, len) == (ssize_t)len;

    if (fd >= 0)
        close(fd);
    return whole ? 0 : -1;
}

static void call(struct gw_hooks *hooks, const struct gw_style_conf *style)
{
    struct gw_arena *mem = gw_arena_new();
    const int before = dones;
    struct hook_sample s;

    hook_sample_make(&s, mem, style, on_done);
    gw_hooks_start(hooks, &s.call);
    assert(dones == before + 1);
    gw_arena_free(mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    const char *path = script;
    struct gw_strs scripts = {&path, 1};
    struct gw_style_conf style = {.source = GW_STR("/fuzz")};
    struct gw_hooks_conf conf = {
        .pipeline = "fuzz",
        .scripts = &scripts,
        .limits = {.instructions = 50000, .memory = 2 << 20, .timeout_ms = 60000},
        .style = &style,
        .lua_path = "lua"};
    struct gw_hooks *hooks;
    struct gw_err err;

    if (!script[0])
        prepare();
    if (write_script(p, len))
        return 0;
    hooks = gw_hooks_open(&conf, &err);
    if (!hooks)
        return 0;
    call(hooks, &style);
    call(hooks, &style);
    gw_hooks_close(hooks);
    return 0;
}
