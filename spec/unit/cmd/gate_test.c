#include "base/err.h"
#include "cmd/gate.h"
#include "hook/sources.h"
#include "pipeline/pipeline.h"
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

static struct gw_pipeline_conf conf_of(const char **hooks, size_t n)
{
    static char lua[4096];

    snprintf(lua, sizeof(lua), "%s/lua", spec_root());
    return (struct gw_pipeline_conf){
        .name = "p",
        .enabled = 1,
        .hooks = {hooks, n},
        .hook_limits = {.instructions = 1000000, .memory = 32 << 20, .timeout_ms = 5000},
        .source = "/s",
        .lua_path = lua};
}

static const char *text_of(struct gw_sources *s, const char *path)
{
    static char out[2][200];
    static int turn;
    struct gw_str text;
    struct gw_err err;

    CHECK(gw_sources_file(s, path, &text, &err) == 1);
    turn = !turn;
    snprintf(out[turn], sizeof(out[turn]), "%.*s", (int)text.len, text.p);
    return out[turn];
}

static atomic_int over;

/* The two scripts of a version. */
static void write_version(int i)
{
    char name[30], text[60];

    snprintf(name, sizeof(name), "%d", i);
    CHECK(!mkdir(name, 0700));
    snprintf(text, sizeof(text), "return function() end -- %d", i);
    snprintf(name, sizeof(name), "%d/a.lua", i);
    write_file(name, text);
    snprintf(name, sizeof(name), "%d/b.lua", i);
    write_file(name, text);
}

/* All files of a version at one moment, as in a ConfigMap. None comes back: what was there before
 * and is there again cannot be told from what never went. */
static void *turn(void *arg)
{
    for (int i = 1; i < 5000 && !atomic_load(&over); i++) {
        char name[20];

        write_version(i);
        snprintf(name, sizeof(name), "%d", i);
        CHECK(!symlink(name, "tmp") && !rename("tmp", "data"));
        if (i % 50 == 0)
            usleep(2000); /* sometimes there is time to read */
    }
    return arg;
}

TEST(test_gate_reads_all_files_at_one_moment)
{
    const char *hooks[] = {"data/a.lua", "data/b.lua"};
    const struct gw_pipeline_conf conf = conf_of(hooks, 2);
    pthread_t turner;
    int passed = 0;

    write_version(0);
    CHECK(!symlink("0", "data") && !pthread_create(&turner, NULL, turn, NULL));
    for (int i = 0; i < 300; i++) {
        struct gw_gate g;

        gw_gate_try(&g, &conf, NULL, 1, NULL);
        if (!g.why[0])
            CHECK(!strcmp(text_of(g.sources, hooks[0]), text_of(g.sources, hooks[1])));
        else
            CHECK(strstr(g.why, "being saved"));
        passed += !g.why[0];
        gw_sources_drop(g.sources);
    }
    CHECK(passed);
    atomic_store(&over, 1);
    CHECK(!pthread_join(turner, NULL));
}

/* What a hook has required late is of the same moment, although nobody has asked for it yet. */
TEST(test_gate_takes_along_what_was_needed_late)
{
    const char *hooks[] = {"a.lua"};
    const struct gw_pipeline_conf conf = conf_of(hooks, 1);
    struct gw_sources *before = gw_sources_new();
    struct gw_gate g;

    write_file("a.lua", "return function() end");
    write_file("late.lua", "1");
    CHECK(!strcmp(text_of(before, "late.lua"), "1"));
    write_file("late.lua", "2");
    gw_gate_try(&g, &conf, before, 1, NULL);
    CHECK(!g.why[0]);
    write_file("late.lua", "3");
    CHECK(gw_sources_changed(g.sources) && !strcmp(text_of(g.sources, "late.lua"), "2"));
    gw_sources_drop(before);
    gw_sources_drop(g.sources);
}

TEST(test_gate_says_what_does_not_load_and_which_test_fails)
{
    const char *hooks[] = {"a.lua"};
    const struct gw_pipeline_conf conf = conf_of(hooks, 1);
    struct gw_gate g;

    gw_gate_try(&g, &conf, NULL, 1, NULL);
    CHECK(strstr(g.why, "a.lua:1: there is no such file"));
    gw_sources_drop(g.sources);
    write_file("a.lua", "return funtion() end");
    gw_gate_try(&g, &conf, NULL, 1, NULL);
    CHECK(strstr(g.why, "a.lua:1: "));
    gw_sources_drop(g.sources);
    write_file("a.lua", "return function(e) e.v = 1 end");
    write_file("a_spec.lua", "local gate = require 'moongate.test'\n"
                             "it('x', function()\n"
                             "  assert.equal(2, gate.hook('a.lua')(gate.workflow{})[1].v)\n"
                             "end)\n");
    gw_gate_try(&g, &conf, NULL, 1, NULL);
    CHECK(strstr(g.why, "a_spec.lua:3: "));
    gw_sources_drop(g.sources);
    gw_gate_try(&g, &conf, NULL, 0, NULL);
    CHECK(!g.why[0]);
    gw_sources_drop(g.sources);
}

/* What is told: nothing of the text of a file that may not be read. */
static void expect_refused(struct gw_pipeline_conf *conf, const char *name)
{
    struct gw_gate g;
    char why[200];

    snprintf(why, sizeof(why),
             "team/%s:1: leads out of the folders that it may be in, and of guard.files", name);
    gw_gate_try(&g, conf, NULL, 1, NULL);
    CHECK(!strcmp(g.why, why));
    gw_sources_drop(g.sources);
}

static void expect_passed(struct gw_pipeline_conf *conf)
{
    struct gw_gate g;

    gw_gate_try(&g, conf, NULL, 1, NULL);
    CHECK(!g.why[0]);
    gw_sources_drop(g.sources);
}

TEST(test_gate_keeps_scripts_below_the_folders_of_the_guard)
{
    const char *hooks[] = {"team/a.lua"}, *folders[] = {"team", "shared"};
    const struct gw_strs roots = {folders, 2};
    struct gw_pipeline_conf conf = conf_of(hooks, 1);

    CHECK(!mkdir("team", 0700) && !mkdir("shared", 0700) && !mkdir("team/v1", 0700));
    write_file("team/v1/a.lua", "return function() end");
    write_file("shared/a.lua", "return function() end");
    write_file("secret.lua", "return function() end");
    write_file("secret_spec.lua", "");
    CHECK(!symlink("v1/a.lua", "team/a.lua"));
    conf.script_roots = &roots;
    expect_passed(&conf);
    CHECK(!symlink("../shared/a.lua", "team/new") && !rename("team/new", "team/a.lua"));
    expect_passed(&conf);
    CHECK(!symlink("../secret.lua", "team/new") && !rename("team/new", "team/a.lua"));
    expect_refused(&conf, "a.lua");
    CHECK(!symlink("v1/a.lua", "team/new") && !rename("team/new", "team/a.lua"));
    CHECK(!symlink("../secret_spec.lua", "team/a_spec.lua"));
    expect_refused(&conf, "a_spec.lua");
    conf.script_roots = NULL;
    expect_passed(&conf);
}

TEST(test_gate_ends_when_nobody_waits_for_it)
{
    static const atomic_int now = 1;
    const char *hooks[] = {"a.lua"};
    struct gw_pipeline_conf conf = conf_of(hooks, 1);
    struct gw_gate g;

    write_file("a.lua", "while true do end");
    gw_gate_try(&g, &conf, NULL, 1, &now);
    CHECK(!strcmp(g.why, "a.lua:1: ended from outside"));
    gw_sources_drop(g.sources);
}
