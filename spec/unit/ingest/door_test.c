#include "ingest/door.h"

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "net/http.h"
#include "net/tls.h"
#include "net/tls_conf.h"
#include "tls_files.h"

#include <unistd.h>

static struct gw_tls_server_conf tls = {.cert = "server.pem", .key = "server.key"};
static struct gw_auth_conf auth = {.tokens_file = "tokens"};
static struct gw_err err;
static char said[4000];

static void keep(const char *text, size_t len)
{
    const size_t n = strlen(said);

    CHECK(n + len < sizeof(said));
    memcpy(said + n, text, len);
    said[n + len] = '\0';
}

static void save(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

static struct gw_door *open_door(struct gw_tls_server_conf *t, struct gw_auth_conf *a)
{
    static struct gw_door_conf conf;
    struct gw_door *d;

    gw_diag_sink = keep;
    conf = (struct gw_door_conf){t, a};
    d = gw_door_open(&conf, "ingest.grpc", &err);
    CHECK(d);
    return d;
}

/* Who comes with that header; NULL: nobody who may. "": nobody was asked. */
static const char *who(struct gw_door *d, const char *name, const char *value)
{
    static char client[200];
    const struct gw_http_header h = {gw_str_of(name), gw_str_of(value)};
    struct gw_http_stream s = {.mem = gw_arena_new(), .headers = &h, .n_headers = name ? 1 : 0};
    const char *why = NULL;
    const int rc = gw_door_admit(d, &s, &why);

    CHECK(!rc == !why && (!why || strstr(why, "token")));
    snprintf(client, sizeof(client), "%.*s", (int)s.client.len, s.client.p ? s.client.p : "");
    gw_arena_free(s.mem);
    return rc ? NULL : client;
}

TEST(test_door_without_auth_is_open)
{
    struct gw_door *d = open_door(NULL, NULL);

    CHECK(!strcmp(who(NULL, NULL, NULL), "") && !strcmp(who(d, "authorization", "Bearer x"), ""));
    CHECK(!gw_door_tls(d) && !gw_door_hides(d, GW_STR("authorization")));
    gw_door_refresh(d);
    CHECK(!*said);
    gw_door_close(d);
}

TEST(test_door_knows_a_token_in_two_headers)
{
    struct gw_door *d;

    save("tokens", "alice:sesame\n");
    d = open_door(NULL, &auth);
    CHECK(!strcmp(who(d, "authorization", "Bearer sesame"), "alice"));
    CHECK(!strcmp(who(d, "flyte-authorization", "bEARER   sesame"), "alice"));
    CHECK(!who(d, NULL, NULL) && !who(d, "authorization", "Bearer") &&
          !who(d, "authorization", "Bearer ") && !who(d, "authorization", "sesame") &&
          !who(d, "authorization", "Bearer sesame ") && !who(d, "authorization", "Bearersesame") &&
          !who(d, "authorization", "Basic sesame") && !who(d, "authorizatio", "Bearer sesame") &&
          !who(d, "proxy-authorization", "Bearer sesame") && !who(d, "authorization", ""));
    CHECK(gw_door_hides(d, GW_STR("authorization")) &&
          gw_door_hides(d, GW_STR("flyte-authorization")) && !gw_door_hides(d, GW_STR("cookie")));
    /* One line for all of them, and no token in it. */
    CHECK(strstr(said, "level=warn component=ingest.grpc") && !strstr(said, "sesame"));
    CHECK(strchr(said, '\n') == said + strlen(said) - 1);
    gw_door_close(d);
}

TEST(test_door_looks_at_a_few_headers_only)
{
    struct gw_http_header h[10];
    struct gw_http_stream s = {.mem = gw_arena_new(), .headers = h, .n_headers = 10};
    struct gw_door *d;
    const char *why;

    save("tokens", "alice:sesame\n");
    d = open_door(NULL, &auth);
    for (int i = 0; i < 10; i++)
        h[i] = (struct gw_http_header){GW_STR("authorization"), GW_STR("Bearer guess")};
    h[3].value = GW_STR("Bearer sesame");
    CHECK(!gw_door_admit(d, &s, &why) && gw_str_is(s.client, "alice"));
    h[3].value = GW_STR("Bearer guess");
    h[4].value = GW_STR("Bearer sesame");
    CHECK(gw_door_admit(d, &s, &why) == -1 && !s.client.p);
    gw_door_close(d);
    gw_arena_free(s.mem);
}

/* A change that will not do leaves everything as it was; each is told once. */
TEST(test_door_takes_what_changes_if_it_will_do)
{
    struct gw_door *d;

    tls_files();
    save("tokens", "alice:sesame\n");
    d = open_door(&tls, &auth);
    CHECK(gw_door_tls(d));
    gw_door_refresh(d);
    CHECK(!*said);
    save("tokens", "bob:sesame\ncarol:sesame\n");
    gw_door_refresh(d);
    gw_door_refresh(d);
    CHECK(!strcmp(who(d, "authorization", "Bearer sesame"), "alice"));
    CHECK(strstr(said, "level=error component=ingest.grpc msg=\"a file that has changed is not "
                       "taken\" error=\"tokens:2: the same token as in line 1\"\n"));
    CHECK(strchr(said, '\n') == said + strlen(said) - 1);
    *said = '\0';
    CHECK(!unlink("tokens"));
    gw_door_refresh(d);
    CHECK(strstr(said, "No such file") && who(d, "authorization", "Bearer sesame"));
    *said = '\0';
    save("tokens", "bob:sesame\n");
    gw_door_refresh(d);
    CHECK(strstr(said, "new tokens taken") && !strstr(said, "certificate"));
    CHECK(!strcmp(who(d, "authorization", "Bearer sesame"), "bob"));
    *said = '\0';
    CHECK(!rename("client.pem", "server.pem"));
    gw_door_refresh(d);
    CHECK(strstr(said, "not the key of server.pem") && !strstr(said, "tokens"));
    *said = '\0';
    CHECK(!rename("client.key", "server.key"));
    gw_door_refresh(d);
    CHECK(strstr(said, "new certificate taken"));
    gw_door_close(d);
}

TEST(test_door_does_not_open_on_bad_files)
{
    const struct gw_door_conf conf = {NULL, &auth}, other = {&tls, NULL};

    CHECK(!gw_door_open(&conf, "ingest.http", &err));
    CHECK(!strcmp(err.msg, "ingest.http: auth.tokens_file: tokens: No such file or directory"));
    save("tokens", "sesame");
    CHECK(!gw_door_open(&conf, "ingest.http", &err));
    CHECK(strstr(err.msg, "ingest.http: tokens:1: ") && !strstr(err.msg, "sesame"));
    CHECK(!gw_door_open(&other, "ingest.http", &err));
    CHECK(strstr(err.msg, "ingest.http: tls: certificate server.pem: No such file"));
}

static void count(void *ctx, const char *path)
{
    CHECK(path);
    ++*(int *)ctx;
}

TEST(test_door_names_its_files)
{
    struct gw_door *d;
    int n = 0;

    tls_files();
    save("tokens", "");
    tls.client_ca = "ca.pem";
    d = open_door(&tls, &auth);
    gw_door_files(d, count, &n);
    CHECK(n == 4 && !who(d, "authorization", "Bearer "));
    gw_door_close(d);
}
