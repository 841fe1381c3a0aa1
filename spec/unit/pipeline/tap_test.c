/* Watchers of a running pipeline: what they are told, and what they miss. */
#include "pipeline/tap.h"

#include "pipeline/rig.h"

#define P     "name: p\nstart: retained\nretry: {initial: 1ms, max: 1ms}\n"
#define FILE_ "publisher: {type: file, path: out}\n"

static struct gw_mail wake;
static int woken;

static void on_wake(struct gw_mail *m)
{
    CHECK(m == &wake);
    woken++;
}

static struct gw_tap *watch(void)
{
    wake.fn = on_wake;
    return gw_tap_open(rig.pipeline, rig.loop, &wake);
}

/* The next line, waited for; "" at the pipeline's end. */
static const char *line(struct gw_tap *t)
{
    static struct gw_buf b;
    int got;

    gw_buf_free(&b);
    gw_buf_init(&b, 4 << 20, NULL);
    while ((got = gw_tap_next(t, &b)) == 0) {
        const int was = woken;

        while (woken == was)
            gw_loop_turn(rig.loop, 1);
    }
    if (got < 0)
        return "";
    CHECK(b.len > 0 && b.p[b.len - 1] == '\n');
    gw_buf_putc(&b, '\0');
    return b.p;
}

static void expect(const char *text, const char *const *parts)
{
    for (; *parts; parts++)
        if (!strstr(text, *parts)) {
            fprintf(stderr, "no %s in %s\n", *parts, text);
            CHECK(0);
        }
}
#define EXPECT(text, ...) expect(text, (const char *const[]){__VA_ARGS__, NULL})

TEST(test_tap_tells_of_each_event_how_it_ended)
{
    struct gw_tap *t;
    const char *got;

    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "return function(e) e.seen = 'x' if e.id == 'f' then return false, 'why' "
                        "end if e.id == 'd' then error('boom') end "
                        "if e.id == 's' then return {e, moongate.copy(e)} end end");
    rig_start(rig_conf(P FILE_ "hooks: [h.lua]\n"));
    t = watch();
    rig_event("a", "key", 1, NULL);
    got = line(t);
    CHECK(!strncmp(got, "{\"time\":\"", 9));
    EXPECT(got, "\"pipeline\":\"p\",\"outcome\":\"published\",\"key\":\"key\",\"seq\":1,",
           "\"kind\":\"other\",\"event\":{\"specversion\":\"1.0\",\"id\":\"a\"", "\"seen\":\"x\"");
    rig_event("f", "key", 1, NULL);
    EXPECT(line(t), "\"outcome\":\"filtered\",\"reason\":\"why\",", "\"seq\":2,", "\"id\":\"f\"");
    rig_event("d", "key", 1, NULL);
    EXPECT(line(t),
           "\"outcome\":\"dead_letter\",\"reason\":\"hook_error\",\"error\":\"h.lua:1: boom",
           "\"id\":\"d\"");
    rig_event("s", "key", 1, NULL);
    EXPECT(line(t), "\"outcome\":\"published\",", "\"seq\":4,", "\"id\":\"s\"");
    EXPECT(line(t), "\"outcome\":\"published\",", "\"seq\":4,", "\"id\":\"s:1\"");
    gw_tap_close(t);
    rig_end();
}

TEST(test_tap_tells_where_a_hook_sent_an_event)
{
    struct gw_tap *t;

    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "return function(e) moongate.route(e, e.id == 'a' and {topic = 't', key = "
                        "'k', headers = {x = '1', y = '2'}} or {headers = {x = '1'}}) end");
    rig_start(rig_conf(P "publisher: {type: 'null', routes: t}\nhooks: [h.lua]\n"));
    t = watch();
    rig_event("a", "key", 1, NULL);
    EXPECT(line(t), "\"kind\":\"other\",\"route\":{\"topic\":\"t\",\"key\":\"k\",\"headers\":{"
                    "\"x\":\"1\",\"y\":\"2\"}},\"event\":{");
    rig_event("b", "key", 1, NULL);
    EXPECT(line(t), "\"route\":{\"headers\":{\"x\":\"1\"}},\"event\":{");
    gw_tap_close(t);
    rig_end();
}

TEST(test_tap_tells_of_filters_by_type)
{
    struct gw_tap *t;

    rig_begin(GW_LOG_MEMORY);
    rig_start(rig_conf(P FILE_ "event_types: [workflow]\n"));
    t = watch();
    rig_append(&(struct gw_record){.kind = GW_NODE, .received_at_ns = 1, .payload = GW_STR("")});
    EXPECT(line(t),
           "\"outcome\":\"filtered\",\"reason\":\"event_types\",\"seq\":1,\"kind\":\"node\"}");
    rig_event("a", "key", 1, NULL);
    EXPECT(line(t),
           "\"outcome\":\"filtered\",\"reason\":\"event_types\",\"key\":\"key\",\"seq\":2,");
    gw_tap_close(t);
    rig_end();
}

TEST(test_tap_tells_of_tries_again)
{
    struct gw_tap *t;
    const char *got;

    rig_begin(GW_LOG_MEMORY);
    rig_script("h.lua", "local n = 0 return function(e) if e.id == 'h' and n == 0 then n = 1 "
                        "return moongate.retry, 'later' end end");
    rig_start(rig_conf(P FILE_ "hooks: [h.lua]\n"));
    t = watch();
    rig_failing = 1;
    rig_event("a", "key", 1, NULL);
    EXPECT(line(t), "\"outcome\":\"try_again\",\"reason\":\"out: write", "\"id\":\"a\"");
    rig_failing = 0;
    while (strstr(got = line(t), "try_again"))
        ;
    EXPECT(got, "\"outcome\":\"published\",", "\"id\":\"a\"");
    rig_event("h", "key", 1, NULL);
    EXPECT(line(t), "\"outcome\":\"try_again\",\"reason\":\"later\"", "\"id\":\"h\"");
    EXPECT(line(t), "\"outcome\":\"published\",", "\"id\":\"h\"");
    gw_tap_close(t);
    rig_end();
}

TEST(test_tap_cuts_large_data)
{
    struct gw_tap *t;
    char *data = malloc(100001);
    const char *got;

    CHECK(data);
    memset(data, 'x', 100000);
    data[100000] = '\0';
    rig_begin(GW_LOG_MEMORY);
    rig_start(rig_conf(P FILE_));
    t = watch();
    rig_event("a", "key", 1, data);
    got = line(t);
    EXPECT(got, "\"data_cut\":{\"bytes\":100000,\"start\":\"xxxx", "\"event\":{\"specversion\"");
    CHECK(strlen(got) < 3000);
    CHECK(strlen(rig_text("out")) > 100000);
    gw_tap_close(t);
    rig_end();
    free(data);
}

/* A watcher that takes nothing: the pipeline goes on, and what did not fit is counted. */
TEST(test_tap_that_is_slow_misses_lines_and_is_told_how_many)
{
    enum { N = 1500 };
    static char data[2001];
    struct gw_tap *t;
    const char *got;
    int lines = 0;

    memset(data, 'y', 2000);
    rig_begin(GW_LOG_MEMORY);
    rig_start(rig_conf(P FILE_));
    t = watch();
    for (int i = 0; i < N; i++)
        rig_event("a", "key", 1, data);
    UNTIL(rig_stats().lag == 0);
    rig_stop(INT64_MAX);
    while (strstr(got = line(t), "\"outcome\""))
        lines++;
    CHECK(lines > 300 && lines < 550); /* 1 MiB of them */
    CHECK(!strncmp(got, "{\"missed\":", 10) && strtol(got + 10, NULL, 10) == N - lines);
    CHECK(!*line(t));
    gw_tap_close(t);
    rig_end();
}

TEST(test_tap_tells_what_was_missed_before_what_came_after_it)
{
    enum { N = 600 };
    static char data[2001];
    struct gw_tap *t;
    int lines = 0;
    long missed = 0;

    memset(data, 'y', 2000);
    rig_begin(GW_LOG_MEMORY);
    rig_start(rig_conf(P FILE_));
    t = watch();
    for (int i = 0; i < N; i++)
        rig_event("a", "key", 1, data);
    UNTIL(rig_stats().lag == 0);
    for (int i = 0; i < 100; i++, lines++)
        CHECK(strstr(line(t), "\"outcome\""));
    rig_event("last", "key", 1, NULL);
    UNTIL(rig_stats().lag == 0); /* its line is there */
    for (;;) {
        const char *got = line(t);

        if (!strncmp(got, "{\"missed\":", 10))
            missed = strtol(got + 10, NULL, 10);
        else if (strstr(got, "\"id\":\"last\""))
            break;
        else
            lines++;
    }
    CHECK(missed > 0 && lines + missed == N);
    gw_tap_close(t);
    rig_end();
}

TEST(test_tap_ends_with_the_pipeline_and_may_outlive_it)
{
    struct gw_tap *t, *u;

    rig_begin(GW_LOG_MEMORY);
    rig_start(rig_conf(P FILE_));
    t = watch();
    u = watch();
    rig_event("a", "key", 1, NULL);
    CHECK(strstr(line(t), "published"));
    rig_stop(INT64_MAX);
    CHECK(!*line(t) && strstr(line(u), "published") && !*line(u));
    gw_tap_close(t);
    gw_tap_close(u);
    rig_end();
}

/* Closed while its wake is under way: the wake does not come, and nothing is left behind. */
TEST(test_tap_closed_is_not_woken)
{
    rig_begin(GW_LOG_MEMORY);
    rig_start(rig_conf(P FILE_));
    for (int i = 0; i < 10; i++) {
        struct gw_tap *t;
        struct gw_buf b;

        gw_pipeline_pause(rig.pipeline, 1);
        rig_event("a", "key", 1, NULL);
        t = watch();
        gw_buf_init(&b, 1 << 20, NULL);
        CHECK(gw_tap_next(t, &b) == 0);
        gw_pipeline_pause(rig.pipeline, 0);
        UNTIL(rig_stats().lag == 0); /* the wake is posted, and no turn has run it */
        gw_tap_close(t);
        woken = 0;
        gw_loop_turn(rig.loop, 0);
        CHECK(woken == 0);
        gw_buf_free(&b);
    }
    rig_end();
}

TEST(test_tap_several_watchers_and_workers)
{
    enum { N = 200 };
    struct gw_tap *t[3];

    rig_begin(GW_LOG_MEMORY);
    rig_start(rig_conf(P FILE_ "workers: 3\n"));
    for (int i = 0; i < 3; i++)
        t[i] = watch();
    rig_events(0, N, 11);
    for (int i = 0; i < 3; i++) {
        for (int n = 0; n < N; n++)
            CHECK(strstr(line(t[i]), "\"outcome\":\"published\""));
        gw_tap_close(t[i]);
    }
    rig_end();
}
