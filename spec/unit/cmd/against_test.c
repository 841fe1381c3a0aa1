/* A file of somebody else's events: what is found in it, what is left, what is refused. */
#include "cmd/against.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FLYTEADMIN                                                                                 \
    "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/admin\","                                \
    "\"type\":\"com.flyte.resource.flyteidl.admin.NodeExecutionEventRequest\","                    \
    "\"time\":\"%s\",\"datacontenttype\":\"application/json\",\"data\":{\"event\":{\"id\":{"       \
    "\"nodeId\":\"%s\",\"executionId\":{\"project\":\"p\",\"domain\":\"d\",\"name\":\"x\"}},"      \
    "\"phase\":\"RUNNING\"}}}\n"
#define OTHER "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/s\",\"type\":\"t\"}\n"

static struct gw_against *theirs;
static struct gw_arena *mem;
static struct gw_event found;
static struct gw_err err;
static char told[1000];

static FILE *file(void)
{
    FILE *f = fopen("old.jsonl", "w");

    CHECK(f);
    return f;
}

static void begin(const char *from, const char *to)
{
    int64_t from_ns = 0, to_ns = 0;

    CHECK(!from || !gw_time_parse_ns(gw_str_of(from), &from_ns));
    CHECK(!to || !gw_time_parse_ns(gw_str_of(to), &to_ns));
    mem = gw_arena_new();
    theirs = gw_against_open("old.jsonl", NULL, from_ns, to_ns, &err);
    if (!theirs)
        fprintf(stderr, "%s\n", err.msg);
    CHECK(theirs);
}

static int take(const char *report)
{
    return gw_against_take(theirs, mem, gw_str_of(report), &found, &err);
}

static int tell(void *ctx, const struct gw_event *ev, uint64_t line, struct gw_err *e)
{
    const size_t len = strlen(told);
    const struct gw_str id = ev ? gw_event_text(ev, "id") : GW_STR("again");

    (void)ctx;
    (void)e;
    snprintf(told + len, sizeof(told) - len, "%.*s@%d ", (int)id.len, id.p, (int)line);
    return 0;
}

static const char *rest(void)
{
    told[0] = '\0';
    CHECK(!gw_against_rest(theirs, tell, NULL, &err));
    return told;
}

static void end(void)
{
    gw_against_close(theirs);
    gw_arena_free(mem);
}

TEST(test_against_finds_events_by_what_they_report)
{
    FILE *f = file();

    fprintf(f, FLYTEADMIN "\n", "a", "2026-11-24T10:00:00Z", "n0");
    fprintf(f, OTHER, "1");
    fprintf(f, FLYTEADMIN, "b", "2026-11-24T10:00:00Z", "n:1");
    CHECK(!fclose(f));
    begin(NULL, NULL);
    CHECK(gw_against_count(theirs) == 3);
    CHECK(take("node:p:d:x:n%3A1::RUNNING") == GW_AGAINST_ONE);
    CHECK(gw_str_is(gw_event_text(&found, "id"), "b") && found.data_kind == GW_DATA_JSON);
    CHECK(take("node:p:d:x:n0::QUEUED") == GW_AGAINST_NONE);
    CHECK(take("task:p:d:x:n0::RUNNING") == GW_AGAINST_NONE);
    CHECK(take("other:/s:1") == GW_AGAINST_ONE);
    CHECK(!strcmp(rest(), "a@1 "));
    end();
}

TEST(test_against_gives_an_event_once_and_tells_repeats)
{
    FILE *f = file();

    for (int i = 0; i < 3; i++)
        fprintf(f, FLYTEADMIN, i ? "later" : "first", "2026-11-24T10:00:00Z", "n0");
    for (int i = 0; i < 2; i++)
        fprintf(f, OTHER, "1");
    CHECK(!fclose(f));
    begin(NULL, NULL);
    CHECK(take("node:p:d:x:n0::RUNNING") == GW_AGAINST_ONE);
    CHECK(gw_str_is(gw_event_text(&found, "id"), "first"));
    CHECK(take("node:p:d:x:n0::RUNNING") == GW_AGAINST_ONE);
    CHECK(gw_str_is(gw_event_text(&found, "id"), "later"));
    CHECK(!strcmp(rest(), "again@0 1@4 1@5 "));
    end();
    begin(NULL, NULL);
    for (int i = 0; i < 3; i++)
        CHECK(take("node:p:d:x:n0::RUNNING") == GW_AGAINST_ONE);
    CHECK(take("node:p:d:x:n0::RUNNING") == GW_AGAINST_TAKEN);
    end();
}

/* Two ids whose reports have one hash. */
#define X "YOpmt-3nQIK"
#define Y "HQ7KnkK3rnH"

static void shared_hash(const char *ids)
{
    FILE *f = file();

    CHECK(gw_hash64(GW_STR("other:/s:" X)) == gw_hash64(GW_STR("other:/s:" Y)));
    for (int i = 1; *ids; i++, ids++)
        fprintf(f,
                "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/s\",\"type\":\"t\","
                "\"subject\":\"%d\"}\n",
                *ids == 'x' ? X : Y, i);
    CHECK(!fclose(f));
    begin(NULL, NULL);
}

static int takes(const char *id, const char *subject)
{
    char report[40];

    snprintf(report, sizeof(report), "other:/s:%s", id);
    return take(report) == GW_AGAINST_ONE && gw_str_is(gw_event_text(&found, "id"), id) &&
           gw_str_is(gw_event_text(&found, "subject"), subject);
}

TEST(test_against_mixes_nothing_up_that_shares_a_hash)
{
    shared_hash("xyxyy");
    CHECK(takes(Y, "2") && takes(X, "1") && takes(Y, "4") && takes(Y, "5"));
    CHECK(take("other:/s:" Y) == GW_AGAINST_TAKEN);
    CHECK(!strcmp(rest(), "again@0 "));
    end();
    shared_hash("xyxyyx");
    CHECK(takes(X, "1"));
    CHECK(!strcmp(rest(), "again@0 again@0 " Y "@2 " Y "@4 " Y "@5 "));
    end();
    shared_hash("xxx");
    CHECK(take("other:/s:" Y) == GW_AGAINST_NONE && takes(X, "1") && takes(X, "2"));
    CHECK(!strcmp(rest(), "again@0 "));
    end();
}

TEST(test_against_leaves_out_of_the_rest_what_is_outside_the_span)
{
    FILE *f = file();

    fprintf(f, FLYTEADMIN, "early", "2026-11-24T09:59:59.999999999Z", "n0");
    fprintf(f, FLYTEADMIN, "first", "2026-11-24T11:00:00+01:00", "n1");
    fprintf(f, FLYTEADMIN, "last", "2026-11-24T10:59:59.9Z", "n2");
    fprintf(f, FLYTEADMIN, "late", "2026-11-24T11:00:00Z", "n3");
    fprintf(f, OTHER, "timeless");
    CHECK(!fclose(f));
    begin("2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z");
    CHECK(gw_against_count(theirs) == 3);
    CHECK(!strcmp(rest(), "first@2 last@3 timeless@5 "));
    end();
    begin("2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z");
    CHECK(take("node:p:d:x:n0::RUNNING") == GW_AGAINST_ONE); /* found all the same */
    CHECK(take("node:p:d:x:n3::RUNNING") == GW_AGAINST_ONE);
    end();
    begin("2026-11-24T10:59:59.9Z", NULL);
    CHECK(!strcmp(rest(), "last@3 late@4 timeless@5 "));
    end();
}

TEST(test_against_leaves_out_a_line_that_is_being_written)
{
    FILE *f = file();

    fprintf(f, OTHER, "1");
    fputs("{\"specversion\":\"1.0\",\"id\":\"2\",", f);
    CHECK(!fclose(f));
    begin(NULL, NULL);
    CHECK(!strcmp(rest(), "1@1 "));
    end();
}

static void refused(const char *path, const char *why)
{
    CHECK(!gw_against_open(path, NULL, 0, 0, &err));
    if (!strstr(err.msg, why))
        fprintf(stderr, "%s\n", err.msg);
    CHECK(strstr(err.msg, why));
}

TEST(test_against_refuses_what_it_cannot_read_with_its_place)
{
    FILE *f = file();

    fprintf(f, OTHER "{\"specversion\":\"1.0\",\"id\":\"2\"}\n", "1");
    CHECK(!fclose(f));
    refused("old.jsonl", "old.jsonl:2: ");
    refused("none.jsonl", "none.jsonl");
    CHECK(!mkdir("folder", 0700));
    refused("folder", "folder");
}

TEST(test_against_copies_what_can_be_read_once_only)
{
    pid_t pid;
    FILE *f;

    CHECK(!mkfifo("pipe", 0600));
    pid = fork();
    CHECK(pid >= 0);
    if (!pid) {
        f = fopen("pipe", "w");
        fprintf(f, OTHER FLYTEADMIN, "1", "a", "2026-11-24T10:00:00Z", "n0");
        _exit(fclose(f));
    }
    mem = gw_arena_new();
    theirs = gw_against_open("pipe", ".", 0, 0, &err);
    CHECK(theirs && take("node:p:d:x:n0::RUNNING") == GW_AGAINST_ONE && !strcmp(rest(), "1@1 "));
    end();
    CHECK(waitpid(pid, NULL, 0) == pid);
}

TEST(test_against_notices_a_file_that_changed_under_it)
{
    FILE *f = file();

    fprintf(f, OTHER OTHER, "1", "2");
    CHECK(!fclose(f));
    begin(NULL, NULL);
    CHECK(!fclose(file()));
    CHECK(take("other:/s:1") == -1 && strstr(err.msg, "changed meanwhile"));
    CHECK(gw_against_rest(theirs, tell, NULL, &err) == -1 && strstr(err.msg, "changed meanwhile"));
    end();
}
