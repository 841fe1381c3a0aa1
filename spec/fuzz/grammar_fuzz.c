/* Lua programs from a grammar (grammar.c), run by a hook on a sample event with small budgets.
 * After each one: the call is done once, its verdict is sane, memory is within its bound, a second
 * script finds everything shared as it was, and the next event passes. On a crash the program is
 * printed. The clock stands still; GRAMMAR_PRINT=1 prints every program. */
#include "grammar.h"
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
#include <sanitizer/common_interface_defs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INSTRUCTIONS = 20000, MEMORY = 1 << 20, TIMEOUT_MS = 2000 };

/* Runs what it is given; an event without a program passes. */
static const char runner[] = "return function(event, request, flyte)\n"
                             "local text = event.program\n"
                             "if not text then return end\n"
                             "event.program = nil\n"
                             "local f, why = load(text, '=program')\n"
                             "if not f then error('LOAD ' .. why, 0) end\n"
                             "return f(event, request, flyte)\n"
                             "end\n";

/* Remembers at load what scripts share, and compares. */
static const char witness[] =
    "local m = require 'moongate'\n"
    "local shared = {_G, string, table, math, utf8, coroutine, os, m, m.json, m.base64, m.log}\n"
    "local function copy(t) local c = {} for k, v in pairs(t) do c[k] = v end return c end\n"
    "local before = {}\n"
    "for i, t in ipairs(shared) do before[i] = copy(t) end\n"
    "return function(event)\n"
    "  for i, t in ipairs(shared) do\n"
    "    local now, n = copy(t), 0\n"
    "    for k, v in pairs(before[i]) do assert(rawequal(now[k], v) or k == 'witness', 'CHANGED') "
    "n = n + 1 end\n"
    "    for _ in pairs(now) do n = n - 1 end\n"
    "    assert(n == 0, 'CHANGED')\n"
    "  end\n"
    "  assert(getmetatable('') == false and ('x'):rep(2) == 'xx' and next(m.params) == nil, "
    "'CHANGED')\n"
    "  assert(not getmetatable(m.json.decode('[]')), 'CHANGED')\n"
    "  assert(#m.json.encode{1, 2} == 5 and math.type(1) == 'integer' and tostring(12) == '12', "
    "'CHANGED')\n"
    "end\n";

static struct {
    char dir[64], paths[2][96];
    char program[GRAMMAR_SIZE];
    struct gw_hooks *hooks;
    struct gw_style_conf style;
    struct gw_hooks_conf conf;
    int dones, print;
} the;

static int64_t now_0(void)
{
    return 1000;
}

static void log_nowhere(const char *text, size_t len)
{
    assert(len <= 70000 && text[len - 1] == '\n');
}

static void on_death(void)
{
    fprintf(stderr, "\nthe program was:\n%s\n", the.program);
}

static void remove_files(void)
{
    gw_hooks_close(the.hooks);
    for (int i = 0; i < 2; i++)
        unlink(the.paths[i]);
    rmdir(the.dir);
}

static void write_file(int i, const char *name, const char *text)
{
    FILE *f;

    snprintf(the.paths[i], sizeof(the.paths[i]), "%s/%s", the.dir, name);
    f = fopen(the.paths[i], "w");
    if (!f || fputs(text, f) < 0 || fclose(f))
        abort();
}

static void prepare(void)
{
    static const char *paths[] = {the.paths[0], the.paths[1]};
    static const struct gw_strs scripts = {paths, 2};
    struct gw_err err;

    snprintf(the.dir, sizeof(the.dir), "/dev/shm/gw_grammar_fuzz_%d_XXXXXX", (int)getpid());
    if (!mkdtemp(the.dir))
        abort();
    write_file(0, "runner.lua", runner);
    write_file(1, "witness.lua", witness);
    atexit(remove_files);
    __sanitizer_set_death_callback(on_death);
    gw_diag_sink = log_nowhere;
    gw_hook_now_ms = now_0;
    the.print = getenv("GRAMMAR_PRINT") != NULL;
    the.style.source = GW_STR("/fuzz");
    the.conf = (struct gw_hooks_conf){
        .pipeline = "fuzz",
        .scripts = &scripts,
        .limits = {.instructions = INSTRUCTIONS, .memory = MEMORY, .timeout_ms = TIMEOUT_MS},
        .style = &the.style,
        .lua_path = "lua"};
    the.hooks = gw_hooks_open(&the.conf, &err);
    if (!the.hooks) {
        fprintf(stderr, "%s\n", err.msg);
        abort();
    }
}

static void wrong(const struct gw_hook_call *c, const char *what)
{
    fprintf(stderr, "%s: verdict %d, reason %s, text %s\n", what, (int)c->verdict, c->reason,
            c->text);
    on_death();
    abort();
}

/* Only what exceeds one of Lua's limits may fail to compile. */
static int is_limit(const char *text)
{
    return strstr(text, "too many") || strstr(text, "overflow") || strstr(text, "too complex") ||
           strstr(text, "too long") || strstr(text, "not enough memory");
}

static void on_done(struct gw_hook_call *c)
{
    const char *r = c->reason;

    the.dones++;
    if (c->verdict < GW_HOOK_PUBLISH || c->verdict > GW_HOOK_FAILED)
        wrong(c, "no verdict");
    if (c->verdict == GW_HOOK_PUBLISH && c->n_events < 1)
        wrong(c, "nothing to publish");
    if (c->verdict == GW_HOOK_FAILED &&
        (!c->text[0] || (strcmp(r, "hook_error") != 0 && strcmp(r, "hook_budget") != 0 &&
                         strcmp(r, "hook_memory") != 0 && strcmp(r, "hook_timeout") != 0)))
        wrong(c, "a failure without a reason");
    if (strstr(c->text, "CHANGED"))
        wrong(c, "something that scripts share was changed");
    if (strstr(c->text, "LOAD ") && !is_limit(c->text))
        wrong(c, "the grammar made no program");
    if (!memchr(c->label, '\0', sizeof(c->label)) || !memchr(c->text, '\0', sizeof(c->text)))
        wrong(c, "a text without an end");
}

static enum gw_hook_verdict call(const char *program)
{
    struct gw_arena *mem = gw_arena_new();
    struct hook_sample s;

    hook_sample_make(&s, mem, &the.style, on_done);
    if (program)
        gw_event_set(&s.ev, GW_STR("program"), gw_str_of(program));
    the.dones = 0;
    gw_hooks_start(the.hooks, &s.call);
    if (the.dones != 1)
        wrong(&s.call, "not done once");
    if (gw_hooks_memory(the.hooks) > MEMORY || gw_arena_size(mem) > 2 * MEMORY)
        wrong(&s.call, "too much memory");
    gw_arena_free(mem);
    return s.call.verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    if (!the.hooks)
        prepare();
    grammar_make(p, len, the.program);
    if (the.print)
        printf("%s\n\n", the.program);
    call(the.program);
    if (call(NULL) != GW_HOOK_PUBLISH) {
        fprintf(stderr, "the next event did not pass\n");
        on_death();
        abort();
    }
    return 0;
}
