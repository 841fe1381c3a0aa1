/* Scripts of a running pipeline that change: all workers take the newer ones, or none does. */
#include "hook/sources.h"
#include "pipeline/rig.h"

#define P     "name: p\nstart: retained\n"
#define FILE_ "publisher: {type: file, path: out}\n"

static int load_from_disk(void)
{
    struct gw_sources *s = gw_sources_new();
    struct gw_err err;
    int rc = gw_pipeline_reload(rig.pipeline, s, &err);

    if (rc)
        gw_pipeline_refuse(rig.pipeline, err.msg);
    gw_sources_drop(s);
    return rc;
}

static int number(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

TEST(test_pipeline_takes_newer_scripts_between_two_records)
{
    enum { N = 60, KEYS = 7 };
    int last[KEYS] = {0};
    const char *at;

    rig_begin(GW_LOG_MEMORY);
    rig_script("a.lua", "return function(e) e.a = 0 end");
    rig_script("b.lua", "return function(e) e.b = 0 end");
    rig_run(P FILE_ "hooks: [a.lua, b.lua]\nworkers: 3\n");
    for (int i = 0; i < N; i++) {
        char text[100];

        rig_events(i * KEYS, (i + 1) * KEYS, KEYS);
        snprintf(text, sizeof(text), "return function(e) e.a = %d end", i);
        rig_script("a.lua", text);
        snprintf(text, sizeof(text), "return function(e) e.b = %d end", i);
        rig_script("b.lua", text);
        CHECK(!load_from_disk());
    }
    UNTIL(rig_stats().lag == 0);
    rig_event("last", "k", 1, NULL);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().published == N * KEYS + 1 && rig_up());
    at = rig_text("out");
    for (int n = 0; n <= N * KEYS; n++) {
        const char *id = strstr(at, "\"id\":\""), *a = strstr(at, "\"a\":"),
                   *b = strstr(at, "\"b\":");
        int version;

        CHECK(id && a && b && strchr(at, '\n'));
        version = number(a + 4);
        CHECK(version == number(b + 4) && version < N);
        CHECK(version >= last[number(id + 6) % KEYS]);
        last[number(id + 6) % KEYS] = version;
        at = strchr(at, '\n') + 1;
    }
    CHECK(strstr(rig_text("out"), "\"id\":\"last\"") && strstr(rig_text("out"), "\"a\":59"));
    rig_end();
}

TEST(test_pipeline_keeps_scripts_that_run_when_newer_ones_do_not_load)
{
    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "local n = 0 return function(e) n = n + 1 e.n = n end");
    rig_run(P FILE_ "hooks: [h.lua]\n");
    rig_events(0, 1, 1);
    UNTIL(rig_stats().lag == 0);
    rig_script("h.lua", "return funtion() end");
    CHECK(load_from_disk() == -1 && rig_up() && strstr(rig_last_error(), "h.lua:1:"));
    rig_events(1, 2, 1);
    UNTIL(rig_stats().lag == 0);
    CHECK(strstr(rig_text("out"), "\"n\":2"));
    rig_script("h.lua", "return function(e) e.n = 7 end");
    CHECK(!load_from_disk() && !rig_last_error()[0]);
    rig_events(2, 3, 1);
    UNTIL(rig_stats().lag == 0);
    CHECK(strstr(rig_text("out"), "\"n\":7"));
    rig_end();
}

/* A cache is all workers': of the newer scripts the second state is the one that does not load. */
TEST(test_pipeline_newer_scripts_are_for_every_worker_or_for_none)
{
    static const char text[] = "local version = '%s' local loads = moongate.cache(version) "
                               "local n = (loads:get('n') or 0) + 1 loads:set('n', n) "
                               "if version == 'new' and n == 2 then error('no') end "
                               "return function(e) e.version = version end";
    char script[300];

    rig_begin(GW_LOG_MEMORY);
    snprintf(script, sizeof(script), text, "old");
    rig_script("h.lua", script);
    rig_run(P FILE_ "hooks: [h.lua]\nworkers: 2\n");
    snprintf(script, sizeof(script), text, "new");
    rig_script("h.lua", script);
    CHECK(load_from_disk() == -1 && strstr(rig_last_error(), "h.lua:1: no"));
    rig_events(0, 20, 20);
    UNTIL(rig_stats().lag == 0);
    CHECK(!strstr(rig_text("out"), "new") && rig_stats().published == 20);
    CHECK(!load_from_disk());
    rig_events(20, 40, 20);
    UNTIL(rig_stats().lag == 0);
    CHECK(strstr(rig_text("out"), "new"));
    rig_end();
}

/* With delays of an hour only the newer script can let it go on. */
TEST(test_pipeline_down_for_its_scripts_goes_on_at_once_with_newer_ones)
{
    const struct gw_pipeline_conf *c;
    struct gw_pipeline_start how = {.sources = gw_sources_new()};
    struct gw_err err;

    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "return 7");
    c = rig_conf(P FILE_ "hooks: [h.lua]\nworkers: 2\nretry: {initial: 1h, max: 1h}\n");
    rig.pipeline = gw_pipeline_start_as(c, rig.log, rig.metrics, &how, &err);
    gw_sources_drop(how.sources);
    CHECK(rig.pipeline && !rig_up() && strstr(rig_last_error(), "h.lua:1:"));
    rig_events(0, 4, 4);
    rig_script("h.lua", "\nreturn 8");
    CHECK(load_from_disk() == -1 && !rig_up() && strstr(rig_last_error(), "not 8"));
    rig_script("h.lua", "return function() end");
    CHECK(!load_from_disk());
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_up() && rig_stats().published == 4 && !rig_last_error()[0]);
    rig_end();
}

/* Only who gave the snapshot says when there is another. */
TEST(test_pipeline_given_a_snapshot_loads_nothing_else)
{
    const struct gw_pipeline_conf *c;
    struct gw_pipeline_start how = {.sources = gw_sources_new()};
    struct gw_err err;

    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "return 7");
    c = rig_conf(P FILE_ "hooks: [h.lua]\nretry: {initial: 1ms, max: 1ms}\n");
    rig.pipeline = gw_pipeline_start_as(c, rig.log, rig.metrics, &how, &err);
    CHECK(rig.pipeline);
    rig_script("h.lua", "return function() end");
    CHECK(gw_sources_changed(how.sources));
    for (int i = 0; i < 100; i++) { /* of its tries some come in between */
        CHECK(!rig_up() && strstr(rig_last_error(), "not 7"));
        usleep(200);
    }
    CHECK(!load_from_disk());
    UNTIL(rig_up());
    gw_sources_drop(how.sources);
    rig_end();
}

TEST(test_pipeline_stopped_by_five_stops_goes_on_from_there_with_a_newer_script)
{
    int ids[9];

    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "return function() while true do end end");
    rig_run(P FILE_ "hooks: [h.lua]\nhook_limits: {instructions: 10000}\n"
                    "retry: {initial: 1h, max: 1h}\n");
    rig_events(0, 8, 8);
    UNTIL(!rig_up());
    UNTIL(rig_stats().dead_lettered == 4);
    CHECK(rig_stats().lag == 4);
    rig_script("h.lua", "return function(e) if e.id == '000004' then while true do end end end");
    CHECK(!load_from_disk());
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_up() && rig_stats().dead_lettered == 5 && rig_stats().published == 3);
    CHECK(rig_ids("out", ids, 9) == 3 && ids[0] == 5 && ids[1] == 6 && ids[2] == 7);
    rig_end();
}

TEST(test_pipeline_that_stands_at_a_record_runs_it_at_once_with_a_newer_script)
{
    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "return function(e) error('not yet') end");
    rig_run(P FILE_ "hooks: [h.lua]\non_hook_error: block\nworkers: 3\n"
                    "retry: {initial: 1h, max: 1h}\n");
    rig_events(0, 9, 9);
    UNTIL(!rig_up() && strstr(rig_last_error(), "not yet"));
    rig_script("h.lua", "return function(e) end");
    CHECK(!load_from_disk());
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_up() && rig_stats().published == 9);
    rig_end();
}
