/* A whole pipeline on a log in memory: what its threads make of records. */
#include "pipeline/rig.h"

#define P     "name: p\nstart: retained\n"
#define FILE_ "publisher: {type: file, path: out}\n"

TEST(test_pipeline_publishes_every_record_once_and_in_order)
{
    enum { N = 500 };
    int ids[N + 1];

    rig_begin(GW_LOG_MEMORY);
    rig_run(P FILE_);
    rig_events(0, N, 7);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().published == N && rig_up());
    rig_stop(INT64_MAX);
    CHECK(rig_ids("out", ids, N + 1) == N);
    for (int i = 0; i < N; i++)
        CHECK(ids[i] == i);
    CHECK(rig_metric(GW_M_EVENTS_PUBLISHED, NULL) == N &&
          rig_metric(GW_M_MESSAGES_PUBLISHED, NULL) == N);
    rig_end();
}

TEST(test_pipeline_workers_share_the_records_and_keep_each_key_in_order)
{
    enum { N = 600, KEYS = 11 };

    rig_begin(GW_LOG_MEMORY);
    rig_events(0, N, KEYS);
    rig_run(P FILE_ "workers: 3\nmax_in_flight: 30\n");
    UNTIL(rig_stats().lag == 0);
    rig_stop(INT64_MAX);
    rig_expect_in_order("out", N, KEYS);
    rig_end();
}

TEST(test_pipeline_keeps_in_the_log_what_was_not_delivered_at_a_stop)
{
    enum { N = 50 };
    int ids[N + 1];

    rig_begin(GW_LOG_MEMORY);
    rig_run(P FILE_ "retry: {initial: 1ms, max: 1ms}\n");
    rig_failing = 1;
    rig_events(0, N, 3);
    UNTIL(!rig_up());
    CHECK(rig_stats().lag == N && strstr(rig_last_error(), "out: write"));
    CHECK(rig_metric(GW_M_PIPELINE_UP, NULL) == 0 && rig_metric(GW_M_PUBLISH_RETRIES, NULL) > 0);
    rig_stop(0);
    CHECK(rig_ids("out", ids, N + 1) == 0);
    rig_failing = 0;
    rig_run(P FILE_);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().published == N);
    rig_stop(INT64_MAX);
    CHECK(rig_ids("out", ids, N + 1) == N);
    for (int i = 0; i < N; i++)
        CHECK(ids[i] == i);
    rig_end();
}

TEST(test_pipeline_settles_only_what_is_synced)
{
    rig_begin(GW_LOG_MEMORY);
    rig_run(P FILE_ "retry: {initial: 1ms, max: 1ms}\n");
    rig_failing = 1;
    rig_events(0, 1, 1);
    UNTIL(rig_syncs > 5);
    CHECK(rig_stats().lag == 1 && rig_metric(GW_M_MESSAGES_PUBLISHED, NULL) == 0);
    rig_failing = 0;
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_up() && !*rig_last_error());
    rig_end();
}

TEST(test_pipeline_filters_event_types_by_the_header)
{
    rig_begin(GW_LOG_MEMORY);
    rig_run(P FILE_ "event_types: [workflow, task]\n");
    rig_events(0, 3, 1);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().filtered == 3 && rig_metric(GW_M_EVENTS_FILTERED, "event_types") == 3);
    rig_end();
}

/* What types a pipeline takes of rig_carriers, one after the other. */
static void check_carried(const char *types, const int *want, unsigned n)
{
    char yaml[300];
    int ids[20];

    snprintf(yaml, sizeof(yaml), P FILE_ "event_types: %s\n", types);
    rig_begin(GW_LOG_MEMORY);
    rig_run(yaml);
    rig_carriers();
    rig_append(&(struct gw_record){.kind = GW_OTHER,
                                   .ingest = GW_STR("http"),
                                   .received_at_ns = 1,
                                   .key = GW_STR("k"),
                                   .payload = GW_STR("\042\xff")});
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_ids("out", ids, 20) == (int)n && rig_stats().published == n);
    for (unsigned i = 0; i < n; i++)
        CHECK(ids[i] == want[i]);
    /* what cannot be read is of no type of Flyte's */
    CHECK((uint64_t)rig_metric(GW_M_EVENTS_FILTERED, "event_types") == rig_stats().filtered);
    rig_end();
    CHECK(!remove("out"));
}

TEST(test_pipeline_takes_events_by_the_request_they_carry)
{
    check_carried("[task]", (const int[]){3, 6, 9}, 3);
    check_carried("[node, action]", (const int[]){2, 5, 8, 10}, 4);
    check_carried("[other]", (const int[]){0, 11}, 2);
    check_carried("[workflow, node, task, action]", (const int[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
                  10);
    check_carried("all", (const int[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 12);
}

TEST(test_pipeline_hooks_go_by_the_request_an_event_carries)
{
    const int want[] = {0, 1, 2, 4, 5, 7, 8, 10, 11};
    int ids[20];

    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "return {event_types = {'task'}, on_event = function() return false end}");
    rig_run(P FILE_ "hooks: [h.lua]\n");
    rig_carriers();
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_ids("out", ids, 20) == 9 && !memcmp(ids, want, sizeof(want)));
    rig_end();
}

TEST(test_pipeline_makes_dead_letters_of_what_cannot_be_decoded_or_is_too_large)
{
    rig_begin(GW_LOG_MEMORY);
    rig_run(P "publisher: {type: file, path: out, max_message_bytes: 200}\n");
    rig_append(&(struct gw_record){.kind = GW_WORKFLOW,
                                   .ingest = GW_STR("grpc"),
                                   .received_at_ns = 1,
                                   .key = GW_STR("k"),
                                   .payload = GW_STR("\xff\xff")});
    rig_event("this identifier is so long that its event is over two hundred bytes, which is "
              "more than the configuration allows a message to have, so that it is too large",
              "k", 1, NULL);
    rig_event("7", "k", 1, NULL);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().dead_lettered == 2 && rig_stats().published == 1);
    CHECK(rig_metric(GW_M_EVENTS_DEAD_LETTERED, "undecodable") == 1);
    CHECK(rig_metric(GW_M_EVENTS_DEAD_LETTERED, "too_large") == 1);
    rig_end();
}

TEST(test_pipeline_adds_the_extensions_before_the_hooks)
{
    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "return function(e) e.copy = e.traceparent .. '/' .. e.partitionkey end");
    rig_run(P FILE_ "hooks: [h.lua]\nformat: {extensions: [traceparent, partitionkey]}\n");
    rig_event("1", "orders", 1, NULL);
    UNTIL(rig_stats().lag == 0);
    CHECK(strstr(rig_text("out"), "\"copy\":\"00-trace/orders\""));
    rig_end();
}

/* ---- hooks that fail ---- */

static const char fails_on_2[] = "return function(e) if e.id == '000002' then error('no two') end "
                                 "if e.id == '000003' then return false, 'three' end end";

TEST(test_pipeline_on_hook_error_dead_letter)
{
    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", fails_on_2);
    rig_run(P FILE_ "hooks: [h.lua]\n");
    rig_events(0, 5, 5);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().published == 3 && rig_stats().dead_lettered == 1 &&
          rig_stats().filtered == 1);
    CHECK(rig_metric(GW_M_EVENTS_DEAD_LETTERED, "hook_error") == 1);
    CHECK(rig_metric(GW_M_EVENTS_FILTERED, "three") == 1);
    rig_end();
}

TEST(test_pipeline_on_hook_error_drop)
{
    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", fails_on_2);
    rig_run(P FILE_ "hooks: [h.lua]\non_hook_error: drop\n");
    rig_events(0, 5, 5);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().published == 3 && rig_stats().filtered == 2);
    CHECK(rig_metric(GW_M_EVENTS_FILTERED, "hook_error") == 1);
    rig_end();
}

TEST(test_pipeline_on_hook_error_publish_unchanged)
{
    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "return function(e) e.touched = true; error('late') end");
    rig_run(P FILE_ "hooks: [h.lua]\non_hook_error: publish_unchanged\nset: {rule: kept}\n");
    rig_events(0, 1, 1);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().published == 1 && strstr(rig_text("out"), "\"rule\":\"kept\""));
    CHECK(!strstr(rig_text("out"), "touched"));
    rig_end();
}

TEST(test_pipeline_on_hook_error_block_holds_every_key_until_the_hook_lets_it_go)
{
    int ids[5];

    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "local n = 0\nreturn function(e) if e.id == '000001' then n = n + 1; "
                        "if n < 4 then error('not yet') end e.tries = n end end");
    rig_run(P FILE_ "hooks: [h.lua]\non_hook_error: block\nretry: {initial: 30ms, max: 30ms}\n");
    rig_events(0, 4, 4);
    UNTIL(!rig_up());
    CHECK(rig_stats().published <= 1 && rig_stats().lag >= 3 &&
          strstr(rig_last_error(), "not yet"));
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_up() && rig_stats().published == 4);
    rig_stop(INT64_MAX);
    CHECK(rig_ids("out", ids, 5) == 4);
    for (int i = 0; i < 4; i++)
        CHECK(ids[i] == i);
    CHECK(strstr(rig_text("out"), "\"tries\":4"));
    rig_end();
}

TEST(test_pipeline_a_block_holds_the_other_workers_too)
{
    enum { N = 41 };
    int ids[N + 1];

    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "local n = 0\nreturn function(e) if e.id == '000000' then n = n + 1; "
                        "if n < 8 then error('not yet') end end end");
    rig_run(P FILE_ "hooks: [h.lua]\non_hook_error: block\nworkers: 4\n"
                    "retry: {initial: 30ms, max: 30ms}\n");
    rig_event("000000", "k0", 1, NULL);
    UNTIL(!rig_up());
    for (int i = 1; i < N; i++) {
        char id[20], key[20];

        snprintf(id, sizeof(id), "%06d", i);
        snprintf(key, sizeof(key), "k%d", i);
        rig_event(id, key, 1, NULL);
    }
    while (rig_stats().lag) {
        const int64_t published = rig_metric(GW_M_MESSAGES_PUBLISHED, NULL);

        CHECK(rig_up() || published == 0);
    }
    rig_stop(INT64_MAX);
    CHECK(rig_ids("out", ids, N + 1) == N);
    rig_end();
}

TEST(test_pipeline_retry_holds_back_its_key_only)
{
    int ids[6];

    rig_begin(GW_LOG_MEMORY);
    rig_script(
        "h.lua",
        "local m, n = moongate, 0\nreturn function(e) "
        "if e.id == '000000' then n = n + 1; if n < 3 then return m.retry, 'wait' end end end");
    rig_run(P FILE_ "hooks: [h.lua]\nretry: {initial: 20ms, max: 20ms}\n");
    rig_events(0, 6, 3); /* 0 and 3 are of one key */
    UNTIL(rig_stats().lag == 0);
    rig_stop(INT64_MAX);
    CHECK(rig_ids("out", ids, 6) == 6);
    CHECK(ids[0] == 1 && ids[1] == 2 && ids[4] == 0 && ids[5] == 3);
    rig_end();
}

TEST(test_pipeline_stands_after_five_stopped_hooks_in_a_row)
{
    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "return function() while true do end end");
    rig_run(P FILE_ "hooks: [h.lua]\nhook_limits: {instructions: 10000}\n"
                    "retry: {initial: 1h, max: 1h}\n");
    rig_events(0, 8, 8);
    UNTIL(!rig_up());
    UNTIL(rig_stats().dead_lettered == 4);
    CHECK(rig_stats().lag == 4 && rig_metric(GW_M_EVENTS_DEAD_LETTERED, "hook_budget") == 4);
    rig_stop(0);
    rig_end();
}

TEST(test_pipeline_with_a_broken_script_is_down_and_comes_up_when_it_is_mended)
{
    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "return 7");
    rig_run(P FILE_ "hooks: [h.lua]\nretry: {initial: 5ms, max: 5ms}\n");
    CHECK(!rig_up() && strstr(rig_last_error(), "h.lua"));
    rig_events(0, 2, 2);
    CHECK(rig_stats().lag == 2);
    rig_script("h.lua", "return function() end");
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_up() && rig_stats().published == 2);
    rig_end();
}

TEST(test_pipeline_a_split_record_counts_once_and_ends_with_its_last_message)
{
    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua",
               "local m = moongate\nreturn function(e) return {e, m.copy(e), m.copy(e)} end");
    rig_run(P FILE_ "hooks: [h.lua]\n");
    rig_events(0, 2, 1);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().published == 2 && rig_metric(GW_M_MESSAGES_PUBLISHED, NULL) == 6);
    CHECK(strstr(rig_text("out"), "\"id\":\"000001:2\""));
    rig_end();
}

TEST(test_pipeline_counts_a_hundred_reasons_and_then_other)
{
    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "return function(e) return false, 'why ' .. e.id end");
    rig_run(P FILE_ "hooks: [h.lua]\n");
    rig_events(0, 130, 1);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_metric(GW_M_EVENTS_FILTERED, "why 000099") == 1);
    CHECK(rig_metric(GW_M_EVENTS_FILTERED, "why 000100") == 0);
    CHECK(rig_metric(GW_M_EVENTS_FILTERED, "other") == 30);
    rig_end();
}
