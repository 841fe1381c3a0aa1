#include "config/config.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "publish/publisher.h"
#include "test.h"
#include "tls_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct gw_problems p;

static void put(const char *path, const char *text, size_t len)
{
    FILE *f = fopen(path, "we");

    CHECK(f && fwrite(text, 1, len, f) == len && !fclose(f));
}

/* A file in the folder of teams, d/t. */
static void team(const char *name, const char *text)
{
    char path[200];

    (void)mkdir("d", 0777);
    (void)mkdir("d/t", 0777);
    snprintf(path, sizeof(path), "d/t/%s", name);
    put(path, text, strlen(text));
}

static struct gw_config *load(const char *text)
{
    (void)mkdir("d", 0777);
    put("d/main.yaml", text, strlen(text));
    p = (struct gw_problems){.mem = gw_arena_new()};
    return gw_config_load("d/main.yaml", &p);
}

static void show(void)
{
    for (size_t i = 0; i < p.n; i++)
        fprintf(stderr, "%s:%d:%d: %s\n", p.items[i].file, p.items[i].line, p.items[i].column,
                p.items[i].text);
}

/* Exactly this one, among any others. */
static int has(const char *file, int line, int column, const char *text)
{
    for (size_t i = 0; i < p.n; i++)
        if (!strcmp(p.items[i].file, file) && p.items[i].line == line &&
            p.items[i].column == column && !strcmp(p.items[i].text, text))
            return 1;
    show();
    return 0;
}

static const struct gw_pipeline_conf *find(const struct gw_config *c, const char *name)
{
    const struct gw_pipeline_conf *all = c->pipelines.items, *found = NULL;

    for (size_t i = 0; i < c->pipelines.n; i++)
        if (!strcmp(all[i].name, name)) {
            CHECK(!found);
            found = &all[i];
        }
    return found;
}

static int is_up(const struct gw_config *c, const char *name)
{
    const struct gw_pipeline_conf *one = find(c, name);

    CHECK(one);
    return !one->down && !one->contested;
}

/* The names of all that run, in their order. */
static int runs(const struct gw_config *c, const char *names)
{
    const struct gw_pipeline_conf *all = c->pipelines.items;
    char text[1000] = "";

    for (size_t i = 0; i < c->pipelines.n; i++)
        if (!all[i].down)
            snprintf(text + strlen(text), 80, "%s ", all[i].name);
    if (strcmp(text, names) != 0)
        fprintf(stderr, "%s\n", text);
    return !strcmp(text, names);
}

#define ONE(name) "pipelines: [{name: " name ", publisher: {type: 'null'}}]\n"
#define TEAMS     "include: t/*.yaml\n"

TEST(test_include_adds_the_pipelines_of_files_in_the_order_of_their_names)
{
    struct gw_config *c;

    team("b.yaml", ONE("b"));
    team("a.yaml", ONE("a"));
    team("x.yml", ONE("x"));
    team("main.yaml", ONE("m"));
    team(".hidden.yaml", ONE("h"));
    team("none.yaml", "");
    c = load("include: [t/x.yml, 't/[ab].yaml', 't/*.yaml', nothing/*.yaml, '*.yaml']\n" ONE("z"));
    CHECK(c && p.n == 1 && runs(c, "z x a b m ") && c->broken.n == 0);
    CHECK(has("d/main.yaml", 1, 47, "include: nothing/*.yaml: there is no such file"));
    CHECK(!strcmp(find(c, "b")->source, c->source) && find(c, "b")->lua_path);
    gw_config_free(c);
    c = load("include: t/b.yaml\n");
    CHECK(c && p.n == 0 && runs(c, "b "));
    gw_config_free(c);
    c = load("include: nothing/*.yaml\n");
    CHECK(c && p.n == 1 && p.warnings == 1 && runs(c, "default "));
    gw_config_free(c);
}

TEST(test_include_paths_in_a_file_are_relative_to_it)
{
    struct gw_config *c;

    team("secret", "s\n");
    team("a.yaml", "pipelines:\n  - {name: a, hooks: [x.lua], publisher: {type: http, url: "
                   "'http://h/', bearer_token_file: secret, tls: {ca: ca.pem}}}\n");
    tls_authority_free(tls_certificate("d/t/ca", NULL, NULL, 30));
    c = load("include: t/a.yaml\n");
    CHECK(c && p.n == 0 && !strcmp(find(c, "a")->hooks.items[0], "d/t/x.lua"));
    CHECK(c->files.n == 2);
    for (size_t i = 0; i < 2; i++) {
        const struct gw_config_file *f = c->files.items;

        CHECK(!strcmp(f[i].path, i ? "d/t/ca.pem" : "d/t/secret") && f[i].of == find(c, "a"));
    }
    gw_config_free(c);
}

TEST(test_include_holds_pipelines_only)
{
    struct gw_config *c;

    team("a.yaml", "log: {path: /}\ninclude: b.yaml\npipeline: []\n" ONE("a"));
    team("b.yaml", "- 1\n");
    team("c.yaml", ONE("c"));
    c = load(TEAMS);
    CHECK(c && p.n == 4 && runs(c, "c "));
    CHECK(has("d/t/a.yaml", 1, 1,
              "\"log\" cannot stand here: an included file holds pipelines only"));
    CHECK(has("d/t/a.yaml", 2, 1,
              "\"include\" cannot stand here: an included file holds pipelines only"));
    CHECK(has("d/t/a.yaml", 3, 1,
              "\"pipeline\" cannot stand here: an included file holds pipelines only (did you "
              "mean \"pipelines\"?)"));
    CHECK(has("d/t/b.yaml", 1, 1, "the file: expected a mapping, not a list"));
    CHECK(!strcmp(find(c, "a")->down,
                  "d/t/a.yaml:1:1: \"log\" cannot stand here: an included file holds pipelines "
                  "only"));
    CHECK(c->broken.n == 2 && !strcmp(c->broken.items[1], "d/t/b.yaml"));
    gw_config_free(c);
}

TEST(test_include_of_what_is_broken_leaves_the_rest_running)
{
    struct gw_config *c;

    team("bad.yaml", "pipelines:\n  - name: one\n    wokers: 2\n    publisher: {type: 'null'}\n"
                     "  - {name: two, publisher: {type: 'null'}}\n  - {name: UPPER}\n"
                     "  - {name: one}\n  - {name: off, enabled: false}\n  - 5\n");
    team("good.yaml", ONE("good"));
    team("torn.yaml",
         "pipelines:\n  # name: not\n  - name: three\n    params:\n      - name: inner\n"
         "    publisher: {type: 'null'\n  - {name: \"four\", publisher: {type: 'null'}}\n"
         "  - publisher: {type: x}\n    name: five\n");
    c = load(TEAMS ONE("main"));
    CHECK(c && runs(c, "main good "));
    CHECK(find(c, "one")->down && find(c, "two")->down && !find(c, "UPPER") && find(c, "off"));
    CHECK(!strncmp(find(c, "two")->down, "d/t/bad.yaml:3:5: pipelines.one: unknown key", 44));
    CHECK(!find(c, "two")->guessed && find(c, "three")->guessed);
    CHECK(find(c, "four") && find(c, "five") && !find(c, "inner") && !find(c, "not"));
    CHECK(!strncmp(find(c, "four")->down, "d/t/torn.yaml:7:", 16));
    CHECK(find(c, "four")->workers == 1 && c->broken.n == 2);
    gw_config_free(c);
    CHECK(!load(TEAMS "pipelines: [{name: x}]\n")); /* the main file's own problem stops */
    gw_arena_free(p.mem);
}

TEST(test_include_of_what_is_no_file_waits_for_nobody)
{
    static char large[(1 << 20) + 1];
    struct gw_config *c;

    team("ok.yaml", ONE("ok"));
    CHECK(!mkfifo("d/t/fifo.yaml", 0600) && !mkdir("d/t/dir.yaml", 0700));
    CHECK(!symlink("/dev/zero", "d/t/zero.yaml") && !symlink("nowhere", "d/t/gone.yaml"));
    memset(large, '#', sizeof(large));
    put("d/t/large.yaml", large, sizeof(large));
    put("d/t/bytes.yaml",
        "\x7f"
        "ELF\0\xff",
        6);
    c = load("include: [t/*.yaml, t/none.yaml]\n");
    CHECK(c && runs(c, "ok ") && p.n == 7 && c->broken.n == 7);
    CHECK(has("d/main.yaml", 1, 11, "include: d/t/fifo.yaml: not a regular file"));
    CHECK(has("d/main.yaml", 1, 11, "include: d/t/zero.yaml: not a regular file"));
    CHECK(has("d/main.yaml", 1, 11, "include: d/t/dir.yaml: Is a directory"));
    CHECK(has("d/main.yaml", 1, 11, "include: d/t/gone.yaml: No such file or directory"));
    CHECK(has("d/main.yaml", 1, 11, "include: d/t/large.yaml: larger than 1 MiB"));
    CHECK(has("d/main.yaml", 1, 21, "include: d/t/none.yaml: No such file or directory"));
    CHECK(has("d/t/bytes.yaml", 1, 1, "not YAML: control characters are not allowed"));
    gw_config_free(c);
    CHECK(!load("include: main.yaml\n") && p.n == 1);
    CHECK(has("d/main.yaml", 1, 10, "include: main.yaml is this file itself"));
    gw_arena_free(p.mem);
}

/* head and n pieces, as a file of the teams' folder. */
static void bomb(const char *path, const char *head, const char *piece, size_t n)
{
    struct gw_buf b;

    gw_buf_init(&b, 2 << 20, NULL);
    gw_buf_puts(&b, head);
    for (size_t i = 0; i < n; i++)
        gw_buf_puts(&b, piece);
    put(path, b.p, b.len);
    gw_buf_free(&b);
}

TEST(test_include_of_a_bomb_is_a_problem_of_its_file)
{
    struct gw_config *c;

    team("ok.yaml", ONE("ok"));
    bomb("d/t/deep.yaml", "pipelines: ", "[", 900000);
    bomb("d/t/many.yaml", "pipelines:\n", "- {name: a}\n", 1001);
    team("alias.yaml", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                       "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                       "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\npipelines: [*e,*e,*e,*e,*e,*e]\n");
    team("self.yaml", "pipelines: &p [*p]\n");
    c = load(TEAMS);
    CHECK(c && runs(c, "ok ") && c->broken.n == 4 && p.n == 4);
    CHECK(
        has("d/t/many.yaml", 2, 1, "pipelines: 1001 of them; an included file holds 1000 at most"));
    CHECK(has("d/t/self.yaml", 1, 16, "*p: no anchor of this name stands before it"));
    gw_config_free(c);
}

/* Six thousand in twelve files, with their owners: comparing these for each pair would take until
 * the alarm. */
TEST(test_include_of_very_many_names_is_soon_compared)
{
    struct gw_config *c;

    CHECK(!mkdir("d", 0777) && !mkdir("d/moongate-data", 0777) && !mkdir("d/t", 0777));
    for (int i = 0; i < 12; i++) {
        char path[40];
        FILE *f;

        snprintf(path, sizeof(path), "d/t/f%d.yaml", i);
        f = fopen(path, "we");
        CHECK(f && fputs("pipelines:\n", f) >= 0);
        for (int k = 0; k < 500; k++)
            fprintf(f, "- {name: p%d-%d, publisher: {type: 'null'}}\n", i, k);
        CHECK(!fclose(f));
    }
    c = load(TEAMS);
    CHECK(c && p.n == 0 && c->pipelines.n == 6000);
    gw_config_note_owners(c);
    gw_config_free(c);
    team("f5.yaml", ONE("p3-7"));
    c = load(TEAMS);
    CHECK(c && p.n == 1 && c->broken.n == 1 && !find(c, "p3-7")->down);
    gw_config_free(c);
}

/* Of each librdkafka knows nothing, and takes its time to say so. */
TEST(test_include_of_very_many_problems_tells_the_first)
{
    struct gw_config *c;
    struct gw_buf b;
    size_t told = 0;

    team("ok.yaml", ONE("ok"));
    gw_buf_init(&b, 1 << 20, NULL);
    gw_buf_puts(&b, "pipelines:\n");
    for (size_t i = 0; i < 300; i++)
        gw_buf_printf(&b, "- {name: a%zu, wrong: 1, publisher: {type: 'null'}}\n", i);
    put("d/t/a.yaml", b.p, b.len);
    c = load(TEAMS);
    for (size_t i = 0; i < p.n; i++)
        told += !strcmp(p.items[i].file, "d/t/a.yaml");
    CHECK(c && runs(c, "ok ") && told == 101 && p.errors == 101);
    CHECK(has("d/t/a.yaml", 1, 1, "200 more problems of this file are not told"));
    gw_config_free(c);
    gw_buf_clear(&b);
    gw_buf_puts(&b, "pipelines:\n- name: a\n  publisher:\n    type: kafka\n    brokers: b\n"
                    "    topic: t\n    properties:\n");
    for (size_t i = 0; i < 40000; i++)
        gw_buf_printf(&b, "      k%zu: 1\n", i);
    put("d/t/a.yaml", b.p, b.len);
    c = load(TEAMS);
    CHECK(c && p.n == 1 && runs(c, "ok "));
    CHECK(has("d/t/a.yaml", 8, 7,
              "pipelines.a.publisher.properties: 40000 of them; an included file sets 100 at "
              "most"));
    gw_config_free(c);
    gw_buf_free(&b);
}

TEST(test_include_two_of_one_name_are_told_with_both_places)
{
    struct gw_config *c;

    team("a.yaml", ONE("same"));
    team("b.yaml", "pipelines:\n  - {name: other, publisher: {type: 'null'}}\n"
                   "  - {name: same, publisher: {type: 'null'}}\n");
    c = load(TEAMS);
    CHECK(c && p.n == 1 && runs(c, "same ") && find(c, "other")->down);
    CHECK(has("d/t/b.yaml", 3, 12,
              "pipelines.same: two pipelines have this name, the other stands at "
              "d/t/a.yaml:1:20"));
    gw_config_free(c);
    /* the main file's goes on, whoever claims its name */
    c = load(TEAMS ONE("same"));
    CHECK(c && runs(c, "same ") && c->broken.n == 2);
    gw_config_free(c);
    /* who is broken takes no name from who is sound */
    team("a.yaml", "pipelines: [{name: same, workers: 0, publisher: {type: 'null'}}]\n");
    c = load(TEAMS);
    CHECK(c && runs(c, "other same ") && c->broken.n == 1);
    gw_config_free(c);
    team("a.yaml", "pipelines:\n  - name: same\n  - {{\n");
    c = load(TEAMS);
    CHECK(c && p.n == 1 && runs(c, "other same "));
    gw_config_free(c);
}

TEST(test_include_takes_over_no_name_that_another_file_has)
{
    struct gw_config *c;

    team("a.yaml", "pipelines: [{name: thief, renamed_from: mine, publisher: {type: 'null'}}]\n");
    team("b.yaml", ONE("mine"));
    c = load(TEAMS ONE("main"));
    CHECK(c && p.n == 1 && is_up(c, "mine") && find(c, "thief")->contested);
    CHECK(has("d/t/a.yaml", 1, 41,
              "pipelines.thief.renamed_from: there is a pipeline mine at d/t/b.yaml:1:20: its "
              "cursor is its own"));
    gw_config_free(c);
    /* nor one that a file may have which nobody can read */
    team("b.yaml", "pipelines: [\n");
    c = load(TEAMS "pipelines: [{name: m, renamed_from: n, publisher: {type: 'null'}}]\n");
    CHECK(c && find(c, "thief")->contested && is_up(c, "m"));
    gw_config_free(c);
    team("b.yaml", ONE("other"));
    c = load(TEAMS);
    CHECK(c && p.n == 0 && is_up(c, "thief"));
    gw_config_free(c);
    /* two that want the same: neither may */
    team("b.yaml", "pipelines: [{name: too, renamed_from: mine, publisher: {type: 'null'}}]\n");
    c = load(TEAMS);
    CHECK(c && p.n == 2 && find(c, "thief")->contested && find(c, "too")->contested);
    gw_config_free(c);
    c = load(TEAMS "pipelines: [{name: m, renamed_from: mine, publisher: {type: 'null'}}]\n");
    CHECK(c && is_up(c, "m") && find(c, "too")->contested);
    gw_config_free(c);
}

/* Who comes first in the order of names would have it otherwise. */
TEST(test_include_remembers_whose_a_name_is)
{
    struct gw_config *c;

    CHECK(!mkdir("d", 0777) && !mkdir("d/moongate-data", 0777));
    team("b.yaml", ONE("mine"));
    c = load(TEAMS);
    CHECK(c && p.n == 0);
    gw_config_note_owners(c);
    gw_config_free(c);
    team("a.yaml", "pipelines:\n  - {name: other, publisher: {type: 'null'}}\n"
                   "  - {name: mine, publisher: {type: 'null'}}\n");
    c = load(TEAMS);
    CHECK(c && p.n == 1 && runs(c, "mine ") && find(c, "other")->down);
    CHECK(has("d/t/a.yaml", 3, 12,
              "pipelines.mine: two pipelines have this name, the other stands at "
              "d/t/b.yaml:1:20"));
    gw_config_note_owners(c);
    gw_config_free(c);
    /* also while its own file is broken, and when nobody can read what stands there */
    team("b.yaml", "pipelines: [{name: mine, workers: 0, publisher: {type: 'null'}}]\n");
    c = load(TEAMS);
    CHECK(c && runs(c, "") && find(c, "mine")->down);
    gw_config_note_owners(c);
    gw_config_free(c);
    team("b.yaml", "pipelines: [{\n");
    c = load(TEAMS);
    CHECK(c && runs(c, "") && p.n == 2);
    CHECK(has("d/t/a.yaml", 3, 12,
              "pipelines.mine: the name is that of a pipeline of d/t/b.yaml, which cannot be read "
              "now"));
    gw_config_note_owners(c);
    gw_config_free(c);
    /* until it gives the name up */
    team("b.yaml", ONE("b"));
    c = load(TEAMS);
    CHECK(c && p.n == 0 && runs(c, "other mine b "));
    gw_config_note_owners(c);
    gw_config_free(c);
    team("b.yaml", ONE("mine"));
    c = load(TEAMS);
    CHECK(c && p.n == 1 && runs(c, "other mine "));
    gw_config_free(c);
    team("a.yaml", "pipelines: [{name: mine, workers: 0, publisher: {type: 'null'}}]\n");
    c = load(TEAMS);
    CHECK(c && p.n == 2 && runs(c, "") && c->broken.n == 2);
    gw_config_free(c);
}

#define LIMITS(x) "pipelines:\n  - {name: a, hook_limits: {" x "}, publisher: {type: 'null'}}\n"

#define FILE_TO(x) "pipelines: [{name: a, publisher: {type: file, path: " x "}}]\n"

TEST(test_include_writes_over_nothing_that_the_gateway_lives_from)
{
    static const char *const reads[] = {"../main.yaml", "a.yaml",   "b.yaml",     "../s.lua",
                                        "link",         "../token", "../clients", "../secret"};
    struct gw_config *c;
    char text[300];

    CHECK(!mkdir("d", 0777) && !mkdir("d/moongate-data", 0777));
    put("d/s.lua", "x", 1);
    put("d/token", "x", 1);
    put("d/clients", "a:sesame-sesame\n", 16);
    put("d/secret", "x", 1);
    CHECK(!chmod("d/clients", 0600));
    team("b.yaml", "pipelines: [{name: b, hooks: [../s.lua], publisher: {type: 'null'}}]\n");
    CHECK(!symlink("b.yaml", "d/t/link"));
    for (size_t i = 0; i < sizeof(reads) / sizeof(*reads); i++) {
        char what[200];

        snprintf(text, sizeof(text), FILE_TO("%s"), reads[i]);
        team("a.yaml", text);
        c = load(TEAMS "admin: {token_file: token}\n"
                       "ingest: {grpc: {auth: {tokens_file: clients}}}\n"
                       "flyteadmin: {address: 'a:1', client_id: c, client_secret_file: secret}\n");
        snprintf(what, sizeof(what),
                 "pipelines.a.publisher.path: %s is a file that the gateway reads", reads[i]);
        CHECK(c && p.n == 1 && has("d/t/a.yaml", 1, 53, what) && runs(c, "b "));
        gw_config_free(c);
    }
    team("a.yaml", FILE_TO("../moongate-data/state.db"));
    c = load(TEAMS);
    CHECK(c && p.n == 1 &&
          has("d/t/a.yaml", 1, 53,
              "pipelines.a.publisher.path: ../moongate-data/state.db is in the gateway's data "
              "directory"));
    gw_config_free(c);
    team("a.yaml", FILE_TO("../out.jsonl"));
    c = load(TEAMS FILE_TO("m.jsonl"));
    CHECK(c && p.errors == 1); /* the name */
    gw_config_free(c);
}

TEST(test_include_sends_nothing_to_the_gateways_own_admin)
{
    static const char *const urls[] = {"http://127.0.0.1:9090/api/pipelines/x/pause",
                                       "http://localhost:9090?x", "http://[::1]:9090/"};
    static const char *const hosts[] = {"127.0.0.1", "localhost:9090", "127.0.0.9"};
    struct gw_config *c;
    char text[300];

    for (size_t i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), "pipelines: [{name: a, publisher: {type: http, url: '%s'}}]\n",
                 urls[i]);
        team("a.yaml", text);
        c = load(TEAMS);
        CHECK(c && p.n == 1 && strstr(p.items[0].text, " is the gateway's own admin"));
        gw_config_free(c);
        c = load("include: t/*.yaml\nadmin: {listen: none}\n");
        CHECK(c && p.n == 0);
        gw_config_free(c);
        snprintf(text, sizeof(text), LIMITS("allow_hosts: [%s]"), hosts[i]);
        team("a.yaml", text);
        c = load(TEAMS);
        CHECK(c && p.n == 1 && strstr(p.items[0].text, " is the gateway's own admin"));
        gw_config_free(c);
    }
    team("a.yaml",
         "pipelines: [{name: a, publisher: {type: http, url: 'http://127.0.0.1:9091/'}}]\n");
    c = load(TEAMS);
    CHECK(c && p.n == 0);
    gw_config_free(c);
}

/* ---- the guard ---- */

static const char guard[] =
    "include: t/*.yaml\nguard:\n  hook_limits: {instructions: 5000, memory: 16MiB, timeout: 1s}\n"
    "  env: [TEAM_*]\n  publishers: [kafka, 'null']\n";

TEST(test_guard_bounds_the_limits_of_included_files_alone)
{
    static const char *const above[][2] = {
        {"instructions: 5001", "pipelines.a.hook_limits.instructions: 5001 is above 5000 "
                               "(guard.hook_limits.instructions)"},
        {"memory: 17MiB",
         "pipelines.a.hook_limits.memory: 17MiB is above 16MiB (guard.hook_limits.memory)"},
        {"Timeout: 1001ms",
         "pipelines.a.hook_limits.timeout: 1001ms is above 1s (guard.hook_limits.timeout)"}};
    const struct gw_pipeline_conf *a;
    struct gw_config *c;
    char text[2000];

    team("a.yaml", ONE("a"));
    snprintf(text, sizeof(text),
             "%spipelines: [{name: m, hook_limits: {memory: 1GiB, timeout: 9s}, publisher: {type: "
             "file, path: '-'}, set: {x: \"${HOME}\"}}]\n",
             guard);
    setenv("HOME", "/h", 1);
    c = load(text);
    CHECK(c && p.n == 0 && find(c, "m")->hook_limits.memory == 1 << 30);
    CHECK(find(c, "m")->hook_limits.instructions == 1000000);
    a = find(c, "a"); /* the defaults are lowered */
    CHECK(a->hook_limits.instructions == 5000 && a->hook_limits.memory == 16 << 20);
    CHECK(a->hook_limits.timeout_ms == 1000);
    gw_config_free(c);
    for (size_t i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), LIMITS("%s"), above[i][0]);
        team("a.yaml", text);
        c = load(guard);
        CHECK(c && p.n == 1 && c->broken.n == 1);
        CHECK(has("d/t/a.yaml", 2, 29 + (int)strcspn(above[i][0], ":") + 2, above[i][1]));
        gw_config_free(c);
    }
    team("a.yaml", LIMITS("instructions: 5000, memory: 16MiB, timeout: 20ms"));
    c = load(guard);
    CHECK(c && p.n == 0 && find(c, "a")->hook_limits.timeout_ms == 20);
    gw_config_free(c);
}

TEST(test_guard_covers_the_hosts_that_files_list)
{
    static const struct {
        const char *host;
        int ok;
    } all[] = {{"api.corp.example", 1},  {"API.corp.Example", 1},      {"api.corp.example:443", 1},
               {"*.corp.example", 1},    {"*.a.corp.example", 1},      {"corp.example", 0},
               {"evilcorp.example", 0},  {"api.corp.example.evil", 0}, {"*", 0},
               {"only.example:8443", 1}, {"only.example", 0},          {"only.example:443", 0},
               {"any.example", 1},       {"any.example:1", 1},         {"x.any.example", 0},
               {"*.example", 0}};
    struct gw_config *c;
    char text[300];

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        snprintf(text, sizeof(text), LIMITS("allow_hosts: ['%s']"), all[i].host);
        team("a.yaml", text);
        c = load(TEAMS "guard: {hook_limits: {allow_hosts: ['*.corp.example', "
                       "only.example:8443, any.example]}}\n");
        if (!c || (p.n == 0) != all[i].ok) {
            fprintf(stderr, "%s\n", all[i].host);
            show();
        }
        CHECK(c && (p.n == 0) == all[i].ok);
        gw_config_free(c);
    }
    c = load(TEAMS "guard: {hook_limits: {allow_hosts: []}}\n");
    CHECK(c && p.n == 1 &&
          has("d/t/a.yaml", 2, 43,
              "pipelines.a.hook_limits.allow_hosts: \"*.example\" is none of the hosts of "
              "guard.hook_limits.allow_hosts"));
    gw_config_free(c);
    c = load(TEAMS "guard: {}\n");
    CHECK(c && p.n == 0);
    gw_config_free(c);
}

TEST(test_guard_lets_files_read_the_variables_it_lists)
{
    struct gw_config *c;

    setenv("TEAM_A", "av", 1);
    setenv("OTHER", "s3cret", 1);
    unsetenv("UNSET");
    team("a.yaml", "pipelines:\n  - name: a\n    set: {x: \"${TEAM_A}\", y: \"${TEAM_NO:-d}\"}\n"
                   "    publisher: {type: 'null'}\n");
    c = load(guard);
    CHECK(c && p.n == 0 && gw_str_is(gw_yaml_get(find(c, "a")->set, "x")->text, "av"));
    gw_config_free(c);
    team("a.yaml", "pipelines:\n  - name: a\n    set: {x: \"v ${OTHER}\", y: \"${UNSET:-d}\"}\n"
                   "    workers: ${OTHER}\n    publisher: {type: 'null'}\n");
    c = load(guard);
    CHECK(c && p.n == 3 && c->broken.n == 1);
    CHECK(has("d/t/a.yaml", 3, 17,
              "${OTHER}: this file may not read this environment variable (guard.env)"));
    CHECK(has("d/t/a.yaml", 3, 32,
              "${UNSET}: this file may not read this environment variable (guard.env)"));
    for (size_t i = 0; i < p.n; i++)
        CHECK(!strstr(p.items[i].text, "s3cret"));
    gw_config_free(c);
    /* a guard without `env` lets none through, no guard lets all through */
    c = load(TEAMS "guard: {}\n");
    CHECK(c && p.n == 3 && c->broken.n == 1);
    gw_config_free(c);
    c = load(TEAMS);
    CHECK(c && p.n == 1 &&
          has("d/t/a.yaml", 4, 14, "pipelines.a.workers: expected a whole number, not \"s3cret\""));
    gw_config_free(c);
}

TEST(test_guard_lets_files_have_the_publishers_it_lists)
{
    struct gw_config *c;

    team("a.yaml", "pipelines: [{name: a, publisher: {type: file, path: x}}]\n");
    c = load(guard);
    CHECK(c && p.n == 1 && find(c, "a")->down);
    CHECK(has("d/t/a.yaml", 1, 41,
              "pipelines.a.publisher.type: file is none of what guard.publishers allows: kafka, "
              "null"));
    gw_config_free(c);
    c = load(TEAMS "guard: {publishers: []}\n");
    CHECK(c && has("d/t/a.yaml", 1, 41,
                   "pipelines.a.publisher.type: file is none of what guard.publishers allows: "
                   "nothing"));
    gw_config_free(c);
    c = load(TEAMS "guard: {env: []}\n");
    CHECK(c && p.n == 0);
    gw_config_free(c);
}

TEST(test_guard_names_what_there_is)
{
    CHECK(!load(
        "guard:\n  publishers: [kafka, kafkaa, 'null', FILE]\n  env: [TEAM_*, '$${TEAM_A}']\n"
        "  hook_limits: {allow_hosts: ['*', '*.example.com', 'https://example.com', 'a:b']}\n"));
    CHECK(p.n == 5 && p.errors == 4);
    CHECK(has("d/main.yaml", 2, 23,
              "guard.publishers: \"kafkaa\" is none of file, http, kafka, nats, null, pubsub, sns, "
              "sqs (did you mean \"kafka\"?)"));
    CHECK(has("d/main.yaml", 2, 39,
              "guard.publishers: \"FILE\" is none of file, http, kafka, nats, null, pubsub, sns, "
              "sqs (did you mean \"file\"?)"));
    CHECK(
        has("d/main.yaml", 3, 17,
            "guard.env: no variable has such a name: \"${TEAM_A}\" (NAME, without $ and braces)"));
    CHECK(
        has("d/main.yaml", 4, 53,
            "guard.hook_limits.allow_hosts: \"https://example.com\": a host or an address, no URL "
            "and no network"));
    CHECK(has("d/main.yaml", 4, 76,
              "guard.hook_limits.allow_hosts: \"a:b\": a port is a number from 1 to 65535"));
    gw_arena_free(p.mem);
    CHECK(!load("guard: {publishers: kafkaa}\n") && p.n == 1);
    gw_arena_free(p.mem);
}

#define KAFKA(x)                                                                                   \
    "pipelines:\n  - {name: a, publisher: {type: kafka, brokers: b, topic: t, " x "}}\n"

TEST(test_guard_keeps_files_to_their_own_folder)
{
    struct gw_config *c;

    team("a.yaml", "");
    CHECK(!mkdir("e", 0700));
    for (size_t i = 0; i < 3; i++)
        tls_authority_free(
            tls_certificate((const char *[]){"d/t/ca", "d/ca", "e/ca"}[i], NULL, NULL, 30));
    put("d/s.lua", "return nil", 10);
    CHECK(!symlink("../ca.pem", "d/t/link.pem"));
    team("a.yaml", KAFKA("tls: {ca: ca.pem}"));
    c = load(guard);
    CHECK(c && p.n == 0);
    gw_config_free(c);
    team("a.yaml", KAFKA("tls: {ca: ../ca.pem}"));
    c = load(guard);
    CHECK(
        c && p.n == 1 &&
        has("d/t/a.yaml", 2, 72, "pipelines.a.ca: ../ca.pem is not below d/t, nor in guard.files"));
    gw_config_free(c);
    team("a.yaml", KAFKA("tls: {ca: link.pem}, sasl: {username: u, password_file: ../../e/ca.pem}, "
                         "properties: {ssl.key.location: /etc/passwd}"));
    c = load(guard);
    CHECK(c && p.n == 3 && c->broken.n == 1);
    gw_config_free(c);
    team("a.yaml", KAFKA("tls: {ca: ../../e/ca.pem}"));
    c = load(TEAMS "guard: {files: [../e]}\n");
    CHECK(c && p.n == 0);
    gw_config_free(c);
    c = load(TEAMS "guard: {files: [../e/ca]}\n");
    CHECK(c && p.n == 1);
    gw_config_free(c);
    c = load(TEAMS);
    CHECK(c && p.n == 0);
    gw_config_free(c);
    team("a.yaml", "pipelines: [{name: a, hooks: [../s.lua, ../../e/ca.pem, ../../none/x.lua], "
                   "publisher: {type: 'null'}}]\n");
    c = load(guard);
    CHECK(c && p.n == 2);
    CHECK(has("d/t/a.yaml", 1, 41,
              "pipelines.a.hooks: ../../e/ca.pem is not below d/t, nor in guard.files"));
    CHECK(has("d/t/a.yaml", 1, 57,
              "pipelines.a.hooks: ../../none/x.lua is not below d/t, nor in guard.files"));
    gw_config_free(c);
    p = (struct gw_problems){.mem = gw_arena_new()};
    gw_config_check("d/main.yaml", &p);
    CHECK(p.n == 2); /* nor is anybody told what stands in it */
    gw_arena_free(p.mem);
}

/* Only to be told of it makes librdkafka load a plugin. */
TEST(test_guard_or_none_an_included_file_runs_no_code)
{
    struct gw_config *c;

    team("a.yaml", KAFKA("properties: {plugin.library.paths: ./x, sasl.kerberos.kinit.cmd: y}"));
    c = load(TEAMS);
    CHECK(c && p.n == 2 && c->broken.n == 1);
    CHECK(has("d/t/a.yaml", 2, 75,
              "pipelines.a.publisher.properties: plugin.library.paths runs code: only the main "
              "file may set it"));
    CHECK(has("d/t/a.yaml", 2, 102,
              "pipelines.a.publisher.properties: sasl.kerberos.kinit.cmd runs code: only the main "
              "file may set it"));
    gw_config_free(c);
}

TEST(test_included_files_have_a_schema_of_their_own)
{
    struct gw_buf b;

    gw_buf_init(&b, 1 << 22, NULL);
    gw_config_included_schema(&b);
    gw_buf_putc(&b, '\0');
    CHECK(!b.failed && strstr(b.p, "\"pipelines\":{") && !strstr(b.p, "\"ingest\":{"));
    gw_buf_free(&b);
}
