/* Replays of dead letters and of the log, on real logs and a file. */
#include "pipeline/replay.h"

#include "base/clock.h"
#include "pipeline/rig.h"

#include <sys/stat.h>

#define P      "name: p\nstart: retained\nretry: {initial: 1ms, max: 1ms}\n"
#define FILE_  "publisher: {type: file, path: out}\n"
#define HOOKED P FILE_ "hooks: [h.lua]\n"

static struct gw_mail ended_mail;
static int ended, is_dry;

static void on_ended(struct gw_mail *m)
{
    CHECK(m == &ended_mail);
    ended++;
}

static struct gw_replay *begin_replay(const struct gw_replay_conf *conf)
{
    struct gw_replay *r;
    struct gw_err err;

    ended = 0;
    is_dry = conf->dry;
    ended_mail.fn = on_ended;
    r = gw_replay_start(conf, rig.log, rig.metrics, rig.loop, &ended_mail, &err);
    if (!r)
        fprintf(stderr, "%s\n", err.msg);
    CHECK(r);
    return r;
}

static struct gw_replay_counts end_replay(struct gw_replay *r)
{
    struct gw_replay_counts c;

    while (!ended)
        gw_loop_turn(rig.loop, 1);
    gw_replay_counts(r, &c);
    CHECK(c.ended && (c.done == c.published + c.filtered + c.failed || is_dry));
    gw_replay_join(r);
    CHECK(ended == 1);
    return c;
}

static struct gw_replay_counts replay(const struct gw_replay_conf *conf)
{
    return end_replay(begin_replay(conf));
}

static struct gw_replay_conf of_letters(const struct gw_pipeline_conf *c)
{
    return (struct gw_replay_conf){.pipeline = c, .letters = 1};
}

static struct gw_replay_conf of_log(const struct gw_pipeline_conf *c, int from, int to)
{
    return (struct gw_replay_conf){
        .pipeline = c, .from_ns = from * INT64_C(1000000000), .to_ns = to * INT64_C(1000000000)};
}

/* ---- letters ---- */

struct seen {
    uint64_t number, attempts;
    int64_t first_at_ns, last_at_ns;
    char reason[40], error[200];
};

static int letters(struct seen *out, int max)
{
    const struct gw_letter_query q = {.pipeline = "p"};
    struct gw_arena *mem = gw_arena_new();
    struct gw_letters *l;
    struct gw_letter got;
    struct gw_err err;
    int n = 0;

    l = gw_letters_open(rig.log, &q, 0, &err);
    CHECK(l);
    for (; gw_letters_next(l, mem, &got, &err) == 1; n++) {
        if (n >= max)
            continue;
        out[n] = (struct seen){.number = got.number,
                               .attempts = got.d.attempts,
                               .first_at_ns = got.d.first_at_ns,
                               .last_at_ns = got.d.last_at_ns};
        snprintf(out[n].reason, sizeof(out[n].reason), "%s", got.d.reason);
        snprintf(out[n].error, sizeof(out[n].error), "%.*s", (int)got.d.error.len, got.d.error.p);
    }
    gw_letters_close(l);
    gw_arena_free(mem);
    return n;
}

static void on_changed(struct gw_mail *m)
{
    CHECK(!GW_CONTAINER(m, struct gw_letter_change, mail)->failed);
    rig.kept = 1;
}

/* What was said of letters before is committed now. */
static void settle_letters(void)
{
    struct gw_letter_change none = {
        .mail = {.fn = on_changed}, .reply = rig.loop, .pipeline = GW_STR("p"), .number = 1 << 20};

    rig.kept = 0;
    gw_letter_change(rig.log, &none);
    while (!rig.kept)
        gw_loop_turn(rig.loop, 1);
}

/* A pipeline that fails on every record leaves n of them as letters. */
static void fail_all(const struct gw_pipeline_conf *c, int n, int keys)
{
    rig_script("h.lua", "return function(e) error('broken') end");
    rig_start(c);
    rig_events(0, n, keys);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().dead_lettered == (uint64_t)n);
}

TEST(test_replay_of_letters_publishes_each_once_in_order_and_drops_it)
{
    enum { N = 300 };
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;
    struct gw_replay_counts got;
    struct seen seen[1];
    int ids[N + 1];

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf(HOOKED);
    fail_all(c, N, 7);
    rig_script("h.lua", "return function(e) e.mended = 'yes' end");
    conf = of_letters(c);
    got = replay(&conf);
    CHECK(got.total == N && got.done == N && got.published == N && !got.broken);
    CHECK(letters(seen, 1) == 0);
    CHECK(rig_ids("out", ids, N + 1) == N);
    for (int i = 0; i < N; i++)
        CHECK(ids[i] == i);
    CHECK(strstr(rig_text("out"), "\"mended\":\"yes\""));
    rig_end();
}

TEST(test_replay_counts_nothing_of_the_pipeline)
{
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;
    struct gw_cursor_stats was, is;
    struct gw_buf text;

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf(HOOKED);
    fail_all(c, 20, 3);
    was = rig_stats();
    rig_stop(INT64_MAX);
    rig_script("h.lua", "return function(e) if e.id == '000003' then return false, 'third' end "
                        "if e.id == '000004' then error('again') end end");
    conf = of_letters(c);
    CHECK(replay(&conf).done == 20);
    conf = of_log(c, 0, 0);
    CHECK(replay(&conf).done == 20);
    CHECK(rig_metric(GW_M_REPLAYED, NULL) == 36);
    CHECK(rig_metric(GW_M_EVENTS_PUBLISHED, NULL) == 0);
    CHECK(rig_metric(GW_M_MESSAGES_PUBLISHED, NULL) == 0);
    CHECK(rig_metric(GW_M_EVENTS_DEAD_LETTERED, "hook_error") == 20);
    gw_buf_init(&text, 1 << 20, NULL);
    gw_metrics_write(rig.metrics, &text);
    gw_buf_putc(&text, '\0');
    CHECK(!strstr(text.p, "third"));
    gw_buf_free(&text);
    rig_start(c);
    is = rig_stats();
    CHECK(is.accepted == was.accepted && is.published == 0 && is.filtered == 0);
    CHECK(is.dead_lettered == 20 && is.lag == 0);
    rig_end();
}

TEST(test_replay_keeps_a_letter_that_fails_again_with_its_new_reason)
{
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;
    struct gw_replay_counts got;
    struct seen before[5], after[5];

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf(HOOKED);
    fail_all(c, 5, 5);
    CHECK(letters(before, 5) == 5);
    rig_script("h.lua", "return function(e) if e.id == '000001' then error('still bad') end "
                        "if e.id == '000002' then return false end end");
    conf = of_letters(c);
    got = replay(&conf);
    CHECK(got.published == 3 && got.filtered == 1 && got.failed == 1 && !got.broken);
    CHECK(strstr(got.error, "000001: hook_error: ") && strstr(got.error, "still bad"));
    CHECK(letters(after, 5) == 1);
    CHECK(after[0].number == before[1].number && strstr(after[0].error, "still bad"));
    CHECK(after[0].attempts == before[1].attempts + 1);
    CHECK(after[0].first_at_ns == before[1].first_at_ns);
    CHECK(after[0].last_at_ns > before[1].last_at_ns);
    rig_end();
}

TEST(test_replay_of_one_letter_leaves_the_others)
{
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;
    struct seen seen[3];

    rig_begin(GW_LOG_MEMORY);
    c = rig_conf(HOOKED);
    fail_all(c, 3, 3);
    CHECK(letters(seen, 3) == 3);
    rig_script("h.lua", "return function(e) end");
    conf = of_letters(c);
    conf.query.number = seen[1].number;
    CHECK(replay(&conf).published == 1);
    CHECK(letters(seen, 3) == 2);
    conf.query.number = 0;
    conf.query.reason = "rejected";
    CHECK(replay(&conf).done == 0 && letters(seen, 3) == 2);
    rig_end();
}

/* The first record of a key is tried until it is given up, the second is a letter at once: they are
 * numbered the other way round. */
TEST(test_replay_of_letters_goes_by_positions_not_by_numbers)
{
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;
    struct seen seen[2];
    int ids[3];

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf("name: p\nstart: retained\n" FILE_
                 "hooks: [h.lua]\nretry: {initial: 1ms, max: 1ms, give_up_after: 50ms}\n");
    rig_script("h.lua", "return function(e) if e.id == '000001' then error('bad') end end");
    rig_failing = 1;
    rig_start(c);
    rig_events(0, 2, 1);
    UNTIL(rig_stats().dead_lettered == 2);
    rig_stop(INT64_MAX);
    rig_failing = 0;
    CHECK(letters(seen, 2) == 2);
    CHECK(!strcmp(seen[0].reason, "hook_error") && !strcmp(seen[1].reason, "gave_up"));
    rig_script("h.lua", "return function(e) end");
    conf = of_letters(c);
    CHECK(replay(&conf).published == 2);
    CHECK(rig_ids("out", ids, 3) == 2 && ids[0] == 0 && ids[1] == 1);
    rig_end();
}

TEST(test_replay_drops_a_letter_only_when_its_messages_are_delivered)
{
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;
    struct gw_replay_counts got;
    struct gw_replay *r;
    struct seen seen[1];
    int ids[9];

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf(HOOKED);
    fail_all(c, 4, 4);
    rig_script("h.lua", "return function(e) return {e, moongate.copy(e)} end");
    conf = of_letters(c);
    rig_failing = 1;
    rig_syncs = 0;
    r = begin_replay(&conf);
    UNTIL(rig_syncs > 5);
    do {
        gw_replay_counts(r, &got);
    } while (!got.error[0]);
    settle_letters();
    CHECK(strstr(got.error, "out: write") && got.done == 0 && letters(seen, 1) == 4);
    gw_replay_stop(r, 0);
    got = end_replay(r);
    CHECK(got.broken && got.done == 0 && letters(seen, 1) == 4);
    rig_failing = 0;
    got = replay(&conf);
    CHECK(got.published == 4 && letters(seen, 1) == 0);
    CHECK(rig_ids("out", ids, 9) == 8);
    rig_end();
}

static void on_settled(struct gw_mail *m)
{
    CHECK(!GW_CONTAINER(m, struct gw_settle, mail)->failed);
    rig.kept = 1;
}

TEST(test_replay_keeps_a_letter_whose_record_is_lost)
{
    const struct gw_dead_letter d = {.reason = "rejected",
                                     .event_id = GW_STR("x"),
                                     .error = GW_STR("no"),
                                     .record = GW_STR(""),
                                     .attempts = 1};
    const struct gw_pipeline_conf *c;
    struct gw_settled item = {.at = {0, 1}, .end = GW_DEAD, .dead = &d};
    struct gw_settle s = {.mail = {.fn = on_settled}, .items = &item, .n = 1};
    struct gw_replay_conf conf;
    struct gw_replay_counts got;
    struct seen seen[1];
    struct gw_err err;

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf(P FILE_);
    s.cursor = gw_log_cursor(rig.log, "p", GW_START_RETAINED, NULL, &err);
    s.reply = rig.loop;
    CHECK(s.cursor);
    rig_events(0, 1, 1);
    rig.kept = 0;
    gw_log_settle(rig.log, &s);
    while (!rig.kept)
        gw_loop_turn(rig.loop, 1);
    conf = of_letters(c);
    got = replay(&conf);
    CHECK(got.failed == 1 && strstr(got.error, "its record is lost"));
    CHECK(letters(seen, 1) == 1 && !strcmp(seen[0].reason, "undecodable"));
    CHECK(strstr(seen[0].error, "its record is lost"));
    rig_end();
}

TEST(test_replay_of_letters_filters_by_event_types_like_any_filter)
{
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;
    struct gw_replay_counts got;
    struct seen seen[1];

    rig_begin(GW_LOG_EMBEDDED);
    fail_all(rig_conf(HOOKED), 2, 1);
    c = rig_conf(P FILE_ "event_types: [workflow]\n");
    conf = of_letters(c);
    got = replay(&conf);
    CHECK(got.filtered == 2 && got.done == 2 && letters(seen, 1) == 0);
    rig_end();
}

/* ---- the log ---- */

TEST(test_replay_of_the_log_takes_a_span_of_time)
{
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;
    struct gw_replay_counts got;
    int ids[101];

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf(P FILE_);
    rig_events(0, 100, 5);
    conf = of_log(c, 31, 61); /* record i came at i + 1 */
    got = replay(&conf);
    CHECK(got.published == 30 && got.total == 30 && got.span > 0 && got.seen == got.span);
    CHECK(rig_ids("out", ids, 101) == 30);
    for (int i = 0; i < 30; i++)
        CHECK(ids[i] == 30 + i);
    rig_end();
}

TEST(test_replay_of_the_log_makes_no_letter_of_what_fails)
{
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;
    struct gw_replay_counts got;
    struct seen seen[1];

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf(HOOKED "on_hook_error: block\n");
    rig_script("h.lua", "return function(e) if e.id == '000002' then error('two') end end");
    rig_events(0, 5, 1);
    conf = of_log(c, 0, 0);
    got = replay(&conf);
    CHECK(got.published == 4 && got.failed == 1 && strstr(got.error, "000002: hook_error"));
    CHECK(letters(seen, 1) == 0);
    rig_end();
}

TEST(test_replay_of_the_log_leaves_other_event_types_out)
{
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf(P FILE_ "event_types: [workflow]\n");
    rig_events(0, 5, 1);
    conf = of_log(c, 0, 0);
    CHECK(replay(&conf).done == 0);
    conf.dry = 1;
    CHECK(replay(&conf).done == 0);
    rig_end();
}

TEST(test_replay_goes_by_the_request_an_event_carries)
{
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;
    int ids[20];

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf(P FILE_ "event_types: [task]\n");
    rig_carriers();
    conf = of_log(c, 0, 0);
    CHECK(replay(&conf).published == 3);
    CHECK(rig_ids("out", ids, 20) == 3 && ids[0] == 3 && ids[1] == 6 && ids[2] == 9);
    conf.dry = 1;
    CHECK(replay(&conf).done == 3);
    rig_end();
}

TEST(test_replay_goes_on_although_every_record_runs_out_of_budget)
{
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf(HOOKED "hook_limits: {instructions: 2000}\n");
    rig_script("h.lua", "return function(e) while true do end end");
    rig_events(0, 12, 1);
    conf = of_log(c, 0, 0);
    CHECK(replay(&conf).failed == 12);
    rig_end();
}

TEST(test_replay_with_another_script)
{
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;
    struct gw_err err;

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf(HOOKED);
    rig_script("h.lua", "return function(e) e.by = 'old' end");
    rig_script("new.lua", "return function(e) e.by = 'new' end");
    rig_script("bad.lua", "return function(e) e.by = = 'new' end");
    rig_events(0, 3, 1);
    conf = of_log(c, 0, 0);
    conf.script = "new.lua";
    CHECK(replay(&conf).published == 3);
    CHECK(strstr(rig_text("out"), "\"by\":\"new\"") && !strstr(rig_text("out"), "old"));
    conf.script = "bad.lua";
    CHECK(!gw_replay_start(&conf, rig.log, rig.metrics, rig.loop, &ended_mail, &err));
    CHECK(strstr(err.msg, "bad.lua:1:"));
    conf.script = NULL;
    CHECK(replay(&conf).published == 3); /* the one that did not start is in nobody's way */
    rig_end();
}

TEST(test_replay_dry_counts_and_sends_nothing)
{
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;
    struct gw_replay_counts got;
    struct seen seen[1];

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf(HOOKED);
    fail_all(c, 6, 2);
    conf = of_letters(c);
    conf.dry = 1;
    got = replay(&conf);
    CHECK(got.done == 6 && got.total == 6 && got.published == 0 && letters(seen, 1) == 6);
    conf = of_log(c, 2, 4);
    conf.dry = 1;
    conf.script = "none.lua"; /* nothing is run */
    CHECK(replay(&conf).done == 2);
    CHECK(!*rig_text("out") && rig_metric(GW_M_REPLAYED, NULL) == 0);
    rig_end();
}

TEST(test_replay_of_a_destination_that_is_not_there_says_so)
{
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;
    struct gw_err err;

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf(P "publisher: {type: file, path: out}\n");
    CHECK(!mkdir("out", 0700));
    conf = of_log(c, 0, 0);
    CHECK(!gw_replay_start(&conf, rig.log, rig.metrics, rig.loop, &ended_mail, &err));
    CHECK(strstr(err.msg, "out"));
    rig_end();
}

TEST(test_replay_refuses_a_second_one_of_the_pipeline)
{
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;
    struct gw_replay *r;
    struct gw_err err;

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf(P FILE_);
    rig_events(0, 3, 1);
    conf = of_log(c, 0, 0);
    CHECK(replay(&conf).published == 3);
    rig_failing = 1;
    r = begin_replay(&conf);
    CHECK(!gw_replay_start(&conf, rig.log, rig.metrics, rig.loop, &ended_mail, &err));
    CHECK(strstr(err.msg, "a replay of pipeline p is under way already"));
    rig_failing = 0;
    CHECK(end_replay(r).published == 3);
    rig_end();
}

/* ---- beside the pipeline ---- */

TEST(test_replay_and_pipeline_write_whole_lines_to_one_file)
{
    enum { N = 400 };
    const struct gw_pipeline_conf *c;
    struct gw_replay_conf conf;
    struct gw_replay *r;
    const char *at;
    int lines = 0;

    rig_begin(GW_LOG_EMBEDDED);
    c = rig_conf(P FILE_);
    rig_start(c);
    rig_events(0, N / 2, 5);
    UNTIL(rig_stats().lag == 0);
    conf = of_log(c, 0, 0);
    r = begin_replay(&conf);
    rig_events(N / 2, N, 5);
    end_replay(r);
    UNTIL(rig_stats().lag == 0);
    rig_stop(INT64_MAX);
    for (at = rig_text("out"); *at; lines++) {
        const char *end = strchr(at, '\n');

        CHECK(end && !strncmp(at, "{\"specversion\":", 15) && end[-1] == '}');
        at = end + 1;
    }
    CHECK(lines >= N + N / 2);
    rig_end();
}
