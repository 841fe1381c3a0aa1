#include "publish/publish_file.h"

#include "base/arena.h"
#include "base/err.h"
#include "event/event.h"
#include "net/loop.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int syncs, fail_sync_from = 1 << 30; /* the n-th sync and all after it fail */

static int fake_sync(int fd)
{
    (void)fd;
    errno = EIO;
    return ++syncs >= fail_sync_from ? -1 : 0;
}

struct seen {
    char text[200];
};

static void on_result(void *ctx, struct gw_message *m, const struct gw_result *r)
{
    struct seen *s = ctx;
    size_t n = strlen(s->text);

    snprintf(s->text + n, sizeof(s->text) - n, "%c%.*s ", r->outcome == GW_DELIVERED ? '+' : '-',
             (int)m->body.len - 1, m->body.p);
}

static struct gw_publisher *open_file(const struct gw_publish_file_conf *c, struct gw_loop *l,
                                      struct seen *s)
{
    static const struct gw_format structured = {0};
    struct gw_err err;
    struct gw_publisher *p = gw_publisher_find("file")->open(c, &structured, l, &err);

    if (!p)
        return NULL;
    gw_publish_file_sync = fake_sync;
    p->result = on_result;
    p->ctx = s;
    return p;
}

/* Lines of one letter as one batch; waits for their results. */
static void write_lines(struct gw_publisher *p, const char *letters)
{
    struct gw_message m[20] = {0};
    char body[20][2];
    size_t n = strlen(letters);

    for (size_t i = 0; i < n; i++) {
        body[i][0] = letters[i];
        body[i][1] = '\n';
        m[i].body = (struct gw_str){body[i], 2};
        m[i].next = i + 1 < n ? &m[i + 1] : NULL;
    }
    gw_publisher_send(p, m);
    gw_loop_turn(p->loop, 1);
}

static int holds(const char *path, const char *text)
{
    char got[200] = "";
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof(got) - 1);

    if (fd >= 0)
        close(fd);
    if (n != (ssize_t)strlen(text) || memcmp(got, text, (size_t)n) != 0)
        fprintf(stderr, "%s holds %zd bytes: %s\n", path, n, got);
    return n == (ssize_t)strlen(text) && !memcmp(got, text, (size_t)n);
}

static void put_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static const struct gw_publish_common common = {.max_message_bytes = 1 << 20,
                                                .batch = {1000, 1 << 20, 0}};

TEST(test_publish_file_syncs_once_a_batch)
{
    const struct gw_publish_file_conf c = {.common = common, .path = "f", .fsync = 1};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};
    struct gw_publisher *p = open_file(&c, l, &s);

    write_lines(p, "abc");
    CHECK(syncs == 1 && !strcmp(s.text, "+a +b +c "));
    CHECK(holds("f", "a\nb\nc\n"));
    gw_publisher_close(p);
    gw_loop_free(l);
}

TEST(test_publish_file_is_on_the_disk_with_its_name_before_it_is_delivered)
{
    const struct gw_publish_file_conf c = {.common = common, .path = "f", .fsync = 1};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};
    struct gw_publisher *p;

    gw_publish_file_sync = fake_sync;
    fail_sync_from = 1; /* the folder, at open */
    CHECK(!open_file(&c, l, &s));
    fail_sync_from = 1 << 30;
    p = open_file(&c, l, &s);
    fail_sync_from = syncs + 1;
    write_lines(p, "a");
    CHECK(!strcmp(s.text, "-a "));
    gw_publisher_close(p);
    gw_loop_free(l);
}

TEST(test_publish_file_takes_a_failed_batch_back)
{
    const struct gw_publish_file_conf c = {.common = common, .path = "f", .fsync = 1};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};
    struct gw_publisher *p = open_file(&c, l, &s);

    write_lines(p, "a");
    fail_sync_from = syncs + 1;
    write_lines(p, "bc");
    CHECK(holds("f", "a\n"));
    fail_sync_from = 1 << 30;
    write_lines(p, "bc");
    CHECK(!strcmp(s.text, "+a -b -c +b +c ") && holds("f", "a\nb\nc\n"));
    gw_publisher_close(p);
    gw_loop_free(l);
}

TEST(test_publish_file_cuts_an_unfinished_last_line_off)
{
    const struct gw_publish_file_conf c = {.common = common, .path = "f", .fsync = 1};
    static const char *const all[][2] = {{"", ""},
                                         {"whole\n", "whole\n"},
                                         {"whole\nhalf", "whole\n"},
                                         {"half", ""},
                                         {"\n\nx", "\n\n"}};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        put_file("f", all[i][0]);
        gw_publisher_close(open_file(&c, l, &s));
        CHECK(holds("f", all[i][1]));
    }
    gw_loop_free(l);
}

TEST(test_publish_file_cuts_a_long_unfinished_line_off)
{
    const struct gw_publish_file_conf c = {.common = common, .path = "f", .fsync = 1};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};
    static char text[20000];

    memset(text, 'x', sizeof(text) - 1);
    text[5] = '\n';
    put_file("f", text);
    gw_publisher_close(open_file(&c, l, &s));
    CHECK(holds("f", "xxxxx\n"));
    gw_loop_free(l);
}

TEST(test_publish_file_rotates_between_lines_and_keeps_so_many)
{
    struct gw_publish_file_rotate rotate = {.max_bytes = 4, .keep = 2};
    const struct gw_publish_file_conf c = {
        .common = common, .path = "f", .fsync = 1, .rotate = &rotate};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};
    struct gw_publisher *p = open_file(&c, l, &s);

    write_lines(p, "abcdefg");
    CHECK(!strcmp(s.text, "+a +b +c +d +e +f +g "));
    CHECK(holds("f", "g\n") && holds("f.1", "e\nf\n") && holds("f.2", "c\nd\n"));
    CHECK(access("f.3", F_OK) != 0);
    gw_publisher_close(p);
    gw_loop_free(l);
}

TEST(test_publish_file_a_batch_that_fails_behind_a_rotation_keeps_what_was_synced)
{
    struct gw_publish_file_rotate rotate = {.max_bytes = 4, .keep = 5};
    const struct gw_publish_file_conf c = {
        .common = common, .path = "f", .fsync = 1, .rotate = &rotate};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};
    struct gw_publisher *p = open_file(&c, l, &s);

    fail_sync_from = syncs + 2;
    write_lines(p, "abcd");
    CHECK(!strcmp(s.text, "+a +b -c -d "));
    fail_sync_from = 1 << 30;
    write_lines(p, "cd");
    CHECK(holds("f.1", "a\nb\n") && holds("f", "c\nd\n"));
    gw_publisher_close(p);
    gw_loop_free(l);
}

TEST(test_publish_file_goes_on_in_the_file_of_that_name_when_others_renamed_it)
{
    const struct gw_publish_file_conf c = {.common = common, .path = "f", .fsync = 1};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};
    struct gw_publisher *p = open_file(&c, l, &s);

    write_lines(p, "a");
    CHECK(!rename("f", "old"));
    write_lines(p, "b");
    CHECK(holds("old", "a\n") && holds("f", "b\n"));
    gw_publisher_close(p);
    gw_loop_free(l);
}

TEST(test_publish_file_two_publishers_of_one_file_do_not_cut_each_other)
{
    const struct gw_publish_file_conf c = {.common = common, .path = "f", .fsync = 1};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};
    struct gw_publisher *p = open_file(&c, l, &s), *q = open_file(&c, l, &s);

    write_lines(p, "a");
    write_lines(q, "b");
    fail_sync_from = syncs + 1;
    write_lines(p, "c");
    fail_sync_from = 1 << 30;
    write_lines(q, "d");
    write_lines(p, "c");
    CHECK(holds("f", "a\nb\nd\nc\n"));
    gw_publisher_close(p);
    gw_publisher_close(q);
    gw_loop_free(l);
}

static int cut_fails(int fd, off_t size)
{
    (void)fd;
    (void)size;
    errno = EIO;
    return -1;
}

/* A failed batch that could not be cut off: the next publisher of the file writes behind it, and
 * that is not cut off with it later. */
TEST(test_publish_file_does_not_cut_what_others_wrote_behind_a_failed_batch)
{
    const struct gw_publish_file_conf c = {.common = common, .path = "f", .fsync = 1};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};
    struct gw_publisher *p = open_file(&c, l, &s), *q = open_file(&c, l, &s);

    write_lines(p, "a");
    fail_sync_from = syncs + 1;
    gw_publish_file_cut = cut_fails;
    write_lines(p, "bc");
    gw_publish_file_cut = ftruncate;
    fail_sync_from = 1 << 30;
    write_lines(q, "d");
    write_lines(p, "bc");
    CHECK(holds("f", "a\nb\nc\nd\nb\nc\n")); /* twice, but nothing is lost */
    gw_publisher_close(p);
    gw_publisher_close(q);
    gw_loop_free(l);
}

TEST(test_publish_file_cuts_half_a_line_of_another_publisher_off)
{
    const struct gw_publish_file_conf c = {.common = common, .path = "f", .fsync = 1};
    struct rlimit was, small = {.rlim_cur = 3};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};
    struct gw_publisher *p = open_file(&c, l, &s), *q = open_file(&c, l, &s);

    CHECK(!getrlimit(RLIMIT_FSIZE, &was));
    small.rlim_max = was.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    write_lines(p, "a");
    CHECK(!setrlimit(RLIMIT_FSIZE, &small));
    gw_publish_file_cut = cut_fails;
    write_lines(p, "b");
    CHECK(!setrlimit(RLIMIT_FSIZE, &was));
    CHECK(holds("f", "a\nb"));
    gw_publish_file_cut = ftruncate;
    write_lines(q, "d");
    write_lines(p, "b");
    CHECK(holds("f", "a\nd\nb\n"));
    gw_publisher_close(p);
    gw_publisher_close(q);
    gw_loop_free(l);
}

/* ---- streams ---- */

TEST(test_publish_file_two_publishers_of_one_pipe_do_not_write_into_each_others_lines)
{
    enum { BIG = 300000 };
    const struct gw_publish_file_conf c = {.common = common, .path = "pipe", .fsync = 1};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};
    struct gw_publisher *p, *q;
    struct gw_message one = {0}, two = {.body = {"b\n", 2}};
    char *big = malloc(BIG), *got = malloc(BIG + 2);
    size_t n = 0;
    int fd;

    memset(big, 'x', BIG);
    big[BIG - 1] = '\n';
    one.body = (struct gw_str){big, BIG};
    CHECK(!mkfifo("pipe", 0600));
    fd = open("pipe", O_RDONLY | O_NONBLOCK);
    p = open_file(&c, l, &s);
    q = open_file(&c, l, &s);
    gw_publisher_send(p, &one); /* half of it */
    CHECK(read(fd, got, 100000) > 0);
    n = 0;
    gw_publisher_send(q, &two); /* there is room now */
    while (n < 100 || got[n - 1] != '\n' || got[n - 2] != 'b') {
        ssize_t got_now = read(fd, got + n, BIG + 2 - n);

        if (got_now > 0)
            n += (size_t)got_now;
        CHECK(n < BIG + 2);
        gw_loop_turn(l, 0);
    }
    CHECK(memchr(got, '\n', n) == got + n - 3 && !memcmp(got + n - 3, "\nb\n", 3));
    gw_loop_turn(l, 0);
    gw_publisher_close(p);
    gw_publisher_close(q);
    close(fd);
    free(big);
    free(got);
    gw_loop_free(l);
}

/* The one that began the line goes: the next one begins behind a line feed. */
TEST(test_publish_file_ends_half_a_line_of_a_publisher_that_is_gone)
{
    enum { BIG = 300000 };
    const struct gw_publish_file_conf c = {.common = common, .path = "pipe", .fsync = 1};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};
    struct gw_publisher *p, *q;
    struct gw_message one = {0};
    char *big = malloc(BIG), *got = malloc(BIG);
    ssize_t n, k;
    int fd;

    memset(big, 'x', BIG);
    big[BIG - 1] = '\n';
    one.body = (struct gw_str){big, BIG};
    CHECK(!mkfifo("pipe", 0600));
    fd = open("pipe", O_RDONLY | O_NONBLOCK);
    p = open_file(&c, l, &s);
    q = open_file(&c, l, &s);
    gw_publisher_send(p, &one);
    gw_publisher_close(p);
    CHECK(s.text[0] == '-');
    n = read(fd, got, BIG);
    CHECK(n > 0 && n < BIG && !memchr(got, '\n', (size_t)n));
    write_lines(q, "b");
    k = read(fd, got, BIG);
    CHECK(k == 3 && !memcmp(got, "\nb\n", 3));
    gw_publisher_close(q);
    close(fd);
    free(big);
    free(got);
    gw_loop_free(l);
}

TEST(test_publish_file_writes_the_rest_when_a_full_pipe_is_read)
{
    enum { BIG = 300000 };
    const struct gw_publish_file_conf c = {.common = common, .path = "pipe", .fsync = 1};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};
    struct gw_publisher *p;
    struct gw_message m[2] = {{.next = &m[1], .body = {"a\n", 2}}, {0}};
    char *big = malloc(BIG), *got = malloc(BIG + 2);
    size_t n = 0;
    int fd;

    memset(big, 'x', BIG);
    big[BIG - 1] = '\n';
    m[1].body = (struct gw_str){big, BIG};
    CHECK(!mkfifo("pipe", 0600));
    fd = open("pipe", O_RDONLY | O_NONBLOCK);
    p = open_file(&c, l, &s);
    CHECK(p);
    gw_publisher_send(p, m);
    gw_loop_turn(l, 0);
    CHECK(s.text[0] == '\0'); /* it does not fit: no result yet, and no waiting */
    while (n < BIG + 2) {
        ssize_t got_now = read(fd, got + n, BIG + 2 - n);

        if (got_now > 0)
            n += (size_t)got_now;
        gw_loop_turn(l, 0);
    }
    gw_loop_turn(l, 0);
    gw_loop_turn(l, 0);
    CHECK(!strncmp(s.text, "+a +xxx", 7) && !memcmp(got, "a\n", 2) && !memcmp(got + 2, big, BIG));
    gw_publisher_close(p);
    close(fd);
    free(big);
    free(got);
    gw_loop_free(l);
}

TEST(test_publish_file_says_try_again_of_a_pipe_that_nobody_reads)
{
    const struct gw_publish_file_conf c = {.common = common, .path = "pipe", .fsync = 1};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};
    struct gw_publisher *p;
    sigset_t pipe_signal;
    int fd;

    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigprocmask(SIG_BLOCK, &pipe_signal, NULL); /* as workers do */
    CHECK(!mkfifo("pipe", 0600));
    fd = open("pipe", O_RDONLY | O_NONBLOCK);
    p = open_file(&c, l, &s);
    close(fd);
    write_lines(p, "ab");
    CHECK(!strcmp(s.text, "-a -b "));
    gw_publisher_close(p);
    gw_loop_free(l);
}

TEST(test_publish_file_says_try_again_of_a_full_device)
{
    const struct gw_publish_file_conf c = {.common = common, .path = "/dev/full", .fsync = 1};
    struct gw_loop *l = gw_loop_new();
    struct seen s = {""};
    struct gw_publisher *p = open_file(&c, l, &s);

    write_lines(p, "ab");
    CHECK(!strcmp(s.text, "-a -b ") && syncs == 0);
    gw_publisher_close(p);
    gw_loop_free(l);
}

/* ---- lines ---- */

static struct gw_str line_of(struct gw_publisher *p, struct gw_arena *mem, const char *json)
{
    struct gw_message m = {0};
    struct gw_event ev;
    struct gw_err err;

    gw_event_init(&ev, mem);
    gw_event_set(&ev, GW_STR("id"), GW_STR("1"));
    gw_event_set(&ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(&ev, GW_STR("type"), GW_STR("t"));
    ev.data_kind = GW_DATA_JSON;
    ev.data = gw_str_of(json);
    if (p->ops->format(p, &ev, NULL, mem, &m, &err))
        return (struct gw_str){err.msg, 0};
    CHECK(m.bytes == m.body.len);
    return m.body;
}

TEST(test_publish_file_has_an_event_on_one_line_and_else_keeps_json_data)
{
    const struct gw_publish_file_conf c = {.common = common, .path = "f", .fsync = 1};
    struct gw_loop *l = gw_loop_new();
    struct gw_arena *mem = gw_arena_new();
    struct seen s = {""};
    struct gw_publisher *p = open_file(&c, l, &s);
    struct gw_str line = line_of(p, mem, "{\"a\":\r\n  1.50,\t\"b\":\"\\n\"}");

    CHECK(line.len && line.p[line.len - 1] == '\n');
    CHECK(memchr(line.p, '\n', line.len) == line.p + line.len - 1 &&
          !memchr(line.p, '\r', line.len));
    CHECK(memmem(line.p, line.len, "{\"a\":    1.50,\t\"b\":\"\\n\"}", 24));
    gw_publisher_close(p);
    gw_arena_free(mem);
    gw_loop_free(l);
}

TEST(test_publish_file_refuses_an_event_over_max_message_bytes)
{
    const struct gw_publish_file_conf c = {
        .common = {.max_message_bytes = 100, .batch = {1000, 1 << 20, 0}}, .path = "f", .fsync = 1};
    struct gw_loop *l = gw_loop_new();
    struct gw_arena *mem = gw_arena_new();
    struct seen s = {""};
    struct gw_publisher *p = open_file(&c, l, &s);
    char big[200] = "\"";

    CHECK(line_of(p, mem, "\"small\"").len > 0);
    memset(big + 1, 'x', 150);
    big[151] = '"';
    CHECK(line_of(p, mem, big).len == 0);
    gw_publisher_close(p);
    gw_arena_free(mem);
    gw_loop_free(l);
}
