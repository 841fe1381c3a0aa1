#include "hook/lookups.h"

#include "base/diag.h"
#include "base/err.h"
#include "base/field.h"
#include "hook/flat.h"
#include "hook/shared.h"
#include "hook/table.h"
#include "hook/world.h"
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char lines[65536];
static size_t n_lines;

static void on_log(const char *text, size_t len)
{
    n_lines++;
    if (strlen(lines) + len < sizeof(lines))
        strncat(lines, text, len);
}

static const char *here[] = {"."};
static const struct gw_strs files = {here, 1};

static struct gw_lookup_conf conf_of(const char *path, const char *column)
{
    return (struct gw_lookup_conf){
        .path = path, .column = column, .files = &files, .max_file = GW_LOOKUP_FILE_MAX};
}

/* Written aside and renamed, as tools do. */
static void replace(const char *name, const char *text)
{
    world_write("aside.tmp", text);
    CHECK(!rename("aside.tmp", name));
}

static int has(const struct gw_table *t, const char *key, const char *column, const char *value)
{
    const int64_t row = gw_table_find(t, gw_str_of(key));
    struct gw_str v;
    size_t passed;

    if (row < 0)
        return 0;
    v = gw_table_value(t, (size_t)row, gw_str_of(column), &passed);
    return v.p && gw_str_is(gw_flat_take_str(&v), value);
}

static int now_has(struct gw_lookup *l, const char *key, const char *column, const char *value)
{
    struct gw_table *t = gw_lookup_table(l);
    int there = has(t, key, column, value);

    gw_table_drop(t);
    return there;
}

TEST(test_lookups_are_read_once_and_anew_when_they_have_changed)
{
    struct gw_lookups *all = gw_lookups_new("orders");
    struct gw_lookup_conf conf = conf_of("t.csv", "k");
    struct gw_lookup *l;
    struct gw_table *before;
    struct gw_err err;

    gw_diag_sink = on_log;
    replace("t.csv", "k,v\n1,old\n2,x\n");
    l = gw_lookups_open(all, &conf, &err);
    CHECK(l && gw_lookups_open(all, &conf, &err) == l);
    CHECK(!gw_lookups_refresh(all) && !n_lines);
    before = gw_lookup_table(l);
    replace("t.csv", "k,v\n1,new\n");
    CHECK(now_has(l, "1", "v", "old")); /* nobody looked yet */
    CHECK(gw_lookups_refresh(all) == 1);
    CHECK(now_has(l, "1", "v", "new") && !now_has(l, "2", "v", "x"));
    CHECK(has(before, "1", "v", "old") && has(before, "2", "v", "x"));
    gw_table_drop(before);
    CHECK(n_lines == 1 &&
          strstr(lines, "level=info component=hook msg=\"a lookup has changed\" pipeline=orders "
                        "file=t.csv rows=1"));
    CHECK(!gw_lookups_refresh(all));
    gw_lookups_free(all);
}

TEST(test_lookups_that_cannot_be_read_anew_stay_and_are_told_once)
{
    struct gw_lookups *all = gw_lookups_new("orders");
    struct gw_lookup_conf conf = conf_of("t.csv", "k");
    struct gw_lookup *l;
    struct gw_err err;

    gw_diag_sink = on_log;
    replace("t.csv", "k,v\n1,old\n");
    l = gw_lookups_open(all, &conf, &err);
    replace("t.csv", "k,v\n1,new\n2\n");
    CHECK(gw_lookups_refresh(all) == 1 && !gw_lookups_refresh(all));
    CHECK(now_has(l, "1", "v", "old"));
    CHECK(n_lines == 1 && strstr(lines, "level=error") &&
          strstr(lines, "msg=\"a lookup has changed and cannot be read, the old one stays\" "
                        "pipeline=orders file=t.csv error=\"t.csv:3: 1 cell, but 2 columns\""));
    CHECK(!unlink("t.csv"));
    CHECK(gw_lookups_refresh(all) == 1 && !gw_lookups_refresh(all));
    CHECK(n_lines == 2 && strstr(lines, "error=\"t.csv: No such file or directory\""));
    replace("t.csv", "k,v\n1,mended\n");
    CHECK(gw_lookups_refresh(all) == 1 && now_has(l, "1", "v", "mended"));
    /* As it was when it failed, but the table is another by now: nothing to do, nothing to tell. */
    CHECK(!gw_lookups_refresh(all) && n_lines == 3);
    gw_lookups_free(all);
}

static void allow_files(rlim_t n)
{
    struct rlimit limit;

    CHECK(!getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = n ? n : limit.rlim_max;
    CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
}

TEST(test_lookups_that_cannot_be_read_for_a_while_are_tried_again)
{
    struct gw_lookups *all = gw_lookups_new("orders");
    struct gw_lookup_conf conf = conf_of("t.csv", "k");
    struct gw_lookup *l;
    struct gw_err err;

    gw_diag_sink = on_log;
    replace("t.csv", "k,v\n1,old\n");
    l = gw_lookups_open(all, &conf, &err);
    replace("t.csv", "k,v\n1,new\n");
    CHECK(!gw_lookups_wait(all));
    allow_files(3);
    CHECK(gw_lookups_refresh(all) == 1 && !gw_lookups_refresh(all) && gw_lookups_wait(all));
    CHECK(now_has(l, "1", "v", "old"));
    CHECK(n_lines == 1 && strstr(lines, "error=\"t.csv: Too many open files\""));
    allow_files(0);
    CHECK(gw_lookups_refresh(all) == 1 && now_has(l, "1", "v", "new") && !gw_lookups_wait(all));
    CHECK(n_lines == 2 && !gw_lookups_refresh(all));
    replace("t.csv", "k,v\n1,newer\n");
    allow_files(3);
    CHECK(gw_lookups_refresh(all) == 1 && gw_lookups_wait(all));
    CHECK(!unlink("t.csv"));
    CHECK(gw_lookups_refresh(all) == 1 && !gw_lookups_wait(all)); /* that does not pass by itself */
    allow_files(0);
    gw_lookups_free(all);
}

TEST(test_lookups_whose_file_leads_elsewhere_now_are_not_followed)
{
    struct gw_lookups *all = gw_lookups_new("orders");
    struct gw_lookup_conf conf = conf_of("data/t.csv", "k");
    const char *folder[] = {"data/*.csv"};
    const struct gw_strs only = {folder, 1};
    struct gw_lookup *l;
    struct gw_err err;

    gw_diag_sink = on_log;
    CHECK(!mkdir("data", 0700) && !mkdir("data/..1", 0700) && !mkdir("data/..2", 0700));
    replace("data/..1/t.csv", "k,v\n1,one\n");
    replace("data/..2/t.csv", "k,v\n1,two\n");
    replace("secret.csv", "k,v\n1,secret\n");
    conf.files = &only;
    /* As a ConfigMap is mounted: a link to a link to a folder, which is what changes. */
    CHECK(!symlink("..1", "data/..data") && !symlink("..data/t.csv", "data/t.csv"));
    l = gw_lookups_open(all, &conf, &err);
    CHECK(l && now_has(l, "1", "v", "one"));
    CHECK(!symlink("..2", "data/..new") && !rename("data/..new", "data/..data"));
    CHECK(gw_lookups_refresh(all) == 1 && now_has(l, "1", "v", "two"));
    CHECK(!symlink("../secret.csv", "data/new") && !rename("data/new", "data/t.csv"));
    CHECK(gw_lookups_refresh(all) == 1 && now_has(l, "1", "v", "two"));
    CHECK(strstr(lines, "error=\"data/t.csv: hook_limits.files does not name it\""));
    CHECK(!gw_lookups_open(all, &conf, &err) && strstr(err.msg, "does not name it"));
    gw_lookups_free(all);
}

TEST(test_lookups_are_bounded_in_number_and_unused_ones_go)
{
    struct gw_lookups *all = gw_lookups_new("orders");
    struct gw_lookup *l[GW_LOOKUPS_MAX + 1];
    struct gw_err err;
    char name[16];

    for (int i = 0; i <= GW_LOOKUPS_MAX; i++) {
        struct gw_lookup_conf conf;

        snprintf(name, sizeof(name), "%d.csv", i);
        world_write(name, "k\n1\n");
        conf = conf_of(name, "k");
        l[i] = gw_lookups_open(all, &conf, &err);
        CHECK(!l[i] == (i == GW_LOOKUPS_MAX));
        if (i == GW_LOOKUPS_MAX) {
            CHECK(strstr(err.msg, "100.csv would be one of more than 100 lookups"));
            gw_lookup_close(l[0]);
            l[i] = gw_lookups_open(all, &conf, &err);
            CHECK(l[i]);
        }
    }
    gw_lookups_free(all);
}

TEST(test_lookups_are_bounded_in_bytes)
{
    struct gw_str text = GW_STR("k,v\n1,a\n2,b\n3,c\n");
    struct gw_err err;
    struct gw_table *t = gw_table_read("t.csv", text, "k", 1 << 20, &err);

    CHECK(t && t->n == 3);
    gw_table_drop(t);
    CHECK(!gw_table_read("t.csv", text, "k", 100, &err));
    CHECK(strstr(err.msg, "more than 0 MiB in memory"));
    CHECK(truncate("t.csv", 0) == -1);
    world_write("large.csv", "k\n");
    CHECK(!truncate("large.csv", GW_LOOKUP_FILE_MAX + 1));
    CHECK(gw_lookup_file_read("large.csv", &files, GW_LOOKUP_FILE_MAX, &text, &(struct stat){0},
                              &err) == -1);
    CHECK(err.kind == GW_ERR_TOO_LARGE && strstr(err.msg, "large.csv: larger than 64 MiB"));
}

/* ---- in scripts ---- */

static const char script[] = "local m = require 'moongate'\n"
                             "local t = m.lookup('t.csv', 'k')\n"
                             "local kept = t['1']\n"
                             "return function(e) e.a = t['1'].v e.b = kept.v e.n = #t if e.subject "
                             "== 'gone' then kept = t['2'] end end\n";

TEST(test_lookups_a_kept_row_is_found_again_by_its_key)
{
    struct world w;

    world_init(&w);
    w.conf.limits.files = files;
    w.conf.shared = gw_hook_shared_new("orders", NULL);
    replace("t.csv", "k,v\n1,old\n2,x\n");
    world_script(&w, "s.lua", script);
    world_open(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(!strcmp(world_attr(&w, "a"), "old") && !strcmp(world_attr(&w, "b"), "old"));
    replace("t.csv", "k,v\n0,first\n1,new\n");
    CHECK(gw_hook_shared_refresh(w.conf.shared) == 1);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(!strcmp(world_attr(&w, "a"), "new") && !strcmp(world_attr(&w, "b"), "new"));
    replace("t.csv", "k,v\n0,first\n");
    CHECK(gw_hook_shared_refresh(w.conf.shared) == 1);
    world_write("s2.lua", "");
    CHECK(world_call(&w)->verdict == GW_HOOK_FAILED);
    CHECK(strstr(w.call.text, "s.lua:4:")); /* t['1'] is nil now */
    gw_hook_shared_drop(w.conf.shared);
    world_close(&w);
}

TEST(test_lookups_a_kept_row_that_is_gone_is_an_error)
{
    struct world w;

    world_init(&w);
    w.conf.limits.files = files;
    w.conf.shared = gw_hook_shared_new("orders", NULL);
    replace("t.csv", "k,v\n1,old\n");
    world_script(&w, "s.lua",
                 "local t = require('moongate').lookup('t.csv', 'k')\nlocal kept = t['1']\n"
                 "return function(e) e.b = kept.v end\n");
    world_open(&w);
    replace("t.csv", "k,v\n2,new\n");
    CHECK(gw_hook_shared_refresh(w.conf.shared) == 1);
    CHECK(world_call(&w)->verdict == GW_HOOK_FAILED);
    CHECK(strstr(w.call.text, "s.lua:3: t.csv has no row \"1\" any more"));
    gw_hook_shared_drop(w.conf.shared);
    world_close(&w);
}

static struct gw_hook_shared *changing;

/* The script logs between two looks. */
static void on_change(const char *text, size_t len)
{
    on_log(text, len);
    if (memmem(text, len, "between", 7))
        replace("t.csv", "k,v\n1,new\n");
    if (memmem(text, len, "between", 7))
        CHECK(gw_hook_shared_refresh(changing) == 1);
}

TEST(test_lookups_a_run_goes_on_with_what_it_saw_first)
{
    struct world w;

    world_init(&w);
    w.conf.limits.files = files;
    w.conf.shared = changing = gw_hook_shared_new("orders", NULL);
    replace("t.csv", "k,v\n1,old\n2,x\n");
    world_script(&w, "s.lua",
                 "local m = require 'moongate'\nlocal t = m.lookup('t.csv', 'k')\n"
                 "return function(e) e.a = t['1'].v m.log.info('between') e.b = t['1'].v "
                 "e.n = #t end\n");
    world_script(&w, "next.lua",
                 "local t = require('moongate').lookup('t.csv', 'k')\n"
                 "return function(e) e.c = t['1'].v end\n");
    world_open(&w);
    gw_diag_sink = on_change;
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    gw_diag_sink = on_log;
    CHECK(!strcmp(world_attr(&w, "a"), "old") && !strcmp(world_attr(&w, "b"), "old"));
    CHECK(!strcmp(world_attr(&w, "c"), "old")); /* the record's next hook too */
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(!strcmp(world_attr(&w, "a"), "new") && !strcmp(world_attr(&w, "c"), "new"));
    gw_hook_shared_drop(w.conf.shared);
    world_close(&w);
}

static void count_path(void *ctx, const char *path)
{
    CHECK(!strcmp(path, "t.csv"));
    ++*(int *)ctx;
}

TEST(test_lookups_of_a_script_are_listed_while_it_is_loaded)
{
    struct world w;
    int n = 0;

    world_init(&w);
    w.conf.limits.files = files;
    w.conf.shared = gw_hook_shared_new("orders", NULL);
    replace("t.csv", "k,v\n1,old\n");
    world_script(&w, "s.lua", script);
    world_open(&w);
    gw_hook_shared_files(w.conf.shared, count_path, &n);
    CHECK(n == 1);
    world_write("s.lua", "return function() end\n");
    CHECK(!gw_hooks_reload(w.hooks, NULL, &w.err));
    gw_hook_shared_files(w.conf.shared, count_path, &n);
    CHECK(n == 1);
    world_close(&w);
    gw_hook_shared_drop(w.conf.shared);
}

/* A script that loads looks at the file again, and keeps what it was when that is broken. */
TEST(test_lookups_are_looked_at_again_when_a_script_loads)
{
    struct world w;

    world_init(&w);
    gw_diag_sink = on_log;
    w.conf.limits.files = files;
    replace("t.csv", "k,v\n1,old\n");
    world_script(&w, "s.lua", script);
    world_open(&w);
    replace("t.csv", "k,v\n1,new\n");
    CHECK(!gw_hooks_reload(w.hooks, NULL, &w.err));
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH && !strcmp(world_attr(&w, "a"), "new"));
    replace("t.csv", "k,v\n1,newer,\n");
    CHECK(!gw_hooks_reload(w.hooks, NULL, &w.err));
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH && !strcmp(world_attr(&w, "a"), "new"));
    CHECK(strstr(lines, "t.csv:2: 3 cells, but 2 columns"));
    world_close(&w);
}

/* Reading takes a minute here. */
static int64_t fake_ms = 1000;

static int64_t fake_now(void)
{
    return fake_ms;
}

static void on_slow_log(const char *text, size_t len)
{
    on_log(text, len);
    fake_ms += 60000;
}

TEST(test_lookups_that_take_long_to_read_do_not_cost_the_script_its_time)
{
    struct world w;

    world_init(&w);
    w.conf.limits.files = files;
    replace("t.csv", "k,v\n1,old\n");
    world_script(&w, "s.lua",
                 "for i = 1, 5000 do end\nlocal t = require('moongate').lookup('t.csv', 'k')\n"
                 "for i = 1, 5000 do end\nreturn function(e) e.a = t['1'].v end\n");
    world_open(&w);
    replace("t.csv", "k,v\n1,new\n");
    gw_hook_now_ms = fake_now;
    gw_diag_sink = on_slow_log;
    CHECK(!gw_hooks_reload(w.hooks, NULL, &w.err));
    CHECK(fake_ms == 61000);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH && !strcmp(world_attr(&w, "a"), "new"));
    world_close(&w);
}

/* ---- threads ---- */

static struct gw_lookups *raced;
static _Atomic int over;

static void *read_all_the_time(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        struct gw_lookup_conf conf = conf_of("t.csv", "k");
        struct gw_err err;
        struct gw_lookup *l = gw_lookups_open(raced, &conf, &err);
        struct gw_table *t;

        CHECK(l);
        t = gw_lookup_table(l);
        /* A version is whole: both rows say the same. */
        CHECK((has(t, "1", "v", "a") && has(t, "2", "v", "a")) ||
              (has(t, "1", "v", "b") && has(t, "2", "v", "b")));
        gw_table_drop(t);
        gw_lookup_close(l);
    }
    return NULL;
}

TEST(test_lookups_change_under_threads_that_read_them)
{
    pthread_t threads[3];
    size_t renewed = 0;

    gw_diag_sink = on_log;
    raced = gw_lookups_new("orders");
    replace("t.csv", "k,v\n1,a\n2,a\n");
    for (int i = 0; i < 3; i++)
        CHECK(!pthread_create(&threads[i], NULL, read_all_the_time, NULL));
    for (int i = 0; i < 100; i++) {
        replace("t.csv", i % 2 ? "k,v\n1,a\n2,a\n" : "k,v\n2,b\n1,b\n0,b\n");
        renewed += gw_lookups_refresh(raced);
    }
    atomic_store(&over, 1);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK(renewed > 0);
    gw_lookups_free(raced);
}
