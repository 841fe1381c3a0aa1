#include "cmd/paths.h"
#include "cmd/watch.h"
#include "net/loop.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* A watcher of what a test names, in its own folder; how often it has told. */
struct watching {
    struct gw_loop *loop;
    struct gw_watcher *watcher;
    struct gw_timer stop;
    const char *paths[5];
    int told, stopped;
};

/* What a save needs is shorter, and nothing passes or fails by it. */
static const struct gw_watcher_times times = {
    .quiet_ms = 20, .most_ms = 300, .writing_ms = 3600000, .look_ms = 10};

static void on_changed(void *ctx)
{
    ++((struct watching *)ctx)->told;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

static void set(struct watching *w)
{
    struct gw_paths *p = gw_paths_new();

    for (size_t i = 0; w->paths[i]; i++)
        gw_paths_add(p, w->paths[i]);
    gw_paths_sort(p);
    gw_watcher_set(w->watcher, &p);
    CHECK(!p);
}

/* As its user does: what changed may need other folders. */
static void expect_one(struct watching *w)
{
    const int before = w->told;

    while (w->told == before)
        gw_loop_turn(w->loop, 1);
    set(w);
}

static void on_stop(struct gw_timer *t)
{
    ((struct watching *)((char *)t - offsetof(struct watching, stop)))->stopped = 1;
}

/* What happens while nothing is done: the loop's turns. */
static int turns_within(struct watching *w, int64_t ms)
{
    int turns = 0;

    w->stopped = 0;
    gw_timer_set(&w->stop, ms);
    while (!w->stopped) {
        gw_loop_turn(w->loop, 1);
        turns++;
    }
    return turns;
}

static void begin(struct watching *w, const struct gw_watcher_times *t)
{
    w->loop = gw_loop_new();
    gw_timer_init(&w->stop, w->loop, on_stop);
    w->watcher = gw_watcher_new(w->loop, t, on_changed, w);
    set(w);
    expect_one(w); /* it may have changed before it was watched */
}

static void end(struct watching *w)
{
    gw_watcher_free(w->watcher);
    gw_timer_fini(&w->stop);
    gw_loop_free(w->loop);
}

TEST(test_watch_sees_every_way_to_save)
{
    struct watching w = {.paths = {"a.lua"}};

    write_file("a.lua", "0");
    begin(&w, &times);
    write_file("a.lua", "1");
    expect_one(&w);
    write_file("new", "2");
    CHECK(!rename("new", "a.lua"));
    expect_one(&w);
    write_file("a.lua", "3"); /* what was renamed over is another file */
    expect_one(&w);
    CHECK(!unlink("a.lua"));
    expect_one(&w);
    write_file("a.lua", "4");
    expect_one(&w);
    write_file("new", "5");
    CHECK(!unlink("a.lua") && !link("new", "a.lua"));
    expect_one(&w);
    CHECK(!chmod("a.lua", 0640));
    expect_one(&w);
    end(&w);
}

TEST(test_watch_sees_links_turned_and_folders_that_come_and_go)
{
    struct watching w = {.paths = {"map/a.lua", "later/b.lua", NULL}};

    CHECK(!mkdir("map", 0700) && !mkdir("map/..1", 0700) && !mkdir("map/..2", 0700));
    write_file("map/..1/a.lua", "1");
    write_file("map/..2/a.lua", "2");
    CHECK(!symlink("..1", "map/..data") && !symlink("..data/a.lua", "map/a.lua"));
    begin(&w, &times);
    CHECK(!symlink("..2", "map/..data_tmp") && !rename("map/..data_tmp", "map/..data"));
    expect_one(&w);
    expect_one(&w); /* the other folder is new */
    write_file("map/..2/a.lua", "3");
    expect_one(&w);
    CHECK(!mkdir("later", 0700));
    expect_one(&w);
    expect_one(&w);
    write_file("later/b.lua", "1");
    expect_one(&w);
    expect_one(&w); /* the file itself is watched now */
    CHECK(!rename("later", "away"));
    expect_one(&w);
    end(&w);
}

/* One more is written all the time, in the same folder, and by the gateway itself perhaps. */
TEST(test_watch_is_idle_while_nothing_of_its_own_happens)
{
    struct watching w = {.paths = {"a.lua", "none.lua"}};
    int fd;

    write_file("a.lua", "0");
    begin(&w, &times);
    fd = open("out.jsonl", O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0);
    turns_within(&w, 50);
    for (int i = 0; i < 20; i++)
        CHECK(write(fd, "x", 1) == 1);
    CHECK(turns_within(&w, 100) == 1 && w.told == 1);
    CHECK(!close(fd));
    turns_within(&w, 50); /* it is closed: seen, and no concern of it */
    CHECK(turns_within(&w, 100) == 1 && w.told == 1);
    end(&w);
}

TEST(test_watch_tells_once_of_what_comes_together)
{
    struct watching w = {.paths = {"a.lua", "b.lua"}};

    begin(&w, &times);
    for (int i = 0; i < 100; i++)
        write_file(i % 2 ? "a.lua" : "b.lua", "x");
    expect_one(&w);
    CHECK(w.told == 2);
    end(&w);
}

TEST(test_watch_waits_until_it_is_quiet)
{
    static struct gw_watcher_times t = {.quiet_ms = 1, .most_ms = 3600000, .writing_ms = 1};
    struct watching w = {.paths = {"a.lua"}};

    write_file("a.lua", "0");
    begin(&w, &t);
    t.quiet_ms = 3600000;
    for (int i = 0; i < 20; i++) {
        write_file("a.lua", "x");
        turns_within(&w, 5);
    }
    CHECK(w.told == 1);
    end(&w);
}

TEST(test_watch_does_not_wait_for_ever_for_quiet)
{
    static struct gw_watcher_times t = {.quiet_ms = 1, .most_ms = 100, .writing_ms = 1};
    struct watching w = {.paths = {"a.lua"}};

    begin(&w, &t);
    t.quiet_ms = 3600000;
    write_file("a.lua", "x");
    expect_one(&w);
    end(&w);
}

/* quiet is short and writing lasts: only the close lets it go. */
TEST(test_watch_waits_for_who_is_writing)
{
    struct watching w = {.paths = {"a.lua", "b.lua"}};
    int a, b;

    write_file("a.lua", "0");
    begin(&w, &times);
    a = open("a.lua", O_WRONLY | O_TRUNC);
    CHECK(a >= 0 && write(a, "half", 4) == 4);
    turns_within(&w, 200);
    CHECK(w.told == 1);
    b = open("b.lua", O_WRONLY | O_CREAT | O_EXCL, 0600); /* one that was not there */
    CHECK(b >= 0 && write(b, "half", 4) == 4 && !fchmod(b, 0640));
    turns_within(&w, 200);
    CHECK(!close(a));
    turns_within(&w, 200);
    CHECK(w.told == 1);
    set(&w); /* in between others may be watched */
    turns_within(&w, 200);
    CHECK(!close(b));
    while (w.told == 1)
        gw_loop_turn(w.loop, 1);
    end(&w);
}

TEST(test_watch_waits_for_who_is_writing_when_others_are_watched_too)
{
    struct watching w = {.paths = {"c.lua", "m.lua", "none.lua"}};
    int here, made;

    write_file("m.lua", "0");
    begin(&w, &times);
    here = open("m.lua", O_WRONLY | O_TRUNC);
    CHECK(here >= 0 && write(here, "half", 4) == 4);
    made = open("c.lua", O_WRONLY | O_CREAT | O_EXCL, 0600);
    CHECK(made >= 0 && write(made, "half", 4) == 4);
    turns_within(&w, 50);
    w.paths[2] = "a.lua"; /* comes before them, another is gone */
    w.paths[3] = "new/z.lua";
    set(&w);
    turns_within(&w, 200);
    CHECK(!close(here));
    turns_within(&w, 200);
    CHECK(w.told == 1);
    CHECK(!close(made));
    while (w.told == 1)
        gw_loop_turn(w.loop, 1);
    end(&w);
}

TEST(test_watch_gives_a_writer_up_that_never_closes)
{
    const struct gw_watcher_times t = {.quiet_ms = 5, .most_ms = 20, .writing_ms = 100};
    struct watching w = {.paths = {"a.lua"}};
    int a;

    write_file("a.lua", "0");
    begin(&w, &t);
    a = open("a.lua", O_WRONLY);
    CHECK(a >= 0 && write(a, "half", 4) == 4);
    expect_one(&w);
    CHECK(!close(a));
    end(&w);
}

/* Saves one after another, each of them short, for longer than one writer is waited for. */
TEST(test_watch_takes_many_saves_for_no_writer_that_never_closes)
{
    const struct gw_watcher_times t = {.quiet_ms = 5, .most_ms = 20, .writing_ms = 1000};
    struct watching w = {.paths = {"a.lua"}};
    int fd = -1;

    write_file("a.lua", "0");
    begin(&w, &t);
    for (int i = 0; i < 13; i++) { /* the next one begins before anybody could look */
        fd = open("a.lua", O_WRONLY | O_TRUNC);
        CHECK(fd >= 0 && write(fd, "half", 4) == 4);
        turns_within(&w, 100);
        CHECK(w.told == 1);
        if (i < 12)
            CHECK(!close(fd));
    }
    CHECK(!close(fd));
    while (w.told == 1)
        gw_loop_turn(w.loop, 1);
    end(&w);
}

/* What came since it was told, before the loop has seen it. */
TEST(test_watch_knows_what_is_not_told_yet)
{
    struct watching w = {.paths = {"a.lua"}};

    write_file("a.lua", "0");
    begin(&w, &times);
    CHECK(!gw_watcher_stirs(w.watcher));
    write_file("a.lua", "1");
    CHECK(gw_watcher_stirs(w.watcher) && gw_watcher_stirs(w.watcher) && w.told == 1);
    expect_one(&w);
    CHECK(!gw_watcher_stirs(w.watcher));
    end(&w);
}

/* ---- without inotify ---- */

static int no_inotify(int flags)
{
    (void)flags;
    errno = EMFILE;
    return -1;
}

static int no_room(int fd, const char *path, uint32_t mask)
{
    (void)fd;
    (void)path;
    (void)mask;
    errno = ENOSPC;
    return -1;
}

static void check_looks(void)
{
    struct watching w = {.paths = {"map/a.lua", "none.lua"}};

    CHECK(!mkdir("map", 0700) && !mkdir("map/..1", 0700) && !mkdir("map/..2", 0700));
    write_file("map/..1/a.lua", "1");
    write_file("map/..2/a.lua", "2");
    CHECK(!symlink("..1", "map/..data") && !symlink("..data/a.lua", "map/a.lua"));
    begin(&w, &times);
    write_file("map/..1/a.lua", "3");
    while (w.told < 2)
        gw_loop_turn(w.loop, 1);
    CHECK(!symlink("..2", "map/..data_tmp") && !rename("map/..data_tmp", "map/..data"));
    while (w.told < 3)
        gw_loop_turn(w.loop, 1);
    write_file("none.lua", "1");
    set(&w);
    while (w.told < 4)
        gw_loop_turn(w.loop, 1);
    end(&w);
}

TEST(test_watch_that_looks_waits_until_two_looks_are_the_same)
{
    struct gw_watcher_looks l = {1, 1};

    CHECK(!gw_watcher_is_settled(&l, 1));
    CHECK(!gw_watcher_is_settled(&l, 2) && !gw_watcher_is_settled(&l, 3)); /* being written */
    CHECK(gw_watcher_is_settled(&l, 3) && !gw_watcher_is_settled(&l, 3));
    CHECK(!gw_watcher_is_settled(&l, 4) && !gw_watcher_is_settled(&l, 3)); /* as it was told */
    CHECK(!gw_watcher_is_settled(&l, 3));
}

TEST(test_watch_looks_where_there_is_no_inotify)
{
    gw_watcher_inotify = no_inotify;
    check_looks();
}

TEST(test_watch_looks_where_no_more_can_be_watched)
{
    gw_watcher_add = no_room;
    check_looks();
}
