/* A pipeline whose deliveries do not go well, or that is stopped, paused or changed meanwhile. */
#include "base/clock.h"
#include "pipeline/rig.h"

#define P     "name: p\nstart: retained\n"
#define FILE_ "publisher: {type: file, path: out}\n"

/* ---- from outside ---- */

TEST(test_pipeline_that_is_paused_reads_nothing_and_goes_on)
{
    rig_begin(GW_LOG_MEMORY);
    rig_run(P FILE_ "workers: 2\n");
    rig_events(0, 10, 5);
    UNTIL(rig_stats().lag == 0);
    gw_pipeline_pause(rig.pipeline, 1);
    CHECK(!rig_up() && !strcmp(rig_last_error(), "paused") &&
          rig_metric(GW_M_PIPELINE_UP, NULL) == 0);
    rig_events(0, 10, 5);
    for (int i = 0; i < 20; i++) {
        usleep(500);
        CHECK(rig_stats().published == 10);
    }
    gw_pipeline_pause(rig.pipeline, 0);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_up() && !*rig_last_error() && rig_metric(GW_M_PIPELINE_UP, NULL) == 1);
    rig_end();
}

TEST(test_pipeline_resumed_runs_what_it_stands_at_at_once)
{
    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua",
               "local n = 0\nreturn function(e) n = n + 1; if n < 2 then error('not yet') end end");
    rig_run(P FILE_ "hooks: [h.lua]\non_hook_error: block\nretry: {initial: 1h, max: 1h}\n");
    rig_events(0, 2, 2);
    UNTIL(!rig_up());
    CHECK(rig_stats().lag == 2);
    gw_pipeline_pause(rig.pipeline, 0);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_up() && rig_stats().published == 2);
    rig_end();
}

TEST(test_pipeline_is_the_same_by_its_values)
{
    static const char base[] = P FILE_ "set: {a: 1, b: x}\nhooks: [h.lua]\n";
    static const char *const others[] = {
        P FILE_ "set: {a: '1', b: x}\nhooks: [h.lua]\n",
        P FILE_ "set: {a: 1, b: y}\nhooks: [h.lua]\n",
        P FILE_ "set: {a: 1, b: x}\nhooks: [g.lua]\n",
        P FILE_ "set: {a: 1, b: x}\nhooks: [h.lua, h.lua]\n",
        P FILE_ "set: {a: 1, b: x}\nhooks: [h.lua]\nparams: {a: [1]}\n",
        P FILE_ "set: {a: 1, b: x}\nhooks: [h.lua]\nretry: {max: 31s}\n",
        P FILE_ "set: {a: 1, b: x}\nhooks: [h.lua]\nrate: 1\n",
        P FILE_ "set: {a: 1, b: x}\nhooks: [h.lua]\nformat: {data: json}\n",
        P FILE_ "set: {a: 1, b: x}\nhooks: [h.lua]\nenabled: false\n",
        P "publisher: {type: 'null'}\nset: {a: 1, b: x}\nhooks: [h.lua]\n",
        P "publisher: {type: file, path: out, fsync: false}\nset: {a: 1, b: x}\nhooks: [h.lua]\n",
        P "publisher: {type: file, path: out, rotate: {max_bytes: 1}}\nset: {a: 1, b: x}\n"
          "hooks: [h.lua]\n",
    };
    const struct gw_pipeline_conf *c;
    struct gw_pipeline_conf d;

    rig_begin(GW_LOG_MEMORY);
    c = rig_conf(base);
    CHECK(gw_pipeline_same(c, rig_conf(base)));
    CHECK(gw_pipeline_same(c, rig_conf("publisher: {path: out, type: file, fsync: true}\n# moved\n"
                                       "hooks: h.lua\nset: {a: 1, b: x}\nrate: 0\n" P)));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        CHECK(!gw_pipeline_same(c, rig_conf(others[i])));
    d = *rig_conf(base);
    d.source = "/other";
    CHECK(!gw_pipeline_same(c, &d));
    rig_end();
}

TEST(test_pipeline_stops_and_starts_again_in_one_process)
{
    rig_begin(GW_LOG_MEMORY);
    for (int i = 0; i < 3; i++) {
        rig_run(P FILE_ "workers: 2\n");
        rig_events(0, 10, 3);
        UNTIL(rig_stats().lag == 0);
        CHECK(rig_metric(GW_M_EVENTS_PUBLISHED, NULL) == 10 * (i + 1));
        CHECK(rig_stats().published == 10U * (unsigned)(i + 1));
        rig_stop(INT64_MAX);
    }
    rig_end();
}

/* ---- what waits, and for how long ---- */

static const char stuck_on_0[] =
    "local m = moongate\n"
    "return function(e) if e.id == '000000' then return m.retry, 'not now' end end";

/* What may go while the first record is stuck: what is within max_in_flight of it, and in each
 * worker's part of that, but for the first one's key. */
static uint64_t may_go(unsigned workers, int keys, unsigned max)
{
    unsigned own[8] = {0}, stuck, w;
    uint64_t n = 0;

    for (unsigned i = 0; i < max; i++) {
        char key[20];

        snprintf(key, sizeof(key), "k%d", i % keys);
        w = (unsigned)(gw_hash64(gw_str_of(key)) % workers);
        stuck = i ? stuck : w;
        if (w == stuck && own[w]++ >= max / workers)
            continue;
        n += i % (unsigned)keys != 0;
    }
    return n;
}

TEST(test_pipeline_a_stuck_key_stops_all_workers_at_max_in_flight)
{
    enum { N = 300, KEYS = 9 };
    const uint64_t some = may_go(3, KEYS, 60);

    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", stuck_on_0);
    rig_run(P FILE_
            "hooks: [h.lua]\nworkers: 3\nmax_in_flight: 60\nretry: {initial: 1h, max: 1h}\n");
    rig_events(0, N, KEYS);
    UNTIL(rig_stats().published == some);
    for (int i = 0; i < 30; i++) {
        usleep(500);
        CHECK(rig_stats().published == some);
    }
    CHECK(rig_up() && !strcmp(rig_last_error(), "not now"));
    rig_stop(0);
    rig_run(P FILE_ "workers: 3\nmax_in_flight: 60\n");
    UNTIL(rig_stats().lag == 0);
    rig_stop(INT64_MAX);
    rig_expect_in_order("out", N, KEYS);
    rig_end();
}

TEST(test_pipeline_without_order_waits_for_nothing_of_the_key)
{
    enum { N = 60 };

    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", stuck_on_0);
    rig_run(P FILE_ "hooks: [h.lua]\nworkers: 2\norder_by: none\nretry: {initial: 1h, max: 1h}\n");
    rig_events(0, N, 1);
    UNTIL(rig_stats().published == N - 1);
    CHECK(rig_stats().lag == 1);
    rig_end();
}

TEST(test_pipeline_gives_a_hook_up_that_always_says_later)
{
    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", stuck_on_0);
    rig_run(P FILE_ "hooks: [h.lua]\nretry: {initial: 5ms, max: 5ms, give_up_after: 20ms}\n");
    rig_events(0, 3, 1);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().published == 2 && rig_metric(GW_M_EVENTS_DEAD_LETTERED, "gave_up") == 1);
    rig_end();
}

TEST(test_pipeline_gives_up_what_is_not_delivered_in_time)
{
    rig_begin(GW_LOG_MEMORY);
    rig_failing = 1;
    rig_run(P FILE_ "retry: {initial: 5ms, max: 5ms, give_up_after: 30ms}\n");
    rig_events(0, 3, 3);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().dead_lettered == 3 && rig_metric(GW_M_EVENTS_DEAD_LETTERED, "gave_up") == 3);
    rig_failing = 0;
    rig_events(0, 1, 1);
    UNTIL(rig_up() && rig_stats().published == 1);
    rig_end();
}

TEST(test_pipeline_rate_is_of_all_workers_and_over_all_tries)
{
    enum { N = 300, RATE = 1000 };
    int ids[N + 1];
    int64_t begun;

    rig_begin(GW_LOG_MEMORY);
    rig_events(0, N, 7);
    begun = gw_clock_mono_ns();
    rig_run(P FILE_ "workers: 3\nrate: 1000\n");
    UNTIL(rig_stats().lag == 0);
    CHECK(gw_clock_mono_ns() - begun >= (N - RATE / 20 - 1) * (int64_t)1000000);
    rig_stop(INT64_MAX);
    CHECK(rig_ids("out", ids, N + 1) == N);
    rig_end();
}

TEST(test_pipeline_stop_does_not_wait_for_the_rate_and_repeats_nothing)
{
    enum { N = 40 };
    int ids[N + 1];

    rig_begin(GW_LOG_MEMORY);
    rig_events(0, N, 5);
    rig_run(P FILE_ "rate: 2\n");
    UNTIL(rig_metric(GW_M_MESSAGES_PUBLISHED, NULL));
    rig_stop(INT64_MAX);
    rig_run(P FILE_);
    UNTIL(rig_stats().lag == 0);
    rig_stop(INT64_MAX);
    CHECK(rig_ids("out", ids, N + 1) == N);
    for (int i = 0; i < N; i++)
        CHECK(ids[i] == i);
    rig_end();
}

TEST(test_pipeline_stop_does_not_wait_for_what_is_to_be_tried_again)
{
    rig_begin(GW_LOG_MEMORY);
    rig_failing = 1;
    rig_run(P FILE_ "retry: {initial: 10h, max: 10h}\n");
    rig_events(0, 20, 5);
    UNTIL(rig_metric(GW_M_PUBLISH_RETRIES, NULL) || rig_syncs);
    rig_stop(INT64_MAX); /* the alarm is sooner */
    rig_run(P FILE_);
    CHECK(rig_stats().lag == 20);
    rig_end();
}

TEST(test_pipeline_stop_ends_a_record_that_is_delivered_in_part)
{
    int ids[10];

    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua",
               "local m = moongate\nreturn function(e) return {e, m.copy(e), m.copy(e)} end");
    rig_fails_from = 3; /* the first is of the new file */
    rig_fails_to = 5;
    rig_run(P "hooks: [h.lua]\npublisher: {type: file, path: out, batch: {events: 1}}\n"
              "retry: {initial: 20ms, max: 20ms}\n");
    rig_event("000007", "k", 1, NULL);
    UNTIL(rig_metric(GW_M_MESSAGES_PUBLISHED, NULL) == 1);
    rig_stop(INT64_MAX);
    rig_run(P FILE_);
    CHECK(rig_stats().lag == 0 && rig_stats().published == 1);
    rig_stop(INT64_MAX);
    CHECK(rig_ids("out", ids, 10) == 3);
    rig_end();
}

/* ---- dead letters ---- */

struct read_letter {
    char reason[40], event_id[40], error[200];
    struct gw_letter l;
};

static size_t letters(struct read_letter *out, size_t max)
{
    const struct gw_letter_query q = {.pipeline = "p"};
    struct gw_arena *mem = gw_arena_new();
    struct gw_err err;
    struct gw_letters *all = gw_letters_open(rig.log, &q, 0, &err);
    size_t n = 0;

    CHECK(all);
    while (n < max && gw_letters_next(all, mem, &out[n].l, &err) == 1) {
        const struct gw_dead_letter *d = &out[n].l.d;

        snprintf(out[n].reason, sizeof(out[n].reason), "%s", d->reason);
        snprintf(out[n].event_id, sizeof(out[n].event_id), "%.*s", (int)d->event_id.len,
                 d->event_id.p);
        snprintf(out[n].error, sizeof(out[n].error), "%.*s", (int)d->error.len, d->error.p);
        n++;
    }
    gw_letters_close(all);
    gw_arena_free(mem);
    return n;
}

static void on_changed(struct gw_mail *m)
{
    (void)m;
    rig.kept = 1;
}

static void drop_letter(uint64_t number)
{
    struct gw_letter_change c = {
        .mail = {.fn = on_changed}, .reply = rig.loop, .pipeline = GW_STR("p"), .number = number};

    rig.kept = 0;
    gw_letter_change(rig.log, &c);
    while (!rig.kept)
        gw_loop_turn(rig.loop, 1);
    CHECK(c.found && !c.failed);
}

static const char fails_on_odd[] =
    "return function(e) if tonumber(e.id) % 2 == 1 then error('odd') end end";

TEST(test_pipeline_stands_while_its_dead_letters_are_full_and_drops_nothing)
{
    enum { N = 40 };
    struct read_letter all[N];
    int ids[N + 1];
    size_t n;

    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", fails_on_odd);
    rig_events(0, N, 7);
    rig_run(P FILE_ "hooks: [h.lua]\nworkers: 2\nmax_in_flight: 4\n"
                    "dead_letters: {max_bytes: 1}\nretry: {initial: 1ms, max: 5ms}\n");
    UNTIL(!rig_up());
    CHECK(strstr(rig_last_error(), "the dead letters are full: 1 byte"));
    CHECK(strstr(rig_last_error(), "dead_letters.max_bytes") &&
          strstr(rig_last_error(), "dead drop"));
    rig_event("999998", "new", 1, NULL);
    for (int i = 0; i < 20; i++) { /* what is in flight ends, nothing is read on */
        usleep(500);
        CHECK(rig_stats().dead_lettered == 1 && !rig_up() && !strstr(rig_text("out"), "999998"));
    }
    while (rig_stats().lag) {
        n = letters(all, N);
        CHECK(n <= 1);
        if (n)
            drop_letter(all[0].l.number);
    }
    UNTIL(rig_up());
    CHECK(!*rig_last_error());
    CHECK(rig_stats().published == N / 2 + 1 && rig_stats().dead_lettered == N / 2);
    CHECK(rig_metric(GW_M_EVENTS_DEAD_LETTERED, "hook_error") == N / 2);
    rig_stop(INT64_MAX);
    CHECK(rig_ids("out", ids, N + 1) == N / 2 + 1);
    rig_end();
}

TEST(test_pipeline_resumed_offers_its_letters_at_once)
{
    struct read_letter all[2];

    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", fails_on_odd);
    rig_events(0, 4, 4);
    rig_run(P FILE_
            "hooks: [h.lua]\ndead_letters: {max_bytes: 1}\nretry: {initial: 1h, max: 1h}\n");
    UNTIL(!rig_up());
    CHECK(letters(all, 2) == 1);
    drop_letter(all[0].l.number);
    gw_pipeline_pause(rig.pipeline, 0);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_up() && rig_stats().dead_lettered == 2);
    rig_end();
}

TEST(test_pipeline_stopped_while_its_letters_are_full_keeps_the_record)
{
    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", fails_on_odd);
    rig_events(0, 4, 4);
    rig_run(P FILE_ "hooks: [h.lua]\ndead_letters: {max_bytes: 1}\n");
    UNTIL(!rig_up());
    rig_stop(INT64_MAX);
    rig_run(P FILE_ "hooks: [h.lua]\n"); /* with more room */
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().dead_lettered == 2 && rig_stats().published == 2);
    rig_end();
}

TEST(test_pipeline_dead_letter_says_how_often_and_since_when)
{
    struct read_letter l[2];
    const int64_t begun = gw_clock_wall_ns();

    rig_begin(GW_LOG_MEMORY);
    rig_failing = 1;
    rig_run(P FILE_ "retry: {initial: 5ms, max: 5ms, give_up_after: 40ms}\n");
    rig_event("000001", "k", 1, NULL);
    UNTIL(rig_stats().lag == 0);
    CHECK(letters(l, 2) == 1);
    CHECK(!strcmp(l[0].reason, "gave_up") && !strcmp(l[0].event_id, "000001"));
    CHECK(strstr(l[0].error, "out: write") || strstr(l[0].error, "out: sync"));
    CHECK(l[0].l.d.attempts > 1 && l[0].l.d.first_at_ns >= begun);
    CHECK(l[0].l.d.last_at_ns - l[0].l.d.first_at_ns >= 40000000);
    CHECK(l[0].l.d.last_at_ns <= gw_clock_wall_ns());
    rig_end();
}
