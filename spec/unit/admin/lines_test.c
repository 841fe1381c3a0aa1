/* Dead letters, records, drops and replays as lines. */
#include "admin/lines.h"

#include "../log/letters.h"
#include "base/metrics.h"
#include "flyte/flyte.h"
#include "pipeline/pipeline.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct rig rig;
static struct gw_metrics *metrics;
static struct gw_buf out;
static struct gw_mail wake;
static int woken, freed;

static void on_wake(struct gw_mail *m)
{
    (void)m;
    woken++;
}

static void on_freed(void *ctx)
{
    freed += *(int *)ctx;
}

static int one = 1;

static void setup(void)
{
    struct gw_log_conf conf = rig_conf();

    rig_open(&rig, &conf);
    metrics = gw_metrics_new();
    gw_buf_init(&out, 1 << 20, NULL);
    wake.fn = on_wake;
}

static void teardown(void)
{
    CHECK(!gw_lines_busy());
    gw_buf_free(&out);
    gw_metrics_free(metrics);
    rig_close(&rig);
}

static struct gw_lines *watched(struct gw_lines *l)
{
    CHECK(l);
    l->freed = on_freed;
    l->freed_ctx = &one;
    return l;
}

/* Everything, as a string; lines that say "not yet" are waited for. */
static const char *all(struct gw_lines *l)
{
    struct gw_err err = {0};
    int rc;

    gw_buf_clear(&out);
    while ((rc = l->next(l, &out, &err)) > 0) {
        woken = 0;
        while (rc == 2 && !woken)
            gw_loop_turn(rig.loop, 1);
    }
    if (rc)
        fprintf(stderr, "%s\n", err.msg);
    CHECK(rc == 0);
    l->close(l);
    gw_buf_putc(&out, '\0');
    return out.p;
}

static struct gw_letter_query any;

static void put_letter(uint64_t sequence, struct gw_str error, struct gw_str record)
{
    const struct gw_dead_letter d = {.reason = "rejected",
                                     .event_id = GW_STR("a:b"),
                                     .error = error,
                                     .record = record,
                                     .attempts = 3,
                                     .first_at_ns = 1000000000,
                                     .last_at_ns = 2500000000};

    CHECK(!letters_settle(&rig, rig.cursor, sequence, &d));
}

TEST(test_lines_letters_are_objects_a_line)
{
    struct gw_err err;

    setup();
    rig_append_each(&rig, 1, 2, 10);
    put_letter(1, GW_STR("no \"luck\"\n\xff"), (struct gw_str){0});
    put_letter(2, GW_STR(""), (struct gw_str){0});
    CHECK(!strcmp(all(watched(gw_lines_letters(rig.log, &any, 0, &err))),
                  "{\"id\":\"p/1\",\"pipeline\":\"p\",\"reason\":\"rejected\",\"event_id\":\"a:b\","
                  "\"attempts\":3,\"first_at\":\"1970-01-01T00:00:01Z\",\"last_at\":"
                  "\"1970-01-01T00:00:02.500Z\",\"error\":\"no \\\"luck\\\"\\n\xef\xbf\xbd\"}\n"
                  "{\"id\":\"p/2\",\"pipeline\":\"p\",\"reason\":\"rejected\",\"event_id\":\"a:b\","
                  "\"attempts\":3,\"first_at\":\"1970-01-01T00:00:01Z\",\"last_at\":"
                  "\"1970-01-01T00:00:02.500Z\",\"error\":\"\"}\n"));
    CHECK(freed == 1);
    teardown();
}

TEST(test_lines_a_whole_letter_copes_with_any_record)
{
    struct gw_record rec = {.kind = GW_NODE,
                            .received_at_ns = 5,
                            .ingest = GW_STR("grpc"),
                            .key = GW_STR("k"),
                            .payload = GW_STR("\x0a\xff")}; /* cut short */
    struct gw_buf b;
    struct gw_err err;
    const char *text;

    setup();
    rig_append_each(&rig, 1, 4, 10);
    put_letter(1, GW_STR("x"), (struct gw_str){0});
    put_letter(2, GW_STR("x"), GW_STR("no record"));
    gw_buf_init(&b, 1000, rig.mem);
    gw_record_put(&b, &rec);
    put_letter(3, GW_STR("x"), gw_buf_str(&b));
    gw_buf_init(&b, 1000, rig.mem);
    rec.payload = GW_STR("");
    gw_record_put(&b, &rec);
    put_letter(4, GW_STR("x"), gw_buf_str(&b));
    text = all(watched(gw_lines_letters(rig.log, &any, 1, &err)));
    CHECK(strstr(text, "\"seq\":1,\"record\":null}\n"));
    CHECK(strstr(text, "\"seq\":2,\"record\":{\"payload\":\"bm8gcmVjb3Jk\",\"error\":\""));
    CHECK(strstr(text, "\"kind\":\"node\",\"key\":\"k\",\"traceparent\":null,\"payload\":\"Cv8=\","
                       "\"error\":\""));
    CHECK(strstr(text, "\"traceparent\":null,\"request\":{}}}\n"));
    teardown();
}

TEST(test_lines_a_line_that_has_no_room_is_an_error)
{
    struct gw_lines *l;
    struct gw_buf small;
    struct gw_err err = {0};

    setup();
    rig_append_each(&rig, 1, 1, 10);
    put_letter(1, GW_STR("x"), (struct gw_str){0});
    gw_buf_init(&small, 100, NULL);
    l = watched(gw_lines_letters(rig.log, &any, 0, &err));
    CHECK(l->next(l, &small, &err) == -1 && err.kind == GW_ERR_TOO_LARGE && strstr(err.msg, "p/1"));
    l->close(l);
    gw_buf_free(&small);
    teardown();
}

TEST(test_lines_records_say_what_cannot_be_decoded)
{
    struct gw_err err;
    const char *text;

    setup();
    rig_append_each(&rig, 1, 3, 10); /* their payload is no task request */
    text = all(watched(gw_lines_records(rig.log, 0, 0, 0, &err)));
    CHECK(
        !strncmp(text,
                 "{\"seq\":1,\"received_at\":\"1970-01-01T00:00:00.000001001Z\",\"kind\":\"task\","
                 "\"key\":\"p:d:1\",\"id\":null,\"error\":\"",
                 strlen("{\"seq\":1,\"received_at\":\"1970-01-01T00:00:00.000001001Z\",\"kind\":"
                        "\"task\",\"key\":\"p:d:1\",\"id\":null,\"error\":\"")));
    CHECK(strstr(text, "{\"seq\":3,") && !strstr(text, "\"record\""));
    CHECK(strstr(all(watched(gw_lines_records(rig.log, 0, 0, 1, &err))), ",\"record\":\""));
    text = all(watched(gw_lines_records(rig.log, 1002, 1003, 0, &err)));
    CHECK(strstr(text, "{\"seq\":2,") == text && !strstr(text, "\"seq\":3"));
    CHECK(freed == 3);
    teardown();
}

TEST(test_lines_drop_tells_how_many_went)
{
    const struct gw_letter_query rejected = {.reason = "rejected"};
    struct gw_err err;

    setup();
    rig_append_each(&rig, 1, 200, 10);
    for (uint64_t i = 1; i <= 200; i++)
        if (i == 50)
            CHECK(!letters_put(&rig, i, 50, 1));
        else
            put_letter(i, GW_STR("x"), (struct gw_str){0});
    CHECK(!strcmp(all(watched(gw_lines_drop(rig.log, &rejected, rig.loop, &wake, &err))),
                  "{\"dropped\":199}\n"));
    CHECK(!strcmp(letters_list(&rig, &any), "p/50") && freed == 1);
    CHECK(!strcmp(all(watched(gw_lines_drop(rig.log, &rejected, rig.loop, &wake, &err))),
                  "{\"dropped\":0}\n"));
    teardown();
}

/* The record of letter 1, 50 pages of X, leads nowhere. */
static void break_first(void)
{
    static const char nowhere[4] = {0x7f, 0x7f, 0x7f, 0x7f};
    char page[4096];
    int fd = open("data/state.db", O_RDWR), broken = 0;

    CHECK(fd >= 0);
    for (off_t at = 0; pread(fd, page, sizeof(page), at) == sizeof(page); at += (off_t)sizeof(page))
        if (page[4] == 'X' && !memcmp(page + 4, page + 5, sizeof(page) - 5)) {
            CHECK(pwrite(fd, nowhere, 4, at) == 4);
            broken++;
        }
    CHECK(broken > 10 && !close(fd));
}

/* More than are under way at once, in one commit. */
static void put_many(uint64_t first, size_t n)
{
    static const struct gw_dead_letter d = {.reason = "rejected"};
    struct gw_settled *items = calloc(n, sizeof(*items));
    struct rig_settle s = {.s = {.mail.fn = rig_settled,
                                 .reply = rig.loop,
                                 .cursor = rig.cursor,
                                 .items = items,
                                 .n = n}};

    CHECK(items);
    for (size_t i = 0; i < n; i++)
        items[i] = (struct gw_settled){{0, first + i}, GW_DEAD, &d, 0};
    gw_log_settle(rig.log, &s.s);
    while (!s.done)
        gw_loop_turn(rig.loop, 1);
    free(items);
}

TEST(test_lines_a_drop_passes_over_a_damaged_letter)
{
    static char record[50 * 4096];
    struct gw_log_conf conf = rig_conf();
    struct gw_lines *l;
    struct gw_err err;
    int rc;

    setup();
    rig_append_each(&rig, 1, 2001, 10);
    memset(record, 'X', sizeof(record));
    put_letter(1, GW_STR("x"), (struct gw_str){record, sizeof(record)});
    put_many(2, 2000);
    rig_close(&rig);
    break_first();
    rig_open(&rig, &conf);
    l = watched(gw_lines_drop(rig.log, &any, rig.loop, &wake, &err));
    while ((rc = l->next(l, &out, &err)) == 2)
        gw_loop_turn(rig.loop, 1);
    CHECK(rc == -1 && strstr(err.msg, "2000 were dropped"));
    l->close(l);
    CHECK(!strcmp(letters_list(&rig, &any), "p/1"));
    teardown();
}

TEST(test_lines_a_drop_that_is_closed_early_ends_by_itself)
{
    struct gw_lines *l;
    struct gw_err err;

    setup();
    rig_append_each(&rig, 1, 1100, 10);
    for (uint64_t i = 1; i <= 1100; i++)
        put_letter(i, GW_STR("x"), (struct gw_str){0});
    l = watched(gw_lines_drop(rig.log, &any, rig.loop, &wake, &err));
    CHECK(l->next(l, &out, &err) == 2);
    l->close(l);
    CHECK(gw_lines_busy() == 1 && !freed);
    while (gw_lines_busy())
        gw_loop_turn(rig.loop, 1);
    CHECK(freed == 1 && !woken && out.len == 0);
    CHECK(strstr(letters_list(&rig, &any), "p/1100")); /* what it had not come to */
    teardown();
}

static const struct gw_pipeline_conf pipeline = {.name = "p", .event_type_mask = ~0U};

static struct gw_lines *dry_replay(void)
{
    const struct gw_replay_conf conf = {.pipeline = &pipeline, .dry = 1};
    struct gw_err err;

    return watched(gw_lines_replay(&conf, rig.log, metrics, rig.loop, &wake, &err));
}

TEST(test_lines_a_replay_tells_its_end_last)
{
    const char *text, *last;

    setup();
    rig_append_each(&rig, 1, 20, 10);
    text = all(dry_replay());
    CHECK(!strncmp(text, "{\"total\":", 9) && text[strlen(text) - 1] == '\n');
    last = memrchr(text, '{', strlen(text));
    CHECK(strstr(last, "{\"total\":20,\"done\":") == last);
    CHECK(strstr(last, ",\"published\":0,\"filtered\":0,\"failed\":0,"));
    CHECK(strstr(last, "\"error\":null,\"ended\":true,\"broken\":false}\n"));
    CHECK(freed == 1);
    teardown();
}

TEST(test_lines_a_replay_that_is_closed_early_ends_by_itself)
{
    struct gw_lines *l;
    struct gw_err err;

    setup();
    rig_append_each(&rig, 1, 20, 10);
    l = dry_replay();
    CHECK(l->next(l, &out, &err) == 1 && strstr(out.p, "\"ended\":false"));
    l->close(l);
    CHECK(gw_lines_busy() == 1 && !freed);
    while (gw_lines_busy())
        gw_loop_turn(rig.loop, 1);
    CHECK(freed == 1 && !woken);
    teardown();
}

TEST(test_lines_stats_are_one_object)
{
    setup();
    gw_lines_stats(rig.log, &out);
    CHECK(!strncmp(out.p, "{\"records\":0,", 13) && memmem(out.p, out.len, "\"oldest\":null", 13));
    gw_buf_clear(&out);
    rig_append_each(&rig, 1, 3, 10);
    gw_lines_stats(rig.log, &out);
    CHECK(!strncmp(out.p, "{\"records\":3,\"bytes\":", 21));
    gw_buf_putc(&out, '\0');
    CHECK(strstr(out.p, "\"unsettled\":3,\"oldest\":\"1970-"));
    CHECK(strstr(out.p, "\"pipelines\":[{\"name\":\"p\",\"lag\":3,\"orphan\":false}]}\n"));
    teardown();
}
