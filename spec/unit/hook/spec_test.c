/* Running specs of scripts: what the report says, and that nothing of it is the process's. */
#include "hook/spec.h"

#include "base/field.h"
#include "hook/sources.h"
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "we");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

static char lua_path[500];

static struct gw_spec_conf conf_of(const struct gw_strs *files)
{
    snprintf(lua_path, sizeof(lua_path), "%s/lua", spec_root());
    return (struct gw_spec_conf){.files = files, .lua_path = lua_path};
}

static const char script[] = "return function(e) e.n = 1 end";
static const char spec[] = "local gate = require 'moongate.test'\n"
                           "local hook = gate.hook('hook.lua')\n"
                           "it('sets n', function() assert.equal(1, hook(gate.event{})[1].n) end)\n"
                           "it('fails', function()\n"
                           "  assert.equal(2, hook(gate.event{})[1].n)\n"
                           "end)\n"
                           "it('raises', function() error('x') end)\n"
                           "pending('later')\n";

static void check_report(const struct gw_spec_report *r)
{
    CHECK(r->successes == 1 && r->failures == 1 && r->errors == 1 && r->pending == 1);
    CHECK(!strcmp(r->first, "a_spec.lua:5: These should be equal. "
                            "Passed in: (number) 1 Expected: (number) 2"));
}

struct told {
    unsigned n;
    char names[200];
};

static void on_result(void *ctx, const struct gw_spec_result *r)
{
    struct told *t = ctx;
    size_t len = strlen(t->names);

    t->n++;
    CHECK(!strcmp(r->file, "a_spec.lua") && r->line > 0);
    snprintf(t->names + len, sizeof(t->names) - len, "%s%s", len ? "," : "", r->name);
}

TEST(test_spec_events_are_of_the_type_that_they_carry)
{
    const char *names[] = {"a_spec.lua"};
    struct gw_strs files = {names, 1};
    struct gw_spec_conf conf = conf_of(&files);
    struct gw_spec_report r;

    write_file("hook.lua", "return {event_types = {'task'}, on_event = function(e) e.n = 1 end}");
    write_file("a_spec.lua",
               "local gate = require 'moongate.test'\n"
               "local hook = gate.hook('hook.lua')\n"
               "it('goes by the type', function()\n"
               "  assert.equal(1, hook(gate.event{type='com.flyte.resource.task'})[1].n)\n"
               "  assert.is_nil(hook(gate.event{type='com.flyte.resource.node'})[1].n)\n"
               "end)\n");
    CHECK(gw_spec_run(&conf, &r) == 0 && r.successes == 1);
}

TEST(test_spec_reports_counts_and_the_first_failure)
{
    const char *names[] = {"a_spec.lua"};
    struct gw_strs files = {names, 1};
    struct gw_spec_conf conf = conf_of(&files);
    struct gw_spec_report r;
    struct told told = {0};

    write_file("hook.lua", script);
    write_file("a_spec.lua", spec);
    conf.each = on_result;
    conf.ctx = &told;
    CHECK(gw_spec_run(&conf, &r) == -1);
    check_report(&r);
    CHECK(told.n == 4 && !strcmp(told.names, "sets n,fails,raises,later"));
    conf.filter = "sets";
    conf.each = NULL;
    CHECK(gw_spec_run(&conf, &r) == 0 && r.successes == 1 && !r.first[0]);
}

static atomic_int over;

static void on_first(void *ctx, const struct gw_spec_result *r)
{
    *(struct gw_spec_result *)ctx = *r;
    atomic_store(&over, 1);
}

/* In a spec and in the hook that it calls, of which neither ends by itself. */
TEST(test_spec_ends_when_nobody_waits_for_it)
{
    const char *names[] = {"a_spec.lua", "b_spec.lua"};
    struct gw_strs files = {names, 2};
    struct gw_spec_conf conf = conf_of(&files);
    struct gw_spec_report r;
    struct gw_spec_result last;

    conf.limits = (struct gw_hook_limits){
        .instructions = INT64_C(1) << 60, .memory = 256 << 20, .timeout_ms = 1 << 30};
    conf.over = &over;
    conf.each = on_first;
    conf.ctx = &last;
    write_file("hook.lua", "return function() while true do end end");
    write_file("b_spec.lua", "it('is not run', function() end)");
    write_file("a_spec.lua", "it('is', function() end)\n"
                             "it('goes on and on', function() while true do end end)\n"
                             "it('is not run', function() end)\n");
    CHECK(gw_spec_run(&conf, &r) == -1);
    CHECK(r.successes == 1 && r.errors == 1 && !r.failures);
    CHECK(!strcmp(r.first, "a_spec.lua:2: ended from outside"));
    atomic_store(&over, 0);
    write_file("a_spec.lua", "it('is', function() end)\n"
                             "local gate = require 'moongate.test'\n"
                             "local hook = gate.hook('hook.lua', {hook_limits = "
                             "{instructions = 10^12 // 1 | 0, timeout = '1h'}})\n"
                             "it('calls one', function() hook(gate.event{}) end)\n");
    CHECK(gw_spec_run(&conf, &r) == -1);
    CHECK(r.successes == 1 && r.errors == 1);
    CHECK(strstr(r.first, "ended from outside"));
}

static void *run_many(void *arg)
{
    const char *names[] = {"a_spec.lua"};
    struct gw_strs files = {names, 1};
    struct gw_spec_conf conf = {.files = &files, .lua_path = lua_path};
    struct gw_spec_report r;

    (void)arg;
    for (int i = 0; i < 20; i++) {
        CHECK(gw_spec_run(&conf, &r) == -1);
        check_report(&r);
    }
    return NULL;
}

TEST(test_spec_runs_on_several_threads_at_once)
{
    pthread_t threads[3];

    (void)conf_of(NULL);
    write_file("hook.lua", script);
    write_file("a_spec.lua", spec);
    for (int i = 0; i < 3; i++)
        CHECK(!pthread_create(&threads[i], NULL, run_many, NULL));
    for (int i = 0; i < 3; i++)
        CHECK(!pthread_join(threads[i], NULL));
}

TEST(test_spec_reads_scripts_and_specs_from_a_snapshot)
{
    const char *names[] = {"a_spec.lua"};
    struct gw_strs files = {names, 1};
    struct gw_spec_conf conf = conf_of(&files);
    struct gw_sources *sources = gw_sources_new();
    struct gw_spec_report r;

    write_file("hook.lua", script);
    write_file("a_spec.lua", spec);
    conf.sources = sources;
    gw_spec_run(&conf, &r);
    check_report(&r);
    write_file("hook.lua", "half a scr");
    write_file("a_spec.lua", "it(");
    gw_spec_run(&conf, &r);
    check_report(&r);
    gw_sources_drop(sources);
    conf.sources = NULL;
    CHECK(gw_spec_run(&conf, &r) == -1 && r.errors == 1 && !r.successes);
}

static int64_t clock_ms;

static int64_t fake_clock(void)
{
    return clock_ms += 1;
}

TEST(test_spec_all_together_end_in_time)
{
    const char *names[] = {"a_spec.lua", "b_spec.lua"};
    struct gw_strs files = {names, 2};
    struct gw_spec_conf conf = conf_of(&files);
    struct gw_spec_report r;

    write_file("a_spec.lua",
               "it('x', function() while true do end end)\nit('y', function() end)\n");
    write_file("b_spec.lua", "it('z', function() end)");
    clock_ms = 1000000;
    gw_hook_now_ms = fake_clock;
    conf.limits = (struct gw_hook_limits){
        .instructions = 1000000000, .memory = 64 << 20, .timeout_ms = 100000};
    conf.total_ms = 2000;
    CHECK(gw_spec_run(&conf, &r) == -1);
    CHECK(r.successes == 0 && r.errors == 2);
    CHECK(!strncmp(r.first, "a_spec.lua:1: took more than", 28));
}
