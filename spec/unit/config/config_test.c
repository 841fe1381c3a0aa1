#include "config/config.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/problems.h"
#include "test.h"
#include "tls_files.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static struct gw_problems p;

static struct gw_config *load(const char *text)
{
    FILE *f;

    (void)mkdir("d", 0777);
    f = fopen("d/moongate.yaml", "w");
    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
    p = (struct gw_problems){.mem = gw_arena_new()};
    return gw_config_load("d/moongate.yaml", &p);
}

static void show(void)
{
    for (size_t i = 0; i < p.n; i++)
        fprintf(stderr, "%s:%d:%d: %s\n", p.items[i].file, p.items[i].line, p.items[i].column,
                p.items[i].text);
}

static struct gw_config *load_well(const char *text)
{
    struct gw_config *c = load(text);

    if (!c || p.n)
        show();
    CHECK(c && p.n == 0);
    return c;
}

static int has(int line, int column, const char *text)
{
    for (size_t i = 0; i < p.n; i++)
        if (p.items[i].line == line && p.items[i].column == column && strstr(p.items[i].text, text))
            return 1;
    show();
    return 0;
}

static void check_defaults(const struct gw_config *c)
{
    const struct gw_pipeline_conf *pipeline = c->pipelines.items;

    CHECK(!strcmp(c->source, "https://github.com/flyteorg/flyteadmin"));
    CHECK(c->shutdown_timeout_ms == 25000);
    CHECK(!strcmp(c->ingest->grpc->listener.listen, "127.0.0.1:8089"));
    CHECK(!strcmp(c->ingest->http->listener.listen, "127.0.0.1:8088"));
    CHECK(!strcmp(c->admin.listen, "127.0.0.1:9090"));
    CHECK(c->pipelines.n == 1 && !strcmp(pipeline->name, "default"));
    CHECK(!strcmp(pipeline->publisher.type, "file") && pipeline->enabled);
    CHECK(!strcmp(pipeline->source, c->source) && pipeline->yaml && pipeline->lua_path);
    CHECK(c->sections.n == 0);
}

TEST(test_config_of_nothing_has_everything)
{
    struct gw_config *c;

    check_defaults(load_well(""));
    gw_arena_free(p.mem);
    check_defaults(load_well("ingest:\npipelines: []\nadmin:\n"));
    gw_arena_free(p.mem);
    p = (struct gw_problems){.mem = gw_arena_new()};
    c = gw_config_load(NULL, &p);
    CHECK(c && p.n == 0);
    check_defaults(c);
    CHECK(!strcmp(c->log.path, "./moongate-data"));
    gw_config_free(c);
}

TEST(test_config_ingest_is_exactly_what_is_listed)
{
    struct gw_config *c = load_well("ingest:\n  grpc:\n");

    CHECK(c->ingest->grpc && !c->ingest->http);
    gw_config_free(c);
    c = load_well("ingest: {http: {listen: '127.0.0.1:0'}}\n");
    CHECK(!c->ingest->grpc && !strcmp(c->ingest->http->listener.listen, "127.0.0.1:0"));
    gw_config_free(c);
}

TEST(test_config_paths_are_relative_to_the_file)
{
    struct gw_config *c = load_well("log: {path: data}\npipelines:\n  - {name: a, hooks: [x.lua, "
                                    "/y.lua], publisher: {type: file, path: '-'}}\n");
    const struct gw_pipeline_conf *pipeline = c->pipelines.items;

    CHECK(!strcmp(c->log.path, "d/data"));
    CHECK(!strcmp(pipeline->hooks.items[0], "d/x.lua"));
    CHECK(!strcmp(pipeline->hooks.items[1], "/y.lua"));
    gw_config_free(c);
    c = load_well("");
    CHECK(!strcmp(c->log.path, "d/./moongate-data"));
    gw_config_free(c);
}

TEST(test_config_tells_every_problem_by_place)
{
    CHECK(!load("sorce: /x\nshutdown_timeout: soon\nincude: a.yaml\npipelines:\n"
                "  - name: b\n    publisher: {type: kafk}\n    wokers: 1\n"
                "  - name: b\n    publisher: {type: 'null'}\nzzz: 1\n"));
    CHECK(p.n == p.errors && has(10, 1, "unknown key \"zzz\""));
    CHECK(has(1, 1, "unknown key \"sorce\" (did you mean \"source\"?)"));
    CHECK(has(2, 19, "shutdown_timeout: expected a duration"));
    CHECK(has(3, 1, "unknown key \"incude\" (did you mean \"include\"?)"));
    CHECK(has(6, 23, "pipelines.b.publisher.type: \"kafk\""));
    CHECK(has(7, 5, "pipelines.b: unknown key \"wokers\" (did you mean \"workers\"?)"));
    CHECK(has(8, 11,
              "pipelines.b: two pipelines have this name, the other stands at "
              "d/moongate.yaml:5:11"));
    for (size_t i = 1; i < p.n; i++)
        CHECK(p.items[i - 1].line <= p.items[i].line);
    gw_arena_free(p.mem);
}

TEST(test_config_renamed_from_names_no_pipeline_that_is_there)
{
    CHECK(!load("pipelines:\n  - {name: a, publisher: {type: 'null'}}\n"
                "  - {name: b, renamed_from: a, publisher: {type: 'null'}}\n"
                "  - {name: c, renamed_from: old, publisher: {type: 'null'}}\n"
                "  - {name: d, renamed_from: old, publisher: {type: 'null'}}\n"));
    CHECK(p.n == 2 && has(3, 29, "pipelines.b.renamed_from: there is a pipeline a"));
    CHECK(has(5, 29, "pipelines.d.renamed_from: another pipeline takes over from old"));
    gw_arena_free(p.mem);
}

TEST(test_config_that_is_no_mapping_is_a_problem)
{
    CHECK(!load("- 1\n") && has(1, 1, "expected a mapping, not a list"));
    gw_arena_free(p.mem);
    CHECK(!load("admin: 9090\n") && has(1, 8, "admin: expected a mapping"));
    gw_arena_free(p.mem);
    CHECK(!load("pipelines: {a: b}\n") && has(1, 12, "pipelines: expected a list"));
    gw_arena_free(p.mem);
}

TEST(test_config_schema_is_json)
{
    struct gw_json j;
    struct gw_buf b;

    gw_buf_init(&b, 1 << 22, NULL);
    gw_config_schema(&b);
    CHECK(!b.failed);
    gw_json_init(&j, gw_buf_str(&b), 100);
    CHECK(gw_json_next(&j) == GW_JSON_OBJECT && gw_json_next(&j) == GW_JSON_KEY);
    CHECK(gw_json_is(&j, "$schema"));
    while (gw_json_next(&j) > GW_JSON_END)
        ;
    CHECK(j.token == GW_JSON_END);
    gw_buf_free(&b);
}

/* To renew it: build/release/moongate schema --markdown > gateway/config/reference.md */
TEST(test_config_reference_page_is_made_from_the_tables)
{
    struct gw_arena *mem = gw_arena_new();
    FILE *f = fopen(gw_arena_printf(mem, "%s/gateway/config/reference.md", spec_root()).p, "r");
    static char page[1 << 20];
    struct gw_buf b;
    size_t n;

    CHECK(f);
    n = fread(page, 1, sizeof(page), f);
    CHECK(!fclose(f));
    gw_buf_init(&b, 1 << 20, NULL);
    gw_config_reference(&b);
    CHECK(gw_str_eq(gw_buf_str(&b), (struct gw_str){page, n}));
    gw_buf_free(&b);
    gw_arena_free(mem);
}

static void add_file(void *ctx, const struct gw_pipeline_conf *of, const char *path)
{
    char *all = ctx;

    snprintf(all + strlen(all), 200, "%s=%s ", of ? of->name : "-", path);
}

TEST(test_config_files_are_told_by_pipeline)
{
    static const char *const names[] = {"d/secret", "d/token"};
    char all[1000] = "";
    struct gw_config *c;

    CHECK(!mkdir("d", 0777));
    tls_authority_free(tls_certificate("d/ca", NULL, NULL, 30));
    for (size_t i = 0; i < 2; i++) {
        FILE *f = fopen(names[i], "w");

        CHECK(f && fputs("abc\n", f) >= 0 && !fclose(f));
    }
    c = load_well("admin: {token_file: token}\n"
                  "flyteadmin: {address: 'h:81', client_id: a, client_secret_file: secret}\n"
                  "pipelines:\n"
                  "  - {name: a, hooks: [a.lua], publisher: {type: http, url: 'http://h/', "
                  "bearer_token_file: secret, tls: {ca: ca.pem}}}\n"
                  "  - {name: b, publisher: {type: 'null'}}\n"
                  "  - {name: k, publisher: {type: kafka, brokers: b, topic: t, properties: "
                  "{ssl.ca.location: d/ca.pem, linger.ms: 5}}}\n"
                  "ingest: {kafka: [{brokers: b, topics: u, properties: {ssl.key.location: "
                  "d/ca.key, ssl.ca.location: probe}}]}\n");
    gw_config_files(c, add_file, all);
    CHECK(!strcmp(all, "-=d/token a=d/secret -=d/ca.key a=d/secret a=d/ca.pem k=d/ca.pem "));
    gw_config_free(c);
}

TEST(test_config_scripts_are_told_with_their_line)
{
    struct gw_config *c;
    FILE *f;

    c = load_well("pipelines:\n  - name: a\n    hooks: [bad.lua, none.lua, good.lua]\n"
                  "    publisher: {type: 'null'}\n");
    f = fopen("d/bad.lua", "w");
    CHECK(f && fputs("\n\nreturn oops oops\n", f) >= 0 && !fclose(f));
    f = fopen("d/good.lua", "w");
    CHECK(f && fputs("return function(event) return true end\n", f) >= 0 && !fclose(f));
    gw_config_check_scripts(c, &p);
    CHECK(p.n == 2 && !strcmp(p.items[0].file, "d/bad.lua") && has(3, 1, "oops"));
    CHECK(has(3, 22, "none.lua: No such file"));
    gw_config_free(c);
}

static struct gw_config *try_config(const char *text)
{
    FILE *f = fopen("c.yaml", "w");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
    p = (struct gw_problems){.mem = gw_arena_new()};
    return gw_config_load("c.yaml", &p);
}

/* The keys whose file's certificate ends soon, in their order. */
static int warned_of(const char *keys)
{
    char all[1000] = "";

    for (size_t i = 0; i < p.n; i++)
        if (strstr(p.items[i].text, " ends at 20"))
            snprintf(all + strlen(all), 80, "%.*s ", (int)strcspn(p.items[i].text, ":"),
                     p.items[i].text);
    if (strcmp(all, keys) != 0)
        fprintf(stderr, "%s\n", all);
    return !strcmp(all, keys);
}

TEST(test_config_certificates_that_end_soon_are_warned_of_wherever_they_are_named)
{
    const struct tls_authority ca = tls_certificate("ca", NULL, NULL, 5);
    struct gw_config *c;

    tls_authority_free(tls_certificate("server", &ca, "DNS:localhost", 5));
    c = try_config(
        "ingest:\n"
        "  grpc: {tls: {cert: server.pem, key: server.key, client_ca: ca.pem},\n"
        "         upstream: 'a:1', upstream_tls: {ca: ca.pem}}\n"
        "  http: {tls: {cert: server.pem, key: server.key},\n"
        "         upstream: 'https://a', upstream_tls: {ca: ca.pem}}\n"
        "  kafka: [{brokers: b, topics: t, tls: {ca: ca.pem}}]\n"
        "flyteadmin: {address: 'a:1', tls: {ca: ca.pem}}\n"
        "pipelines:\n"
        "  - {name: k, publisher: {type: kafka, brokers: b, topic: u,\n"
        "                          tls: {ca: ca.pem, cert: server.pem, key: server.key}}}\n"
        "  - {name: p, publisher: {type: kafka, brokers: b, topic: v,\n"
        "                          properties: {ssl.ca.location: ca.pem,\n"
        "                                       ssl.certificate.location: server.pem}}}\n"
        "  - {name: h, publisher: {type: http, url: 'https://h', tls: {ca: ca.pem}}}\n"
        "  - {name: n, publisher: {type: nats, servers: n, subject: s, tls: {ca: ca.pem}}}\n");
    CHECK(c && p.errors == 0);
    CHECK(warned_of("ingest.grpc.tls.cert ingest.grpc.tls.client_ca ingest.grpc.upstream_tls.ca "
                    "ingest.http.tls.cert ingest.http.upstream_tls.ca tls.ca flyteadmin.tls.ca "
                    "tls.ca tls.cert properties properties tls.ca tls.ca "));
    gw_config_free(c);
    tls_authority_free(ca);
}

TEST(test_config_authorities_that_are_none_are_told)
{
    struct gw_config *c;

    tls_files();
    CHECK(
        !try_config("ingest:\n  grpc: {upstream: 'a:1', upstream_tls: {ca: server.key}}\n"
                    "  http: {upstream: 'https://a', upstream_tls: {ca: .}}\n"
                    "flyteadmin: {address: 'a:1', tls: {ca: none.pem}}\n"
                    "pipelines: [{name: p, publisher: {type: kafka, brokers: b, topic: t,\n"
                    "                                  properties: {ssl.ca.location: none}}}]\n"));
    CHECK(p.n == 4 && p.errors == 4);
    CHECK(has(6, 65, "properties: ssl.ca.location: none: No such file or directory"));
    CHECK(!strcmp(p.items[0].text, "ingest.grpc.upstream_tls.ca: server.key: no certificate or crl "
                                   "found") &&
          p.items[0].line == 2 && p.items[0].column == 46);
    CHECK(!strcmp(p.items[1].text, "ingest.http.upstream_tls.ca: .: not a regular file"));
    CHECK(!strcmp(p.items[2].text, "flyteadmin.tls.ca: none.pem: No such file or directory"));
    gw_arena_free(p.mem);
    c = try_config("ingest:\n  grpc: {upstream: 'a:1', upstream_tls: {ca: ca.pem}}\n");
    CHECK(c && p.n == 0);
    gw_config_free(c);
}
