#include "hook/sources.h"
#include "world.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a path is in the snapshot: its text, "-" for no file, or the error. */
static const char *text_of(struct gw_sources *s, const char *path)
{
    static char out[1000];
    struct gw_str text;
    struct gw_err err;
    int rc = gw_sources_file(s, path, &text, &err);

    if (rc < 0) {
        snprintf(out, sizeof(out), "%s", err.msg);
        return out;
    }
    CHECK(rc ? text.p != NULL : !text.p);
    snprintf(out, sizeof(out), "%.*s", rc ? (int)text.len : 1, rc ? text.p : "-");
    return out;
}

static int is(struct gw_sources *s, const char *path, const char *text)
{
    const char *got = text_of(s, path);

    if (strcmp(got, text) != 0)
        fprintf(stderr, "%s: %s\n", path, got);
    return !strcmp(got, text);
}

TEST(test_sources_give_one_answer_for_life)
{
    struct gw_sources *s = gw_sources_new();

    world_write("a.lua", "one");
    world_write("gone.lua", "here");
    world_write("empty.lua", "");
    CHECK(is(s, "a.lua", "one") && is(s, "none.lua", "-") && is(s, "gone.lua", "here"));
    CHECK(is(s, "empty.lua", "") && is(s, "a.lua/b.lua", "-"));
    CHECK(!gw_sources_changed(s));
    world_write("a.lua", "two");
    world_write("none.lua", "new");
    CHECK(!unlink("gone.lua"));
    CHECK(is(s, "a.lua", "one") && is(s, "none.lua", "-") && is(s, "gone.lua", "here"));
    CHECK(gw_sources_changed(s));
    gw_sources_drop(s);
}

/* Each of them alone counts; the same text again does not. */
TEST(test_sources_know_what_has_changed_on_the_disk)
{
    struct gw_sources *s = gw_sources_new();

    world_write("a.lua", "one");
    world_write("b.lua", "one");
    CHECK(is(s, "b.lua", "one") && is(s, "a.lua", "one") && is(s, "c.lua", "-"));
    world_write("a.lua", "TWO");
    CHECK(gw_sources_changed(s));
    world_write("a.lua", "one");
    CHECK(!gw_sources_changed(s));
    world_write("c.lua", "");
    CHECK(gw_sources_changed(s));
    CHECK(!unlink("c.lua") && !gw_sources_changed(s));
    CHECK(!unlink("b.lua") && gw_sources_changed(s));
    world_write("new", "one");
    CHECK(!rename("new", "b.lua") && !gw_sources_changed(s));
    world_write("new", "two");
    CHECK(!unlink("b.lua") && !symlink("new", "b.lua") && gw_sources_changed(s));
    world_write("newer", "one");
    CHECK(!rename("newer", "new") && !gw_sources_changed(s));
    gw_sources_drop(s);
}

TEST(test_sources_take_files_only)
{
    struct gw_sources *s = gw_sources_new();

    CHECK(!mkdir("folder.lua", 0700) && !mkfifo("pipe.lua", 0600) && !symlink("self", "self"));
    CHECK(is(s, "folder.lua", "-") && is(s, "pipe.lua", "-"));
    CHECK(strstr(text_of(s, "self"), "cannot be read: "));
    CHECK(!gw_sources_changed(s));
    CHECK(!unlink("self"));
    CHECK(gw_sources_changed(s));
    gw_sources_drop(s);
}

static void count(void *ctx, const char *path)
{
    CHECK(path[0]);
    ++*(int *)ctx;
}

TEST(test_sources_are_bounded)
{
    struct gw_sources *s = gw_sources_new();
    char name[5000];
    int fd = open("big.lua", O_CREAT | O_WRONLY, 0600), n = 0;

    CHECK(fd >= 0 && !ftruncate(fd, (16 << 20) + 1) && !close(fd));
    CHECK(is(s, "big.lua", "is larger than 16 MiB"));
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "m%d.lua", i);
        CHECK(is(s, name, "-"));
    }
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    CHECK(is(s, name, "-"));
    gw_sources_each(s, count, &n);
    CHECK(n == 2000);
    world_write("late.lua", "x");
    CHECK(strstr(text_of(s, "late.lua"), "at most 2000 files and 64 MiB"));
    gw_sources_drop(s);
    s = gw_sources_new();
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "big%d.lua", i);
        fd = open(name, O_CREAT | O_WRONLY, 0600);
        CHECK(fd >= 0 && !ftruncate(fd, 16 << 20) && !close(fd));
        CHECK(i < 4 ? is(s, name, "") : strstr(text_of(s, name), "at most") != NULL);
    }
    gw_sources_drop(s);
}

static void *ask(void *s)
{
    struct gw_str first = {0}, text;
    struct gw_err err;

    for (int i = 0; i < 200; i++) {
        CHECK(gw_sources_file(s, "a.lua", &text, &err) == 1);
        CHECK(!first.p || (text.p == first.p && text.len == first.len));
        first = text;
        world_write("new", i % 2 ? "other" : "another");
        gw_sources_changed(s);
    }
    gw_sources_drop(s);
    return NULL;
}

TEST(test_sources_are_the_same_for_every_thread)
{
    struct gw_sources *s = gw_sources_new();
    pthread_t threads[3];

    world_write("a.lua", "text");
    for (int i = 0; i < 3; i++)
        CHECK(!pthread_create(&threads[i], NULL, ask, gw_sources_hold(s)));
    gw_sources_drop(s);
    for (int i = 0; i < 3; i++)
        CHECK(!pthread_join(threads[i], NULL));
}

/* ---- of hooks ---- */

static const char *subject(struct world *w)
{
    CHECK(world_call(w)->verdict == GW_HOOK_PUBLISH);
    return world_attr(w, "subject");
}

TEST(test_sources_are_what_scripts_and_their_modules_are_loaded_from)
{
    struct world w;

    world_init(&w);
    w.conf.sources = gw_sources_new();
    world_script(&w, "hook.lua",
                 "local n = 0\n"
                 "return function(e)\n"
                 "  n = n + 1\n"
                 "  if n == 3 then while true do end end\n"
                 "  e.subject = n .. require('m' .. 'od') .. (n == 2 and require 'late' or '')\n"
                 "end");
    world_write("mod.lua", "return 'a'");
    world_open(&w);
    CHECK(!strcmp(subject(&w), "1a"));
    world_write("hook.lua", "return funtion() end");
    world_write("mod.lua", "return 'b'");
    world_write("late.lua", "return 'c'");
    CHECK(!strcmp(subject(&w), "2ac"));
    CHECK(world_call(&w)->verdict == GW_HOOK_FAILED && !strcmp(w.call.reason, "hook_budget"));
    CHECK(!strcmp(subject(&w), "1a")); /* loaded afresh: what ran */
    world_write("late.lua", "return 'd'");
    CHECK(!strcmp(subject(&w), "2ac"));
    world_close(&w);
    gw_sources_drop(w.conf.sources);
}

TEST(test_sources_of_another_version_are_swapped_in)
{
    struct gw_sources *s[2];
    struct gw_hook_vm *vm;
    struct world w;

    world_init(&w);
    s[0] = w.conf.sources = gw_sources_new();
    world_script(&w, "hook.lua", "return function(e) e.subject = 'one' end");
    world_open(&w);
    world_write("hook.lua", "return function(e)\n if e.boom then while true do end end\n"
                            " e.subject = 'two' end");
    s[1] = gw_sources_new();
    vm = gw_hooks_load(&w.conf, s[1], &w.err);
    CHECK(vm);
    world_write("hook.lua", "return funtion() end");
    CHECK(!strcmp(subject(&w), "one"));
    gw_hooks_swap(w.hooks, &vm);
    CHECK(!vm && !strcmp(subject(&w), "two"));
    gw_event_set(&w.ev, GW_STR("boom"), GW_STR("yes"));
    CHECK(world_call(&w)->verdict == GW_HOOK_FAILED);
    gw_event_remove(&w.ev, GW_STR("boom"));
    CHECK(!strcmp(subject(&w), "two"));
    CHECK(!gw_hooks_load(&w.conf, NULL, &w.err) && strstr(w.err.msg, "hook.lua:1:"));
    CHECK(gw_hooks_reload(w.hooks, NULL, &w.err) == -1 && !strcmp(subject(&w), "two"));
    gw_hooks_unload(gw_hooks_load(&w.conf, s[0], &w.err));
    gw_hooks_unload(NULL);
    CHECK(!gw_hooks_reload(w.hooks, s[0], &w.err) && !strcmp(subject(&w), "one"));
    world_close(&w);
    gw_sources_drop(s[0]);
    gw_sources_drop(s[1]);
}

TEST(test_sources_begin_after_a_mark_and_a_line_for_the_shell)
{
    struct world w;

    world_init(&w);
    world_script(
        &w, "hook.lua",
        "\xef\xbb\xbf#!/usr/bin/lua\nreturn function(e) e.subject = 'ok' error('x', 1) end");
    world_open(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_FAILED && strstr(w.call.text, "hook.lua:2: x"));
    world_close(&w);
}
